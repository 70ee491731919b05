//! The leader's task: the command, from its start until nothing of it runs any more.

use std::ffi::OsString;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use azure_leader_election::{CancellationToken, EndReason, Leadership, TaskError, Timing};
use nix::sys::signal::Signal;
use serde_json::json;
use tokio::time::MissedTickBehavior;

use super::leash::{Leading, Leash};
use super::signals::Signals;
use crate::clock;
use crate::guardian::{End, Manner, Order, Report};
use crate::say::Voice;

/// What there is to run, and how it went.
pub struct Job {
    pub command: Vec<OsString>,
    pub election: String,
    pub timing: Timing,
    /// How long the command may take to end after a signal to the leader.
    pub drain: Duration,
    pub signals: Signals,
    pub voice: Voice,
    /// Cancelled when the command cannot be started at all.
    pub shutdown: CancellationToken,
    pub outcome: Mutex<Option<Outcome>>,
}

/// What came of the command's latest run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It ended by itself.
    Ended(End),
    /// It was told to, or killed.
    Stopped,
    /// It could not be started: with this exit code, for this reason.
    NotStarted(u8, String),
}

impl Job {
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn came_to(&self, outcome: Outcome) {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).replace(outcome);
    }

    /// Runs the command for one term.
    pub async fn lead(self: Arc<Self>, leader: Leadership) -> Result<(), TaskError> {
        let leading = Leading {
            token: leader.fencing_token().to_string(),
            holder: leader.holder().to_string(),
            election: self.election.clone(),
        };
        self.came_to(Outcome::Stopped);
        let mut leash = Leash::new(&self.command, &leading, self.voice.clone())?;
        let mut signals = self.signals.passed_on();
        // Several times between two renewals, so that the guardian knows of each long before it matters.
        let mut beat = tokio::time::interval((self.timing.lease() / 30).min(Duration::from_millis(500)));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut stopping, mut hurried) = (false, false);
        loop {
            tokio::select! {
                biased;
                report = leash.report() => match report {
                    Some(Report::Started { process }) => self.started(&leader, process),
                    Some(Report::NotStarted { code, why }) => {
                        self.came_to(Outcome::NotStarted(code, why));
                        self.shutdown.cancel();
                        return Ok(());
                    }
                    Some(Report::Gone { end, manner }) => return self.gone(&leader, end, manner),
                    None => {
                        leash.destroy();
                        return Err("the guardian process has ended, and the command with it".into());
                    }
                },
                () = leader.token().cancelled(), if !stopping => {
                    stopping = true;
                    leash.order(self.stop(&leader)?).await;
                }
                () = self.signals.hurry.cancelled(), if !hurried => {
                    hurried = true;
                    leash.order(Order::Kill).await;
                }
                Ok(signal) = signals.recv() => leash.order(Order::Signal(signal)).await,
                _ = beat.tick() => if let Some(hold) = self.hold(&leader)? {
                    leash.order(hold).await;
                },
            }
        }
    }

    /// Until when the lease allows the command to run, as of now. Nothing when its time is up: the guardian knows already, or
    /// was told to stop the command by a certain time.
    fn hold(&self, leader: &Leadership) -> Result<Option<Order>, TaskError> {
        // The clock first: a pause between the two must not lengthen what is left.
        let now = clock::now()?;
        let left = leader.valid_for();
        if left.is_zero() {
            return Ok(None);
        }
        let terminate_at = now + left.saturating_sub(self.timing.grace());
        let kill_at = now + left.saturating_sub(self.kill_margin());
        Ok(Some(Order::Hold { terminate_at, kill_at }))
    }

    fn stop(&self, leader: &Leadership) -> Result<Order, TaskError> {
        let limit = match leader.end_reason() {
            None | Some(EndReason::Shutdown | EndReason::SteppedDown) => self.drain,
            Some(_) => self.timing.grace() - self.kill_margin(),
        };
        let signal = self.signals.first().unwrap_or(Signal::SIGTERM as i32);
        Ok(Order::Stop { signal, kill_by: clock::now()? + limit })
    }

    /// By how much SIGKILL precedes the end of validity, so that by then nothing runs any more.
    fn kill_margin(&self) -> Duration {
        self.timing.grace() / 10
    }

    fn started(&self, leader: &Leadership, process: i32) {
        let token = leader.fencing_token().get();
        self.voice.say("started", json!({ "process": process, "fencing_token": token }), || {
            format!("started the command as process {process}, with fencing token {token}")
        });
    }

    fn gone(&self, leader: &Leadership, end: End, manner: Manner) -> Result<(), TaskError> {
        let token = leader.fencing_token().get();
        let more = json!({ "fencing_token": token, "code": end.code(), "manner": manner.to_string() });
        self.voice.say("command_ended", more, || match manner {
            Manner::Itself => format!("the command ended by itself: {end}"),
            Manner::Told => format!("the command ended as it was told to: {end}"),
            Manner::Killed => format!("the command was killed: {end}"),
        });
        if manner != Manner::Itself {
            return Ok(());
        }
        self.came_to(Outcome::Ended(end));
        if end == End::Code(0) { Ok(()) } else { Err(format!("the command ended with {end}").into()) }
    }
}
