//! The process between a leader and its command: it ends the command when the leader does not.
//!
//! `leader run` starts this program once more for each term, in the hidden role `guardian`, and that starts the command as
//! the head of a process group. The leader keeps telling it until when the lease allows the command to run. So
//!
//! - when the leader is killed, the socket between them ends, and the guardian kills the command and all it has started;
//! - when the leader is stopped, or hangs, no more is allowed: SIGTERM at the point of cancellation, SIGKILL before the lease
//!   can be granted to anybody else. The guardian goes by a clock that goes on while the machine is suspended;
//! - when both are killed at once, the kernel kills the command, as the [last stage](stage) before it has asked for.
//!
//! It reports only when nothing of the command runs any more, upon which the leader releases the lease.
//!
//! What it cannot help: both being stopped at once, as by a debugger or with the whole machine. When they wake up, the command
//! may still write for an instant, and only a fence at the resource refuses that. Nor can it end a process that runs as another
//! user: it says so, and the leader keeps the lease while it can.

#[cfg(target_os = "linux")]
pub mod proc;
mod process_tree;
mod protocol;
mod stage;
mod watch;

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::Pid;

pub use process_tree::{Group, Strangers, adopt_orphans, children, kill_all, user_of};
pub use protocol::{End, Manner, Order, Report};
use stage::NotStarted;
pub use stage::become_command;
use watch::Watch;

use crate::{clock, lines};

/// The very program that runs, also when its file was replaced by a newer version meanwhile.
pub fn this_program() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") { Ok(PathBuf::from("/proc/self/exe")) } else { std::env::current_exe() }
}

/// Runs the command on behalf of the leader, which is at the other end of standard input.
pub fn guard(command: &[OsString]) -> ExitCode {
    match try_guard(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            lines::stderr().write(format!("leader: the guardian failed: {error}"));
            lines::stderr().finish(lines::LAST_WORDS);
            ExitCode::FAILURE
        }
    }
}

fn try_guard(command: &[OsString]) -> io::Result<()> {
    let mut leader = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut orders = BufReader::new(leader.try_clone()?);
    let mut first = String::new();
    orders.read_line(&mut first)?;
    // Without a leader there is nothing to start; nor for one that was stopped before it could send this, and is late.
    let Ok(Order::Hold { terminate_at, kill_at }) = first.trim_end().parse() else { return Ok(()) };
    if now() >= terminate_at {
        return Ok(());
    }

    adopt_orphans();
    let group = match stage::start(command) {
        Ok(group) => group,
        Err(NotStarted { code, why }) => return write!(leader, "{}", Report::NotStarted { code, why }),
    };
    ignore_signals()?;
    // A leader that is gone is noticed by the end of its orders.
    let _ = write!(leader, "{}", Report::Started { process: group.as_raw() });

    let (events, inbox) = channel();
    let of_orders = events.clone();
    std::thread::spawn(move || read(orders, &of_orders));
    std::thread::spawn(move || reap(group, &events));
    Watch::new(group, terminate_at, kill_at, leader).run(&inbox);
    Ok(())
}

/// What is sent to all processes of a service is for the leader to act upon. Only after the command was started, which would
/// inherit it.
fn ignore_signals() -> io::Result<()> {
    let signals = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2];
    Ok(SigSet::from_iter(signals).thread_block()?)
}

/// A clock that cannot be read is one that shows that time is up.
fn now() -> Duration {
    clock::now().unwrap_or(Duration::MAX)
}

enum Event {
    Ordered(Order),
    /// The leader has ended, or is not one of ours.
    LeaderGone,
    /// The command itself has ended; others of its group may go on.
    Ended(End),
    /// This process has no child any more.
    NoChild,
}

fn read(orders: impl BufRead, events: &Sender<Event>) {
    for line in orders.lines() {
        let Some(order) = line.ok().and_then(|line| line.parse().ok()) else { break };
        if events.send(Event::Ordered(order)).is_err() {
            return;
        }
    }
    let _ = events.send(Event::LeaderGone);
}

fn reap(command: Pid, events: &Sender<Event>) {
    loop {
        let end = match wait() {
            Ok(WaitStatus::Exited(process, code)) => (process, End::Code(u8::try_from(code).unwrap_or(u8::MAX))),
            Ok(WaitStatus::Signaled(process, signal, _)) => (process, End::Signal(signal as i32)),
            Err(Errno::ECHILD) => break,
            Ok(_) | Err(_) => continue,
        };
        // The others are orphans that were adopted.
        if end.0 == command && events.send(Event::Ended(end.1)).is_err() {
            return;
        }
    }
    let _ = events.send(Event::NoChild);
}
