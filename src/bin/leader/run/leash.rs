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

use crate::guardian::{self, Manner, Order, Report};
use crate::say::Voice;

/// What the command is told by its environment.
pub struct Leading {
    pub token: String,
    pub holder: String,
    pub election: String,
}

/// A running command; when dropped, it is killed and waited for.
pub struct Leash {
    guardian: Child,
    orders: OwnedWriteHalf,
    reports: Lines<BufReader<OwnedReadHalf>>,
    group: Option<Pid>,
    gone: bool,
    voice: Voice,
}

/// How long the guardian may take to kill before it is taken for stopped, and this process kills by itself.
const GUARDIAN_LIMIT: Duration = Duration::from_millis(100);
const KILL_EVERY: Duration = Duration::from_millis(5);

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
            // A signature in it could break the very lease that the command runs under, and commands log their environment.
            .env_remove("LEADER_STORE_URL")
            .stdin(Stdio::from(OwnedFd::from(its)))
            // Out of reach of the terminal's signals, which come to it through the leader.
            .process_group(0)
            .spawn()?;
        let (reports, orders) = UnixStream::from_std(own)?.into_split();
        let reports = BufReader::new(reports).lines();
        Ok(Self { guardian, orders, reports, group: None, gone: false, voice })
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
            Report::Started { process } => self.group = Some(Pid::from_raw(process)),
            Report::NotStarted { .. } | Report::Gone { .. } => self.gone = true,
        }
        Some(report)
    }

    /// Kills all that there is, and returns when nothing of it runs any more. It blocks: it is called when the lease may not
    /// be released before that.
    pub fn destroy(&mut self) {
        if !std::mem::replace(&mut self.gone, true) {
            self.end_all();
            self.voice.say("command_ended", json!({ "manner": Manner::Killed.to_string() }), || {
                "the command was killed, as its time was up".to_owned()
            });
        }
    }

    fn end_all(&mut self) {
        let _ = self.orders.try_write(Order::Kill.to_string().as_bytes());
        let asked = Instant::now();
        let id = self.guardian.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        while asked.elapsed() < GUARDIAN_LIMIT {
            match self.guardian.try_wait() {
                // Only then it has seen to the end of all.
                Ok(Some(status)) if status.success() => return,
                Ok(Some(_)) | Err(_) => break,
                Ok(None) => std::thread::sleep(KILL_EVERY),
            }
        }
        // It was killed, or is stopped. Without it, its children are adopted by this process.
        while !matches!(self.guardian.try_wait(), Ok(Some(_)) | Err(_)) {
            if let Some(id) = id {
                let _ = kill(id, Signal::SIGKILL);
            }
            std::thread::sleep(KILL_EVERY);
        }
        loop {
            guardian::kill_all(self.group, None);
            for orphan in guardian::children() {
                let _ = waitpid(orphan, Some(WaitPidFlag::WNOHANG));
            }
            if guardian::children().is_empty() && !self.group.is_some_and(guardian::is_alive) {
                return;
            }
            std::thread::sleep(KILL_EVERY);
        }
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        self.destroy();
    }
}
