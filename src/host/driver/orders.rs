//! Carries out what the election asks for.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::attempt::Attempt;
use super::{Driver, Leader};
use crate::election::{Action, AttemptId, Moment, Report};
use crate::fencing::FencingToken;
use crate::leadership::Shared;
use crate::telemetry::{RequestOutcome, term_span};

impl Driver {
    /// All that it asks for by `now`.
    pub(super) fn carry_out(&mut self, now: Moment) {
        // Before the token is cancelled: whoever sees that must be told the same by `ensure`.
        self.publish(now);
        while let Some(action) = self.election.poll_action() {
            match action {
                Action::Acquire { attempt, claim, lapsed } => {
                    self.listen_for_changes();
                    self.attempt = Some(Attempt::acquire(attempt, now, Arc::clone(&self.run.mutex), claim, lapsed));
                }
                Action::Renew { attempt, claim } => {
                    self.attempt = Some(Attempt::renew(attempt, now, Arc::clone(&self.run.mutex), claim));
                }
                Action::Release { attempt, claim } => {
                    self.attempt = Some(Attempt::release(attempt, now, Arc::clone(&self.run.mutex), claim));
                }
                Action::Abandon { attempt, timed_out } => self.abandon(now, attempt, timed_out),
                Action::StartTask { token } => self.start_task(now, token),
                Action::CancelTask { reason } => {
                    if let Some(leader) = &self.leader {
                        leader.shared.cancel(reason);
                    }
                }
                Action::AbortTask => {
                    if let Some(leader) = &mut self.leader {
                        leader.aborted = true;
                        leader.task.abort();
                        self.announcer.task_aborted(now);
                    }
                }
                Action::Report(report) => self.report(now, report),
            }
        }
    }

    fn publish(&self, now: Moment) {
        if let Some(leader) = &self.leader {
            let until = self.election.valid_until();
            leader.shared.publish(until);
            self.announcer.valid_until(now, until);
        }
    }

    fn abandon(&mut self, now: Moment, attempt: AttemptId, timed_out: Option<Duration>) {
        let Some(abandoned) = self.attempt.take_if(|current| current.id == attempt) else { return };
        let took = now.since(abandoned.sent_at);
        if let Some(limit) = timed_out {
            let error = abandoned.timed_out(limit);
            self.announcer.request_ended(now, abandoned.operation, took, RequestOutcome::Failed(error.kind()));
            self.note_failure(now, abandoned.operation, error);
        } else {
            self.announcer.request_ended(now, abandoned.operation, took, RequestOutcome::Dropped);
        }
    }

    fn start_task(&mut self, now: Moment, fencing_token: FencingToken) {
        let shared = Shared::new(
            self.run.shutdown.child_token(),
            fencing_token,
            self.run.settings.holder.clone(),
            Arc::clone(&self.clock),
            self.wish.clone(),
        );
        let until = self.election.valid_until();
        shared.publish(until);
        self.announcer.term_began(now, fencing_token, until);
        let span = term_span(&self.identity, fencing_token);
        let task = self.run.spawner.start(shared.leadership(), span);
        self.probe.restart(self.clock.now());
        self.leader = Some(Leader { task, shared, heartbeat: None, aborted: false });
    }

    fn listen_for_changes(&mut self) {
        if self.change.is_none() {
            let mutex = Arc::clone(&self.run.mutex);
            let listening = async move { mutex.changed().await }.in_current_span();
            self.change = Some(AbortOnDropHandle::new(tokio::spawn(listening)));
        }
    }

    fn report(&mut self, now: Moment, report: Report) {
        let overrun = matches!(report, Report::Overrun { .. });
        self.announcer.report(now, report);
        if overrun && self.run.options.abort_process_on_overrun {
            std::process::abort();
        }
    }
}
