//! The process that serves, from its launch to its end.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::unistd::{User, geteuid};
use tempfile::TempDir;

const SERVE: &str = include_str!("serve.sh");
const PROGRAMS: &str = "/usr/lib/postgresql";

/// A server that answers; ends when dropped.
#[derive(Debug)]
pub struct Served {
    shell: Child,
    // Dropped last: the server works in it.
    folder: TempDir,
}

impl Served {
    pub fn start() -> Result<Self, String> {
        let programs = programs()?;
        // Not under the build folder: the path of a socket has a limit of about a hundred bytes, and the user that the
        // server runs as may not be allowed into a checkout.
        let folder = tempfile::Builder::new().prefix("postgres-").tempdir().map_err(|error| cannot_launch(&error))?;
        let shell = shell(&programs, folder.path()).map_err(|error| cannot_launch(&error))?;
        let mut served = Self { shell, folder };
        served.wait_until_ready()?;
        Ok(served)
    }

    /// Where the server's socket is.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Needs no limit of its own, as `pg_ctl` has one.
    fn wait_until_ready(&mut self) -> Result<(), String> {
        let mut stdout = BufReader::new(self.shell.stdout.take().ok_or("the shell has no output")?);
        let mut said = String::new();
        stdout.read_line(&mut said).map_err(|error| cannot_launch(&error))?;
        if said == "ready\n" {
            return Ok(());
        }
        let _ = stdout.read_to_string(&mut said);
        Err(format!("PostgreSQL did not start:\n{said}"))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// The shell of `serve.sh`, which keeps the server alive while this side of its stdin is open.
fn shell(programs: &Path, folder: &Path) -> std::io::Result<Child> {
    let mut shell = Command::new("sh");
    shell.args(["-c", SERVE, "serve.sh"]).args([programs, folder]).stdin(Stdio::piped()).stdout(Stdio::piped());
    // A Ctrl-C is for the test process, whose end then ends the server.
    shell.process_group(0);
    // PGDATA, PGPORT and the like are for the server of whoever runs the tests.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
        shell.env_remove(name);
    }
    shell.current_dir("/");
    if geteuid().is_root() {
        // PostgreSQL refuses to run as root; Debian's package makes this user.
        let user = User::from_name("postgres")?.ok_or_else(|| std::io::Error::other("no user named postgres"))?;
        chown(folder, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
        shell.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    shell.spawn()
}

/// The folder with `initdb` and `pg_ctl` of the newest version that is installed.
fn programs() -> Result<PathBuf, String> {
    let versions = fs::read_dir(PROGRAMS).into_iter().flatten().flatten();
    let newest = versions
        .filter(|version| version.path().join("bin/initdb").exists())
        .max_by_key(|version| version.file_name().to_str().and_then(|number| number.parse::<u32>().ok()));
    newest.map(|version| version.path().join("bin")).ok_or_else(|| {
        format!("PostgreSQL is needed to run these tests, and there is none in {PROGRAMS}: apt install postgresql")
    })
}

fn cannot_launch(error: &std::io::Error) -> String {
    format!("cannot launch PostgreSQL: {error}")
}
