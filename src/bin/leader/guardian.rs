//! The process between a leader and its command: it ends the command when the leader does not.
//!
//! `leader run` starts this program once more for each term, in the hidden role `guardian`, and that starts the command as
//! the head of a process group. The leader keeps telling it until when the lease allows the command to run. So
//!
//! - when the leader is killed, the socket between them ends, and the guardian kills the command and all it has started;
//! - when the leader is stopped, or hangs, no more is allowed: SIGTERM at the point of cancellation, SIGKILL before the lease
//!   can be granted to anybody else. The guardian goes by a clock that goes on while the machine is suspended.
//!
//! It reports only when nothing of the command runs any more, upon which the leader releases the lease.
//!
//! What it cannot help: both being stopped at once, as by a debugger or with the whole machine. When they wake up, the command
//! may still write for an instant, and only a fence at the resource refuses that.

mod family;
mod message;

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::Pid;

pub use family::{adopt_orphans, children, is_alive, kill_all};
pub use message::{End, Manner, Order, Report};

use crate::clock;

/// The timers of the system stand still while the machine is suspended, so the clock has to be looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Between two rounds of killing.
const KILL_EVERY: Duration = Duration::from_millis(10);
/// How long what the command has left running may take to end, after a SIGTERM.
const LINGER: Duration = Duration::from_secs(1);

/// The very program that runs, also when its file was replaced by a newer version meanwhile.
pub fn this_program() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") { Ok(PathBuf::from("/proc/self/exe")) } else { std::env::current_exe() }
}

/// Runs the command on behalf of the leader, which is at the other end of standard input.
pub fn guard(command: &[OsString]) -> ExitCode {
    match try_guard(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("leader: the guardian failed: {error}");
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
    let group = match start(command) {
        Ok(group) => group,
        Err(error) => {
            let code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
            let name = command.first().map(|name| name.to_string_lossy()).unwrap_or_default();
            let why = format!("{name:?} could not be started: {error}");
            return write!(leader, "{}", Report::NotStarted { code, why });
        }
    };
    ignore_signals()?;
    // A leader that is gone is noticed by the end of its orders.
    let _ = write!(leader, "{}", Report::Started { process: group.as_raw() });

    let (events, inbox) = channel();
    let of_orders = events.clone();
    std::thread::spawn(move || read(orders, &of_orders));
    std::thread::spawn(move || reap(group, &events));
    let watch = Watch { group, terminate_at, kill_at, kill_by: None, asked: false, killing: false, end: None };
    let gone = watch.run(&inbox);
    let _ = write!(leader, "{gone}");
    Ok(())
}

fn start(command: &[OsString]) -> io::Result<Pid> {
    let (program, arguments) = command.split_first().ok_or_else(|| io::Error::other("there is no command"))?;
    // Its standard input is empty: this process's own leads to the leader.
    let child = Command::new(program).args(arguments).stdin(Stdio::null()).process_group(0).spawn()?;
    i32::try_from(child.id()).map(Pid::from_raw).map_err(io::Error::other)
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

/// The command, and how long it may go on.
struct Watch {
    group: Pid,
    terminate_at: Duration,
    kill_at: Duration,
    kill_by: Option<Duration>,
    /// It was told to end, or has.
    asked: bool,
    /// It is being killed.
    killing: bool,
    /// How and why the command itself has ended; others of its group may go on.
    end: Option<(End, Manner)>,
}

impl Watch {
    /// Until nothing of it runs any more.
    fn run(mut self, inbox: &Receiver<Event>) -> Report {
        let mut childless = false;
        loop {
            let pause = self.advance(now());
            match inbox.recv_timeout(pause) {
                Ok(Event::Ordered(order)) => self.obey(order),
                Ok(Event::LeaderGone) => self.kill(),
                Ok(Event::Ended(end)) => self.note(end, now()),
                Ok(Event::NoChild) => {
                    childless = true;
                    // Of an end that the system could not tell in words of ours, such as a realtime signal.
                    self.end.get_or_insert((End::Code(u8::MAX), self.manner()));
                }
                Err(RecvTimeoutError::Timeout) => {}
                // After `NoChild` and the leader's end nobody tells anything any more.
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(pause),
            }
            if let Some((end, manner)) = self.end.filter(|_| childless && !family::is_alive(self.group)) {
                return Report::Gone { end, manner };
            }
        }
    }

    /// Does what is due; returns for how long nothing else is.
    fn advance(&mut self, now: Duration) -> Duration {
        let kill_at = self.kill_by.map_or(self.kill_at, |kill_by| kill_by.min(self.kill_at));
        if now >= kill_at {
            self.kill();
        } else if !self.asked && now >= self.terminate_at {
            self.asked = true;
            self.signal(Signal::SIGTERM as i32);
        }
        if self.killing {
            kill_all(Some(self.group), None);
            return KILL_EVERY;
        }
        let next = if self.asked { kill_at } else { kill_at.min(self.terminate_at) };
        let pause = next.saturating_sub(now).min(LOOK_EVERY);
        if self.end.is_some() { pause.min(KILL_EVERY) } else { pause }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Hold { terminate_at, kill_at } => (self.terminate_at, self.kill_at) = (terminate_at, kill_at),
            Order::Stop { signal, kill_by } => {
                self.limit(kill_by);
                // Once: many a program takes a second one for haste. The leader's order and the lease's end often meet.
                if !std::mem::replace(&mut self.asked, true) {
                    self.signal(signal);
                }
            }
            Order::Signal(signal) => self.signal(signal),
            Order::Kill => self.kill(),
        }
    }

    /// What the command has started and left behind ends with it.
    fn note(&mut self, end: End, now: Duration) {
        self.end = Some((end, self.manner()));
        if !std::mem::replace(&mut self.asked, true) {
            self.limit(now.saturating_add(LINGER));
            self.signal(Signal::SIGTERM as i32);
        }
    }

    fn limit(&mut self, kill_by: Duration) {
        self.kill_by = Some(self.kill_by.map_or(kill_by, |earlier| earlier.min(kill_by)));
    }

    fn kill(&mut self) {
        self.killing = true;
    }

    /// Of an end that comes now.
    fn manner(&self) -> Manner {
        match (self.killing, self.asked) {
            (true, _) => Manner::Killed,
            (_, true) => Manner::Told,
            _ => Manner::Itself,
        }
    }

    /// To the whole group, as a terminal does: a shell that waits for a program would not hear it.
    fn signal(&self, signal: i32) {
        if let Ok(signal) = Signal::try_from(signal) {
            let _ = killpg(self.group, signal);
        }
    }
}
