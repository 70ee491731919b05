//! Carries out what the election asks for.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::Instrument;

use super::Driver;
use super::attempt::{Asked, Attempt, Sender};
use super::inputs::Listening;
use super::leader::Leader;
use crate::caught::caught;
use crate::election::{Action, AttemptId, Event, Moment, Report};
use crate::telemetry::RequestOutcome;
use crate::token::FencingToken;

impl Driver {
    /// All that it asks for by `now`.
    pub(super) fn carry_out(&mut self, now: Moment) {
        // Before the token is cancelled: whoever sees that must be told the same by `ensure`.
        self.publish(now);
        while let Some(action) = self.election.poll_action() {
            match action {
                Action::Acquire { attempt, claim, lapsed, unsettled } => {
                    self.listen_for_changes();
                    let data = self.run.options.data.clone();
                    let asked = Asked { claim, lapsed, unsettled, data };
                    self.send(now, |now, sender| Attempt::acquire(attempt, now, sender, asked));
                }
                Action::Renew { attempt, claim } => {
                    self.send(now, |now, sender| Attempt::renew(attempt, now, sender, claim));
                }
                Action::Release { attempt, claim } => {
                    self.send(now, |now, sender| Attempt::release(attempt, now, sender, claim));
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
                        leader.shared.work().abort();
                        // It is not valid any more, though it may have been until now.
                        leader.shared.tell_watchers();
                        self.announcer.task_aborted(now);
                    }
                }
                Action::Report(report) => self.report(now, report),
            }
        }
    }

    fn publish(&mut self, now: Moment) {
        let Some(leader) = &self.leader else { return };
        let until = self.election.valid_until();
        let in_time = leader.shared.publish(now, until, self.election.deadlines());
        self.announcer.valid_until(now, until.filter(|_| in_time));
        if !in_time {
            // The watchdog was first: the term is over, whatever has been answered meanwhile.
            self.election.handle_event(now, Event::Revoked);
            let revoked = leader.shared.publish(now, self.election.valid_until(), self.election.deadlines());
            debug_assert!(revoked, "a term that was revoked is not valid");
        }
    }

    fn send(&mut self, now: Moment, attempt: impl FnOnce(Moment, &Sender<'_>) -> Attempt) {
        if let Some(took) = self.run.requests.move_if_blocked() {
            self.announcer.store_blocked(now, took);
        }
        let sender = Sender { mutex: &self.run.mutex, requests: &self.run.requests, span: &self.run.span };
        self.attempt = Some(attempt(now, &sender));
    }

    fn abandon(&mut self, now: Moment, attempt: AttemptId, timed_out: Option<Duration>) {
        let Some(abandoned) = self.attempt.take_if(|current| current.id == attempt) else { return };
        abandoned.abort();
        let took = now.since(abandoned.sent_at);
        if let Some(limit) = timed_out {
            let error = abandoned.timed_out(limit);
            self.announcer.request_ended(now, abandoned.operation, took, RequestOutcome::Failed(error.kind()));
            self.note_failure(now, abandoned.operation, error);
        } else {
            self.announcer.request_ended(now, abandoned.operation, took, RequestOutcome::Dropped);
        }
        // It may hold an answer by now, with an error of the store's.
        self.announcer.lane().discard(abandoned);
    }

    fn start_task(&mut self, now: Moment, fencing_token: FencingToken) {
        let until = self.election.valid_until();
        self.announcer.term_began(now, fencing_token, until);
        self.ping.restart(now);
        // Nothing comes between the two: a panic there would leave a task that has no driver.
        self.leader = Some(Leader::start(self, now, fencing_token));
    }

    /// Anew after a release, so that a host that rests hears of what others do, and not of that.
    pub(super) fn listen_anew(&mut self) {
        self.change = None;
        self.listen_for_changes();
    }

    fn listen_for_changes(&mut self) {
        if self.change.is_none() {
            let (mutex, run) = (Arc::clone(&self.run.mutex), self.run.span.clone());
            let (tell, changed) = oneshot::channel();
            let task = self.run.requests.spawn(async move {
                if caught(async { mutex.changed().await }.instrument(run)).await.is_ok() {
                    let _ = tell.send(());
                }
            });
            self.change = Some(Listening { task, changed });
        }
    }

    fn report(&mut self, now: Moment, report: Report) {
        let overrun = match report {
            Report::Overrun { token } => Some(token),
            _ => None,
        };
        self.announcer.report(now, report);
        if let Some(token) = overrun.filter(|_| self.run.options.abort_process_on_overrun) {
            self.last_words.say(token);
            std::process::abort();
        }
    }
}
