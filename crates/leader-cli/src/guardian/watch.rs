//! The watch over a command that runs, until nothing of it does.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::process_tree::{self, Group};
use super::{End, Event, Manner, Order, Report, now};
use crate::lines;

/// The timers of the system stand still while the machine is suspended, so the clock has to be looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often to look for processes of the command that run as another user.
const LOOK_FOR_FOREIGNERS_EVERY: Duration = Duration::from_secs(1);
/// Between two rounds of killing.
const KILL_EVERY: Duration = Duration::from_millis(10);
/// Likewise, when all that is left is what this process may not kill.
const TRY_AGAIN_EVERY: Duration = Duration::from_secs(1);
/// Of how many processes to tell that they do not get a signal: a command may start one after the other.
const TELL_AT_MOST: usize = 5;
/// How long what the command has left running may take to end, after a SIGTERM.
const LINGER: Duration = Duration::from_secs(1);

/// The command, and how long it may go on.
pub struct Watch {
    head: Pid,
    group: Group,
    terminate_at: Duration,
    kill_at: Duration,
    kill_by: Option<Duration>,
    /// It was told to end, or has.
    asked: bool,
    /// It is being killed.
    killing: bool,
    kill_every: Duration,
    /// How and why the command itself has ended; others of its group may go on.
    end: Option<(End, Manner)>,
    /// What was reported of processes that run as another user: the signal that they did not get, if any.
    refused: Vec<(Pid, Option<Signal>)>,
    look_for_foreigners_at: Duration,
    /// Until it is gone.
    leader: Option<UnixStream>,
}

impl Watch {
    pub fn new(head: Pid, terminate_at: Duration, kill_at: Duration, leader: UnixStream) -> Self {
        Self {
            head,
            group: Group::new(head),
            terminate_at,
            kill_at,
            kill_by: None,
            asked: false,
            killing: false,
            kill_every: KILL_EVERY,
            end: None,
            refused: Vec::new(),
            look_for_foreigners_at: Duration::ZERO,
            leader: Some(leader),
        }
    }

    /// Until nothing of it runs any more.
    pub fn run(mut self, inbox: &Receiver<Event>) {
        let mut childless = false;
        loop {
            let pause = self.advance(now());
            match inbox.recv_timeout(pause) {
                Ok(Event::Ordered(order)) => self.obey(order),
                Ok(Event::LeaderGone) => {
                    self.leader = None;
                    self.kill();
                }
                Ok(Event::Ended(end)) => self.note(end, now()),
                Ok(Event::NoChild) => {
                    childless = true;
                    // Of an end that the system could not tell in words of ours, such as a realtime signal.
                    self.end.get_or_insert((End::Code(u8::MAX), self.manner()));
                }
                Err(RecvTimeoutError::Timeout) => {}
                // No event follows `NoChild` and the leader's end.
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(pause),
            }
            if let Some((end, manner)) = self.end.filter(|_| childless && !self.group.is_alive()) {
                self.report(&Report::Gone { end, manner });
                lines::stderr().finish(lines::LAST_WORDS);
                return;
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
            return self.kill_round();
        }
        if now >= self.look_for_foreigners_at {
            self.look_for_foreigners_at = now.saturating_add(LOOK_FOR_FOREIGNERS_EVERY);
            self.tell_of_foreigners(None);
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
                self.report(&Report::Told);
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

    /// Returns when the next round is due. As long as there is anything that can be killed, that is soon: it may fork.
    fn kill_round(&mut self) -> Duration {
        let refused = process_tree::kill_all(&mut self.group, |_| true);
        let stuck = !refused.is_empty() && refused.len() == process_tree::children().len();
        for process in refused {
            self.tell_of(process, Some(Signal::SIGKILL));
        }
        self.kill_every = if stuck { (self.kill_every * 2).min(TRY_AGAIN_EVERY) } else { KILL_EVERY };
        self.kill_every
    }

    /// Of an end that comes now.
    fn manner(&self) -> Manner {
        match (self.killing, self.asked) {
            (true, _) => Manner::Killed,
            (_, true) => Manner::Told,
            _ => Manner::Itself,
        }
    }

    fn signal(&mut self, number: i32) {
        let Ok(signal) = Signal::try_from(number) else { return };
        self.group.signal(signal);
        if matches!(signal, Signal::SIGTERM | Signal::SIGINT | Signal::SIGHUP | Signal::SIGQUIT) {
            // One that the terminal has stopped would not hear it.
            self.group.signal(Signal::SIGCONT);
            self.tell_of_foreigners(Some(signal));
        }
    }

    fn tell_of_foreigners(&mut self, signal: Option<Signal>) {
        for process in process_tree::foreigners(self.head) {
            self.tell_of(process, signal);
        }
    }

    /// Tells once of each process, and once of each signal that it does not get.
    fn tell_of(&mut self, process: Pid, signal: Option<Signal>) {
        let told = self.refused.iter().filter(|(_, of)| *of == signal).count();
        if told >= TELL_AT_MOST || self.refused.contains(&(process, signal)) {
            return;
        }
        self.refused.push((process, signal));
        let user = process_tree::user_of(process);
        self.report(&Report::Foreign { process: process.as_raw(), signal: signal.map(|signal| signal as i32), user });
    }

    /// Without a leader, what matters to people is said on standard error.
    fn report(&mut self, report: &Report) {
        match (&mut self.leader, report) {
            (Some(leader), _) => {
                let _ = write!(leader, "{report}");
            }
            (None, Report::Foreign { process, signal: Some(_), user }) => lines::stderr().write(format!(
                "leader: process {process} of the command cannot be ended, as it runs as {user}, and goes on without a \
                 leader: another worker may lead beside it; end it by hand"
            )),
            (None, _) => {}
        }
    }
}
