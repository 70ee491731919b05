//! Installs the pinned Azurite by npm, once per build folder.
//!
//! To move the pin, change `package.json` and then, so that the lock names no registry:
//! `npm install --package-lock-only --omit-lockfile-registry-resolved`.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

const PACKAGE: &str = include_str!("package.json");
const LOCK: &str = include_str!("package-lock.json");

const NPM: &str = if cfg!(windows) { "npm.cmd" } else { "npm" };

/// What to tell who lacks node or npm.
pub const NODE_NEEDED: &str = "Node.js 20 or newer with npm is needed to run the Azurite emulator in these tests: \
     install it from https://nodejs.org, \
     or run only the tests that need none: cargo test --no-default-features --features contract";

/// The folder whose `node_modules` holds Azurite; installs it when it is not there.
pub fn installation() -> Result<&'static Path, String> {
    // A failure is kept too: the tests of one process need not each wait for npm to fail.
    static INSTALLED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match INSTALLED.get_or_init(install) {
        Ok(folder) => Ok(folder),
        Err(reason) => Err(reason.clone()),
    }
}

/// A folder of a new name, removed when dropped; under the build folder, so that `cargo clean` takes what a crash left.
pub fn temporary_folder(prefix: &str) -> Result<TempDir, String> {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(parent)
        .and_then(|()| tempfile::Builder::new().prefix(prefix).tempdir_in(parent))
        .map_err(|error| format!("cannot create a folder in {}: {error}", parent.display()))
}

fn install() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("azurite-{:016x}", pin()));
    if folder.is_dir() {
        return Ok(folder);
    }

    // Renamed into place when complete, so that no other process ever sees half of it.
    let draft = temporary_folder("azurite-install-")?;
    fs::write(draft.path().join("package.json"), PACKAGE)
        .and_then(|()| fs::write(draft.path().join("package-lock.json"), LOCK))
        .map_err(|error| format!("cannot write the packages to install: {error}"))?;
    npm_ci(draft.path())?;

    match fs::rename(draft.path(), &folder) {
        Ok(()) => Ok(folder),
        // Another process was faster, and its installation is as good.
        Err(_) if folder.is_dir() => Ok(folder),
        Err(error) => Err(format!("cannot keep the Azurite just installed: {error}")),
    }
}

/// Differs for every set of pinned packages.
fn pin() -> u64 {
    let mut hasher = DefaultHasher::new();
    (PACKAGE, LOCK).hash(&mut hasher);
    hasher.finish()
}

fn npm_ci(folder: &Path) -> Result<(), String> {
    let output = Command::new(NPM)
        .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
        // Else its warnings, of an older node than Azurite asks for, would bury why it failed.
        .arg("--loglevel=error")
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => NODE_NEEDED.to_owned(),
            _ => format!("cannot run npm: {error}"),
        })?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "npm could not install Azurite ({}):\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    ))
}
