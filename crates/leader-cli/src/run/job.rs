//! The leader's task: the command, from its start until nothing of it runs any more.

use std::ffi::OsString;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use azure_leader_election::{CancellationToken, EndReason, Leadership, TaskError, Timing};
use nix::sys::signal::Signal;
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, sleep_until};

use super::signals::Signals;
use super::supervised::{Leading, Leash, Round, tell_of_foreign};
use crate::clock;
use crate::guardian::{End, Manner, Order, Report};
use crate::output::Voice;

/// What there is to run, and how it went.
pub struct Job {
    pub command: Vec<OsString>,
    pub election: String,
    pub timing: Timing,
    /// How long the command may take to end after a signal to the leader.
    pub drain: Duration,
    pub signals: Signals,
    pub voice: Voice,
    /// What the command is to know of the elections that it runs under.
    pub within: String,
    /// Cancelled when the command can be ended by nothing, and is no longer waited for.
    pub gave_up: CancellationToken,
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

/// By how much the guardian may be late before this process kills by itself.
pub const GUARDIAN_LIMIT: Duration = Duration::from_secs(2);

/// How far the end of the command has come.
#[derive(Default)]
struct Ending {
    /// It was to be told to end.
    stopping: bool,
    /// By this signal, which the guardian has not passed on yet.
    signal: Option<i32>,
    /// By a second signal.
    hurried: bool,
    /// SIGKILL did not reach all of it.
    killed_in_vain: bool,
    /// When this process ends the command without its guardian.
    alone_at: Option<Instant>,
    /// When it does, and kills what is left.
    next_round: Option<Instant>,
    /// When what cannot be ended is not waited for any more.
    give_up_at: Option<Instant>,
}

impl Ending {
    fn alone(&self) -> bool {
        self.next_round.is_some()
    }

    /// The guardian is gone, stopped, or too slow.
    fn do_it_alone(&mut self, leash: &mut Leash) {
        leash.end_guardian();
        self.next_round = Some(Instant::now());
    }
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
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
            within: self.within.clone(),
        };
        self.came_to(Outcome::Stopped);
        let mut leash = Leash::new(&self.command, &leading, self.voice.clone())?;
        let mut signals = self.signals.passed_on();
        // Several times between two renewals, so that the guardian knows of each long before it matters.
        let mut beat = tokio::time::interval((self.timing.lease() / 30).min(Duration::from_millis(500)));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ending = Ending::default();
        loop {
            tokio::select! {
                biased;
                report = leash.report(), if !ending.alone() => match report {
                    Some(Report::Started { process }) => self.started(&leader, process),
                    Some(Report::NotStarted { code, why }) => {
                        self.came_to(Outcome::NotStarted(code, why.clone()));
                        return Err(why.into());
                    }
                    Some(Report::Told) => ending.signal = None,
                    Some(Report::Foreign { process, signal, user }) => {
                        tell_of_foreign(&self.voice, process, signal, &user);
                        ending.killed_in_vain |= signal == Some(Signal::SIGKILL as i32);
                    }
                    Some(Report::Gone { end, manner }) => return self.gone(&leader, end, manner),
                    None => ending.do_it_alone(&mut leash),
                },
                () = leader.token().cancelled(), if !ending.stopping => {
                    ending.stopping = true;
                    let (signal, limit) = self.stop(&leader);
                    leash.order(Order::Stop { signal, kill_by: clock::now()? + limit }).await;
                    ending.signal = Some(signal);
                    ending.alone_at = Some(Instant::now() + limit + GUARDIAN_LIMIT);
                    ending.give_up_at = Some(Instant::now() + limit + self.timing.lease());
                }
                () = self.signals.hurry.cancelled(), if !ending.hurried => {
                    ending.hurried = true;
                    leash.order(Order::Kill).await;
                    ending.alone_at = Some(Instant::now() + GUARDIAN_LIMIT);
                }
                Ok(signal) = signals.recv() => leash.order(Order::Signal(signal)).await,
                () = until(ending.next_round) => match leash.round() {
                    Round::Gone => {
                        self.killed(&leader);
                        return Err("the guardian process has ended, and the command with it".into());
                    }
                    Round::Again(pause) => {
                        ending.next_round = Some(Instant::now() + pause);
                        ending.killed_in_vain |= leash.is_refused();
                    }
                },
                // What cannot be ended is the guardian's to end, or nobody's.
                () = until(ending.alone_at), if !ending.alone() && !leash.is_refused() => ending.do_it_alone(&mut leash),
                () = until(ending.give_up_at), if leash.is_refused() => return self.give_up().await,
                _ = beat.tick() => {
                    if !ending.alone() {
                        leash.note_strangers();
                        // It does not hear what it was told.
                        if let Some(signal) = ending.signal.filter(|_| leash.guardian_is_stopped()) {
                            leash.signal(signal);
                            ending.signal = None;
                        }
                    }
                    if let Some(hold) = self.hold(&leader)? {
                        leash.order(hold).await;
                    }
                }
            }
            if ending.hurried && ending.killed_in_vain {
                return self.give_up().await;
            }
        }
    }

    /// Leaves the lease to run out: as long as this future is there, it is not released.
    async fn give_up(&self) -> Result<(), TaskError> {
        self.gave_up.cancel();
        std::future::pending().await
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

    /// Which signal asks the command to end, and how long it may take to.
    fn stop(&self, leader: &Leadership) -> (i32, Duration) {
        let limit = match leader.end_reason() {
            None | Some(EndReason::Shutdown | EndReason::SteppedDown) => self.drain,
            Some(_) => self.timing.grace() - self.kill_margin(),
        };
        (self.signals.first().unwrap_or(Signal::SIGTERM as i32), limit)
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

    /// Without a guardian that could tell how it ended.
    fn killed(&self, leader: &Leadership) {
        let more = json!({ "fencing_token": leader.fencing_token().get(), "manner": Manner::Killed.to_string() });
        self.voice.say("command_ended", more, || "the command was killed, without its guardian".to_owned());
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
