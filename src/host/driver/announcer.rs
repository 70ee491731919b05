//! Tells whoever watches: the status stream, the event stream, logs and metrics, probes.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::broadcast;

use super::super::task::TaskEnd;
use super::Run;
use crate::election::{EndReason, Moment, Report};
use crate::error::Error;
use crate::fencing::FencingToken;
use crate::health::Vitals;
use crate::mutex::{Leader, Loss};
use crate::sources::Sources;
use crate::status::{LeaderEvent, Operation, Status, StatusBoard, TaskOutcome};
use crate::telemetry::{RequestOutcome, Signal, Telemetry};
use crate::user_code::Lane;

pub(super) struct Announcer {
    status: Arc<StatusBoard>,
    /// Made when somebody first asks for it.
    events: Arc<OnceLock<broadcast::Sender<LeaderEvent>>>,
    vitals: Arc<Vitals>,
    /// Wakes who waits for events and for the status.
    notices: Lane,
    telemetry: Telemetry,
    /// The wall time for people.
    sources: Sources,
    /// As it was last told.
    rests_until: Option<Moment>,
    /// How this term's task ended, if it did.
    outcome: Option<TaskOutcome>,
    /// What the next `Ended` event adds to its reason.
    detail: Option<String>,
}

impl Announcer {
    pub(super) fn new(run: &Run) -> Self {
        Self {
            status: Arc::clone(&run.status),
            events: Arc::clone(&run.events),
            vitals: Arc::clone(&run.vitals),
            notices: run.user_code.lane(),
            telemetry: Telemetry::new(run.identity.clone(), &run.vitals, &run.user_code),
            sources: run.sources.clone(),
            rests_until: None,
            outcome: None,
            detail: None,
        }
    }

    /// Where whoever waits is woken.
    pub(super) fn notices(&self) -> &Lane {
        &self.notices
    }

    /// Where the telemetry goes, and what is dropped after it.
    pub(super) fn lane(&self) -> &Lane {
        self.telemetry.lane()
    }

    pub(super) fn standby(&mut self, now: Moment, leader: Option<Leader>) {
        if self.show(Status::Standby { leader: leader.clone(), answered_at: None }) {
            self.telemetry.tell(now, Signal::Standby { leader });
        }
    }

    pub(super) fn stopped(&self) {
        self.show(Status::Stopped);
        self.vitals.run_ended();
    }

    /// The driver does nothing for this long, unless something happens.
    pub(super) fn sleeps(&self, pause: Option<Duration>) {
        self.vitals.sleeps(pause);
    }

    pub(super) fn store_blocked(&self, now: Moment, took: Duration) {
        self.telemetry.tell(now, Signal::StoreBlocked { took });
    }

    /// Told once for each rest.
    pub(super) fn rests(&mut self, now: Moment, until: Option<Moment>) {
        if until.is_some() && self.rests_until.is_none() {
            let pause = until.unwrap_or(now).since(now);
            self.telemetry.tell(now, Signal::Rests { pause });
        }
        self.rests_until = until;
    }

    fn show(&self, status: Status) -> bool {
        let changed = self.status.show(status);
        if changed {
            self.wake();
        }
        changed
    }

    fn wake(&self) {
        let status = Arc::clone(&self.status);
        self.notices.post(move || status.wake());
    }

    pub(super) fn request_ended(&mut self, now: Moment, operation: Operation, took: Duration, outcome: RequestOutcome) {
        match outcome {
            RequestOutcome::Failed(_) => self.vitals.store_failed(now),
            RequestOutcome::Dropped => {}
            _ => {
                self.vitals.store_answered();
                self.status.answered(self.sources.wall_time());
            }
        }
        self.telemetry.tell(now, Signal::Request { operation, took, outcome });
    }

    pub(super) fn term_began(&self, now: Moment, fencing_token: FencingToken, valid_until: Option<Moment>) {
        self.vitals.term_began(now, fencing_token, valid_until);
    }

    pub(super) fn valid_until(&self, now: Moment, until: Option<Moment>) {
        self.vitals.valid_until(now, until);
    }

    pub(super) fn task_aborted(&mut self, now: Moment) {
        self.telemetry.tell(now, Signal::TaskAborted);
    }

    pub(super) fn task_returned(&mut self, end: &mut TaskEnd, by_itself: bool) {
        self.outcome = Some(end.outcome);
        match end.detail.take() {
            Some(detail) => self.explain(detail),
            // What failed before has no part in it.
            None if by_itself => self.detail = None,
            None => {}
        }
    }

    pub(super) fn task_gone(&mut self, now: Moment) {
        self.vitals.term_ended();
        self.telemetry.tell(now, Signal::TaskEnded);
    }

    pub(super) fn clock_jumped(&mut self, now: Moment, by: Duration) {
        self.explain(format!("the clock jumped forward by {by:?}"));
        self.telemetry.tell(now, Signal::ClockJumped { by });
    }

    /// Keeps what will explain the end of this term, if it ends now.
    pub(super) fn explain(&mut self, detail: String) {
        self.detail = Some(detail);
    }

    /// What failed before has no part in how the term ends.
    pub(super) fn renewed(&mut self) {
        self.detail = None;
    }

    pub(super) fn lost(&mut self, loss: Loss) {
        self.explain(describe(loss).to_owned());
    }

    pub(super) fn attempt_failed(&mut self, now: Moment, operation: Operation, error: Error) {
        if operation == Operation::Renew {
            self.explain(format!("last failure: {error}"));
        }
        self.emit(now, LeaderEvent::AttemptFailed { operation, error });
    }

    pub(super) fn report(&mut self, now: Moment, report: Report) {
        let event = match report {
            Report::Elected { token } => {
                (self.outcome, self.detail) = (None, None);
                let since = self.sources.wall_time();
                self.show(Status::Leading { fencing_token: token, since });
                LeaderEvent::Elected { fencing_token: token }
            }
            Report::Stopping { token, reason } => {
                self.show(Status::Stopping { fencing_token: token, reason });
                LeaderEvent::Stopping { fencing_token: token, reason }
            }
            Report::Ended { token, reason } => {
                let detail = self.detail.take().or_else(|| unexplained(reason));
                // A task that ended by itself was never said to be stopping; its lease is yet to be released.
                let shown = self.status.show_after(|before| {
                    let stopping = Status::Stopping { fencing_token: token, reason };
                    matches!(before, Status::Leading { .. }).then_some(stopping)
                });
                if shown {
                    self.wake();
                }
                // Without an end of its own it has just been aborted.
                let outcome = self.outcome.unwrap_or(TaskOutcome::Aborted);
                LeaderEvent::Ended { fencing_token: token, reason, outcome, detail }
            }
            Report::Overrun { token } => {
                self.vitals.overrun(now);
                LeaderEvent::Overrun { fencing_token: token }
            }
            Report::GrantedTooLate { token } => LeaderEvent::GrantedTooLate { fencing_token: token },
            Report::TokenNotRising { granted, highest } => LeaderEvent::TokenNotRising { granted, highest },
            Report::ForeignLease { lease } => LeaderEvent::ForeignLease { lease },
            Report::ReleaseFailed => LeaderEvent::ReleaseFailed,
            Report::RefusedWithoutLeader => LeaderEvent::RefusedWithoutLeader,
        };
        self.emit(now, event);
    }

    fn emit(&mut self, now: Moment, event: LeaderEvent) {
        if let Some(events) = self.events.get().cloned() {
            let event = event.clone();
            // Nobody has to listen any more.
            self.notices.post_if_room(move |_| drop(events.send(event)));
        }
        self.telemetry.tell(now, Signal::Event(event));
    }
}

fn describe(loss: Loss) -> &'static str {
    match loss {
        Loss::Taken => "the store says that another claim holds the lease, or that it ran out",
        Loss::Broken => "somebody broke the lease: an operator, or another tool with write access to the record",
        Loss::Missing => "the store says that the record is gone",
    }
}

/// A lease that ran out although no request failed.
fn unexplained(reason: EndReason) -> Option<String> {
    let timed_out = reason == EndReason::RenewalTimedOut;
    timed_out.then(|| "no request failed: this process was paused, or starved of CPU".to_owned())
}
