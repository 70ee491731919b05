//! The leader's hold on its command, through a guardian.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as BlockingStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};

use super::nested;
use crate::guardian::{self, Group, Manner, Order, Report, Strangers};
use crate::output::Voice;

/// What the command is told by its environment.
pub struct Leading {
    pub token: String,
    pub holder: String,
    pub election: String,
    /// See [`nested`].
    pub within: String,
}

/// A running command; when dropped, it is killed and waited for.
pub struct Leash {
    guardian: Child,
    guardian_id: Option<Pid>,
    orders: OwnedWriteHalf,
    reports: Lines<BufReader<OwnedReadHalf>>,
    group: Group,
    gone: bool,
    strangers: Strangers,
    /// A process of the command, which runs as another user, did not get a signal that it was to get.
    refused: bool,
    voice: Voice,
}

/// What a round of killing has come to.
#[derive(Debug, PartialEq, Eq)]
pub enum Round {
    /// Nothing runs any more.
    Gone,
    /// Another round is due after this time.
    Again(Duration),
}

/// How long the guardian may take to kill before it is taken for stopped, and this process kills by itself.
const GUARDIAN_LIMIT: Duration = Duration::from_millis(100);
const KILL_EVERY: Duration = Duration::from_millis(5);
/// When what is left cannot be killed.
const TRY_AGAIN_EVERY: Duration = Duration::from_millis(500);

impl Leash {
    /// Starts a guardian, which starts the command with the first order that allows it.
    pub fn new(command: &[OsString], leading: &Leading, voice: Voice) -> io::Result<Self> {
        let (own, its) = BlockingStream::pair()?;
        own.set_nonblocking(true)?;
        let guardian = Command::new(guardian::this_program()?)
            .arg0("leader")
            .args(["guardian", "--"])
            .args(command)
            .env("LEADER_FENCING_TOKEN", &leading.token)
            .env("LEADER_HOLDER", &leading.holder)
            .env("LEADER_ELECTION", &leading.election)
            .env(nested::VARIABLE, &leading.within)
            // A signature in it could break the very lease that the command runs under, and commands log their environment.
            .env_remove("LEADER_STORE_URL")
            .stdin(Stdio::from(OwnedFd::from(its)))
            // Out of reach of the terminal's signals, which come to it through the leader.
            .process_group(0)
            .spawn()?;
        let guardian_id = guardian.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        let (reports, orders) = UnixStream::from_std(own)?.into_split();
        let reports = BufReader::new(reports).lines();
        let (group, strangers) = (Group::default(), Strangers::default());
        let mut leash =
            Self { guardian, guardian_id, orders, reports, group, gone: false, strangers, refused: false, voice };
        leash.note_strangers();
        Ok(leash)
    }

    /// Tells the guardian; one that is gone says so by the end of its reports.
    pub async fn order(&mut self, order: Order) {
        let _ = self.orders.write_all(order.to_string().as_bytes()).await;
    }

    /// The next report; `None` when the guardian has ended without the last one.
    ///
    /// # Cancellation safety
    /// May be dropped at any time.
    pub async fn report(&mut self) -> Option<Report> {
        let report = self.reports.next_line().await.ok().flatten()?.parse().ok()?;
        match report {
            Report::Started { process } => self.group = Group::new(Pid::from_raw(process)),
            Report::Foreign { signal, .. } => self.refused |= signal.is_some(),
            Report::Told => {}
            Report::NotStarted { .. } | Report::Gone { .. } => self.gone = true,
        }
        Some(report)
    }

    /// Takes note of the children that are not the command's. To be called now and then, while the guardian lives.
    pub fn note_strangers(&mut self) {
        if let Some(guardian) = self.guardian_id {
            self.strangers.note(guardian);
        }
    }

    /// Whether the guardian was stopped, and hears no order.
    pub fn guardian_is_stopped(&self) -> bool {
        #[cfg(target_os = "linux")]
        return self.guardian_id.and_then(guardian::proc::Stat::of).is_some_and(|stat| stat.is_stopped());
        #[cfg(not(target_os = "linux"))]
        false
    }

    /// In place of a guardian that is stopped.
    pub fn signal(&mut self, signal: i32) {
        if let Ok(signal) = Signal::try_from(signal) {
            self.group.signal(signal);
            self.group.signal(Signal::SIGCONT);
        }
    }

    /// Whether something of the command could not be told to end.
    pub fn is_refused(&self) -> bool {
        self.refused
    }

    /// Ends the guardian, so that its children become this process's own, which then has to end them by [`round`](Self::round).
    pub fn end_guardian(&mut self) {
        while !matches!(self.guardian.try_wait(), Ok(Some(_)) | Err(_)) {
            if let Some(id) = self.guardian_id {
                let _ = kill(id, Signal::SIGKILL);
            }
            std::thread::sleep(KILL_EVERY);
        }
    }

    /// Kills, without a guardian, all that there is of the command.
    pub fn round(&mut self) -> Round {
        let strangers = &self.strangers;
        let ours = |child| !strangers.include(child);
        let refused = guardian::kill_all(&mut self.group, ours);
        let children: Vec<_> = guardian::children().into_iter().filter(|child| ours(*child)).collect();
        for orphan in &children {
            let _ = waitpid(*orphan, Some(WaitPidFlag::WNOHANG));
        }
        if children.is_empty() && !self.group.is_alive() {
            self.gone = true;
            return Round::Gone;
        }
        let stuck = refused.len() == children.len();
        if let Some(process) = refused.first().filter(|_| !std::mem::replace(&mut self.refused, true)) {
            tell_of_foreign(&self.voice, process.as_raw(), Some(Signal::SIGKILL as i32), &guardian::user_of(*process));
        }
        Round::Again(if stuck { TRY_AGAIN_EVERY } else { KILL_EVERY })
    }

    /// Kills all that there is, and returns when nothing of it runs any more. It blocks: it is called when the lease may not
    /// be released before that.
    pub fn destroy(&mut self) {
        if !self.gone {
            self.end_all();
            self.gone = true;
            let refused = self.refused;
            self.voice.say("command_ended", json!({ "manner": Manner::Killed.to_string() }), || match refused {
                false => "the command was killed, as its time was up".to_owned(),
                true => "nothing of the command runs any more".to_owned(),
            });
        }
    }

    fn end_all(&mut self) {
        let _ = self.orders.try_write(Order::Kill.to_string().as_bytes());
        let asked = Instant::now();
        // One that has said what it cannot kill works on, and nobody else could do better.
        while asked.elapsed() < GUARDIAN_LIMIT || (self.refused && !self.guardian_is_stopped()) {
            match self.guardian.try_wait() {
                // Only then it has seen to the end of all.
                Ok(Some(status)) if status.success() => return,
                Ok(Some(_)) | Err(_) => break,
                Ok(None) => std::thread::sleep(KILL_EVERY),
            }
        }
        // It was killed, or is stopped. Without it, its children are adopted by this process.
        self.end_guardian();
        while let Round::Again(pause) = self.round() {
            std::thread::sleep(pause);
        }
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        self.destroy();
    }
}

/// Says that a process of the command is out of reach.
pub fn tell_of_foreign(voice: &Voice, process: i32, signal: Option<i32>, user: &str) {
    let name = signal.and_then(|signal| Signal::try_from(signal).ok()).map(Signal::as_str);
    let more = json!({ "process": process, "user": user, "signal": name });
    voice.say("foreign_process", more, || match name {
        None => format!(
            "WARNING: process {process} of the command runs as {user}: this worker cannot end it. Start the worker as that \
             user, such as by `sudo leader run ... -- COMMAND`"
        ),
        Some(name) => format!(
            "process {process} of the command runs as {user}, and {name} from this worker does not reach it: the lease is \
             kept while it runs, as long as possible"
        ),
    });
}
