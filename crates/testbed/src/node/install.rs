//! Installs pinned packages by npm, once per build folder.
//!
//! To move a pin, change `package.json` and then, so that the lock names no registry:
//! `npm install --package-lock-only --omit-lockfile-registry-resolved`.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::NodeServer;

const NPM: &str = if cfg!(windows) { "npm.cmd" } else { "npm" };

/// A folder of a new name, removed when dropped; under the build folder, so that `cargo clean` takes what a crash left.
pub fn temporary_folder(prefix: &str) -> Result<TempDir, String> {
    let parent = scratch();
    fs::create_dir_all(&parent)
        .and_then(|()| tempfile::Builder::new().prefix(prefix).tempdir_in(&parent))
        .map_err(|error| format!("cannot create a folder in {}: {error}", parent.display()))
}

/// The build folder's `tmp`, which is also that of the integration tests. Cargo tells it to those alone, and not to a library.
fn scratch() -> PathBuf {
    let test = std::env::current_exe().expect("this test has a path");
    let build = test.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    build.map_or_else(std::env::temp_dir, |build| build.join("tmp"))
}

impl NodeServer {
    /// The folder whose `node_modules` holds the server; installs it when it is not there.
    pub(super) fn installation(&self) -> Result<&Path, String> {
        match self.installed.get_or_init(|| self.install()) {
            Ok(folder) => Ok(folder),
            Err(reason) => Err(reason.clone()),
        }
    }

    fn install(&self) -> Result<PathBuf, String> {
        let folder = scratch().join(format!("{}-{:016x}", self.name, self.pin()));
        if folder.is_dir() {
            return Ok(folder);
        }

        // Renamed into place when complete, so that no other process ever sees half of it.
        let draft = temporary_folder(&format!("{}-install-", self.name))?;
        fs::write(draft.path().join("package.json"), self.package)
            .and_then(|()| fs::write(draft.path().join("package-lock.json"), self.lock))
            .map_err(|error| format!("cannot write the packages to install: {error}"))?;
        self.npm_ci(draft.path())?;

        match fs::rename(draft.path(), &folder) {
            Ok(()) => Ok(folder),
            // Another process was faster, and its installation is as good.
            Err(_) if folder.is_dir() => Ok(folder),
            Err(error) => Err(format!("cannot keep the server {} just installed: {error}", self.name)),
        }
    }

    /// Differs for every set of pinned packages.
    fn pin(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.package, self.lock).hash(&mut hasher);
        hasher.finish()
    }

    fn npm_ci(&self, folder: &Path) -> Result<(), String> {
        let output = Command::new(NPM)
            .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
            // Else its warnings, of an older node than a package asks for, would bury why it failed.
            .arg("--loglevel=error")
            .current_dir(folder)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => self.node_needed(),
                _ => format!("cannot run npm: {error}"),
            })?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!(
            "npm could not install the server {} ({}):\n{}{}",
            self.name,
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        ))
    }
}
