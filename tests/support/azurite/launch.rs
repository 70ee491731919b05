//! The process that serves, from its launch to its end.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::install::NODE_NEEDED;

const LAUNCHER: &str = include_str!("launch.mjs");

const START_LIMIT: Duration = Duration::from_secs(60);
const END_LIMIT: Duration = Duration::from_secs(5);

/// A service that answers; ends when dropped.
#[derive(Debug)]
pub struct Served {
    pub port: u16,
    pub pid: u32,
    _launcher: Launcher,
}

impl Served {
    pub fn launch(installation: &Path, work_folder: &Path, options: &[&str]) -> Result<Self, String> {
        // A file rather than a pipe: nobody has to read it for the server to go on.
        let mut stderr = tempfile::tempfile().map_err(cannot_launch)?;
        let mut launcher = Launcher::spawn(installation, work_folder, options, &stderr)?;
        match launcher.ready_line(START_LIMIT) {
            Ok(line) => {
                let (port, pid) = parse(&line).ok_or_else(|| format!("not a port: {line}"))?;
                Ok(Self { port, pid, _launcher: launcher })
            }
            Err(why) => {
                drop(launcher);
                let mut said = String::new();
                let _ = stderr.rewind().and_then(|()| stderr.read_to_string(&mut said));
                Err(format!("Azurite {why}; it said:\n{said}"))
            }
        }
    }
}

/// The node process of `launch.mjs`, which keeps the server alive while this side of its stdin is open.
#[derive(Debug)]
struct Launcher(Child);

impl Launcher {
    fn spawn(installation: &Path, work_folder: &Path, options: &[&str], stderr: &File) -> Result<Self, String> {
        let script = work_folder.join("launch.mjs");
        fs::write(&script, LAUNCHER).map_err(cannot_launch)?;
        Command::new("node")
            .arg(&script)
            .arg(installation)
            .arg(work_folder)
            .args(options)
            // They would give the server other accounts, or a database to write to.
            .env_remove("AZURITE_ACCOUNTS")
            .env_remove("AZURITE_DB")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr.try_clone().map_err(cannot_launch)?)
            .spawn()
            .map(Self)
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => NODE_NEEDED.to_owned(),
                _ => cannot_launch(error),
            })
    }

    fn ready_line(&mut self, limit: Duration) -> Result<String, String> {
        let stdout = self.0.stdout.take().ok_or("has no output")?;
        match first_line(stdout).recv_timeout(limit) {
            Ok(line) if !line.is_empty() => Ok(line),
            Err(mpsc::RecvTimeoutError::Timeout) => Err(format!("did not answer within {} s", limit.as_secs())),
            _ => Err("ended before it answered".to_owned()),
        }
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let limit = Instant::now() + END_LIMIT;
        while Instant::now() < limit {
            if matches!(self.0.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads on a thread, because a blocking read has no time limit.
fn first_line(stdout: ChildStdout) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        if BufReader::new(stdout).read_line(&mut line).is_ok() {
            let _ = sender.send(line);
        }
    });
    receiver
}

fn parse(line: &str) -> Option<(u16, u32)> {
    let (port, pid) = line.trim_end().split_once(' ')?;
    Some((port.parse().ok()?, pid.parse().ok()?))
}

fn cannot_launch(error: std::io::Error) -> String {
    format!("cannot launch Azurite: {error}")
}
