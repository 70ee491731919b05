//! The process that serves, from its launch to its end.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::NodeServer;

const WATCHER: &str = include_str!("watch.mjs");

const START_LIMIT: Duration = Duration::from_secs(60);
const END_LIMIT: Duration = Duration::from_secs(5);

/// A server that answers; ends when dropped.
#[derive(Debug)]
pub struct Served {
    pub port: u16,
    /// The id of the process that answers requests.
    pub pid: u32,
    _watcher: Watcher,
}

impl NodeServer {
    /// Installs the server when it is not there, and starts it in this folder.
    pub fn launch(
        &self,
        work_folder: &Path,
        options: &[&str],
        environment: &[(&'static str, &'static str)],
    ) -> Result<Served, String> {
        let installation = self.installation()?;
        // A file rather than a pipe: nobody has to read it for the server to go on.
        let mut stderr = tempfile::tempfile().map_err(|error| self.cannot_launch(&error))?;
        let mut watcher = self.spawn(installation, work_folder, options, environment, &stderr)?;
        match watcher.ready_line(START_LIMIT) {
            Ok(line) => {
                let (port, pid) = parse(&line).ok_or_else(|| format!("not a port: {line}"))?;
                Ok(Served { port, pid, _watcher: watcher })
            }
            Err(why) => {
                drop(watcher);
                let mut said = String::new();
                let _ = stderr.rewind().and_then(|()| stderr.read_to_string(&mut said));
                Err(format!("the server {} {why}; it said:\n{said}", self.name))
            }
        }
    }

    fn spawn(
        &self,
        installation: &Path,
        work_folder: &Path,
        options: &[&str],
        environment: &[(&'static str, &'static str)],
        stderr: &File,
    ) -> Result<Watcher, String> {
        let watcher = work_folder.join("watch.mjs");
        fs::write(&watcher, WATCHER)
            .and_then(|()| fs::write(work_folder.join("serve.mjs"), self.script))
            .map_err(|error| self.cannot_launch(&error))?;
        Command::new("node")
            .arg(&watcher)
            .arg(installation)
            .arg(work_folder)
            .args(options)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr.try_clone().map_err(|error| self.cannot_launch(&error))?)
            .spawn()
            .map(Watcher)
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => self.node_needed(),
                _ => self.cannot_launch(&error),
            })
    }

    fn cannot_launch(&self, error: &std::io::Error) -> String {
        format!("cannot launch the server {}: {error}", self.name)
    }
}

#[cfg(unix)]
impl Served {
    /// Stops the server as a machine that hangs: connections stay open, and nothing answers.
    pub fn pause(&self) {
        self.signal(nix::sys::signal::Signal::SIGSTOP);
    }

    pub fn resume(&self) {
        self.signal(nix::sys::signal::Signal::SIGCONT);
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = i32::try_from(self.pid).expect("a process id fits");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("the server's process is gone");
    }
}

/// The node process of `watch.mjs`, which keeps the server alive while this side of its stdin is open.
#[derive(Debug)]
struct Watcher(Child);

impl Watcher {
    fn ready_line(&mut self, limit: Duration) -> Result<String, String> {
        let stdout = self.0.stdout.take().ok_or("has no output")?;
        match first_line(stdout).recv_timeout(limit) {
            Ok(line) if !line.is_empty() => Ok(line),
            Err(mpsc::RecvTimeoutError::Timeout) => Err(format!("did not answer within {} s", limit.as_secs())),
            _ => Err("ended before it answered".to_owned()),
        }
    }
}

impl Drop for Watcher {
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
