//! The last stage before the command: this program once more, which the guardian starts, and which turns into the command.
//!
//! In between it asks the kernel to kill it when the guardian dies: a parent-death signal survives `exec`. So also when leader
//! and guardian are killed together, as by the memory limit of their container, the command does not go on alone. It says nothing of
//! what the command starts in its turn, and the kernel forgets it when the command changes its user (`sudo`).

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use nix::unistd::Pid;

use super::this_program;

/// Why a command could not be started.
pub struct NotStarted {
    /// The exit code to say so with, as shells do.
    pub code: u8,
    pub why: String,
}

/// Starts the command as the head of a process group of its own, and returns when it runs. To be called by the thread that is
/// there as long as this process is: the kernel takes that thread's end for its parent's.
pub fn start(command: &[OsString]) -> Result<Pid, NotStarted> {
    launch(command).map_err(|error| not_started(command, &error))?
}

fn launch(command: &[OsString]) -> io::Result<Result<Pid, NotStarted>> {
    let (mut own, its) = UnixStream::pair()?;
    let mut stage = Command::new(this_program()?);
    stage.arg0("leader").args(["command", "--parent", &std::process::id().to_string(), "--"]).args(command);
    let mut child = stage.stdin(Stdio::from(OwnedFd::from(its))).process_group(0).spawn()?;
    // Its end was this process's as well, until now.
    drop(stage);
    let mut said = String::new();
    own.read_to_string(&mut said)?;
    match said
        .split_once(' ')
        .and_then(|(code, why)| Some(NotStarted { code: code.parse().ok()?, why: why.to_owned() }))
    {
        // It ends by itself, having said why.
        Some(why) => child.wait().map(|_| Err(why)),
        // The end of what it says, without a word: it has become the command.
        None => i32::try_from(child.id()).map(|id| Ok(Pid::from_raw(id))).map_err(io::Error::other),
    }
}

/// Becomes the command; returns only if that cannot be.
pub fn become_command(parent: u32, command: &[OsString]) -> ExitCode {
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL);
    // A guardian that was gone before that cannot be noticed by a signal.
    if std::os::unix::process::parent_id() != parent {
        return ExitCode::FAILURE;
    }
    // Closed by `exec`, unlike standard input itself: that is how the guardian learns that the command runs.
    let Ok(guardian) = io::stdin().as_fd().try_clone_to_owned() else { return ExitCode::FAILURE };
    let refusal = exec(command);
    let NotStarted { code, why } = not_started(command, &refusal);
    let _ = write!(UnixStream::from(guardian), "{code} {why}");
    ExitCode::from(code)
}

fn exec(command: &[OsString]) -> io::Error {
    match command.split_first() {
        // Its standard input is empty.
        Some((program, arguments)) => Command::new(program).args(arguments).stdin(Stdio::null()).exec(),
        None => io::Error::other("there is no command"),
    }
}

fn not_started(command: &[OsString], error: &io::Error) -> NotStarted {
    let code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
    let name = command.first().map(|name| name.to_string_lossy()).unwrap_or_default();
    NotStarted { code, why: format!("{name:?} could not be started: {error}") }
}
