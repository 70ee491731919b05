//! A leader's side: holding the lease, and giving it up in the right order.

use std::time::Duration;

use super::deadlines::{end_of_validity, next_renewal};
use super::{Action, AfterTask, Election, EndReason, Entropy, Flight, Kind, Moment, Phase, Report, TaskExit};
use crate::token::FencingToken;

/// A term: from the grant until the task is gone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Term {
    pub(super) token: FencingToken,
    /// As long as the store granted it, and no longer than was asked for.
    lease: Duration,
    started_at: Moment,
    pub(super) valid_until: Moment,
    pub(super) renew_at: Moment,
    pub(super) heartbeat_due: Option<Moment>,
    pub(super) runtime_due: Option<Moment>,
}

/// The way out of a term.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Stop {
    reason: EndReason,
    /// When the task is aborted, unless validity ends before.
    pub(super) abort_at: Moment,
    pub(super) aborted_at: Option<Moment>,
    /// The lease is kept while the task drains.
    pub(super) renewing: bool,
    /// The lease is not this host's to release: lost, or after a jump perhaps led on by another copy of this machine, with
    /// the same claim id.
    pub(super) forsaken: bool,
    /// The task may not act as the leader any more.
    pub(super) revoked: bool,
    pub(super) overrun_reported: bool,
}

impl<E: Entropy> Election<E> {
    pub(super) fn start_term(&mut self, now: Moment, sent_at: Moment, lease: Duration, token: FencingToken) {
        let settings = &self.settings;
        self.phase = Phase::Leading(Term {
            token,
            lease,
            started_at: now,
            valid_until: end_of_validity(&settings.timing, sent_at, lease),
            renew_at: next_renewal(&settings.timing, sent_at, lease),
            heartbeat_due: settings.heartbeat_limit.map(|limit| now + limit),
            runtime_due: settings.stall_limit.map(|limit| now + limit),
        });
        self.highest = Some(token);
        self.unsettled_since = None;
        self.sighting = None;
        // Invariant 16: once for each term; `Ended` follows where the task is aborted or, if it is not, where it is gone.
        self.act(Action::Report(Report::Elected { token }));
        self.act(Action::StartTask { token });
    }

    /// Cancels the leader's token. The task goes on until it ends by itself or its time is up.
    pub(super) fn stop(&mut self, now: Moment, reason: EndReason) {
        let (Phase::Leading(term) | Phase::Stopping(term, _)) = &self.phase else { return };
        let (term, grace) = (term.clone(), self.settings.timing.grace());
        let stop = match (&self.phase, reason) {
            // A drain that learns of a loss has no more time than any other loss.
            (Phase::Stopping(_, stop), _) => {
                let abort_at = stop.abort_at.min(now + grace);
                Stop { abort_at, renewing: false, forsaken: true, revoked: true, ..stop.clone() }
            }
            // When the task has returned, what it has started drains.
            (_, EndReason::Shutdown | EndReason::SteppedDown | EndReason::TaskEnded) => {
                Stop::new(reason, now + self.settings.drain_limit, true, false)
            }
            (_, EndReason::RenewalTimedOut) => Stop::new(reason, term.valid_until, true, false),
            // Somebody else may lead already, or another copy of this machine may: no renewing on top of that.
            (_, EndReason::LeaseLost | EndReason::ClockJumped) => {
                Stop { forsaken: true, ..Stop::new(reason, now + grace, false, true) }
            }
            (_, EndReason::Stalled) => Stop::new(reason, now + grace, true, true),
        };
        if !stop.renewing {
            self.abandon_flight();
        }
        if matches!(self.phase, Phase::Leading(_)) {
            self.act(Action::CancelTask { reason });
            self.act(Action::Report(Report::Stopping { token: term.token, reason }));
        }
        self.phase = Phase::Stopping(term, stop);
    }

    /// The task had its time, and is not the leader any more.
    pub(super) fn abort_task(&mut self, now: Moment) {
        let Phase::Stopping(term, stop) = &mut self.phase else { return };
        let (token, reason) = (term.token, stop.reason);
        stop.aborted_at = Some(now);
        stop.renewing = false;
        stop.revoked = true;
        self.abandon_flight();
        self.act(Action::AbortTask);
        self.act(Action::Report(Report::Ended { token, reason }));
    }

    pub(super) fn report_overrun(&mut self) {
        let Phase::Stopping(term, stop) = &mut self.phase else { return };
        let token = term.token;
        stop.overrun_reported = true;
        self.act(Action::Report(Report::Overrun { token }));
        self.leave_deaf_task();
    }

    /// A task that does not even heed its abortion cannot be waited for by a host that is told to end.
    pub(super) fn leave_deaf_task(&mut self) {
        // Invariant 15: without a release, as the task may still write; the lease runs out.
        if self.finishing && matches!(&self.phase, Phase::Stopping(_, stop) if stop.overrun_reported) {
            self.phase = Phase::Stopped;
        }
    }

    pub(super) fn on_renewed(&mut self, flight: &Flight) {
        let timing = &self.settings.timing;
        if let Phase::Leading(term) | Phase::Stopping(term, _) = &mut self.phase {
            term.valid_until = term.valid_until.max(end_of_validity(timing, flight.sent_at, term.lease));
            term.renew_at = next_renewal(timing, flight.sent_at, term.lease);
        }
    }

    pub(super) fn on_renew_failed(&mut self, now: Moment, flight: &Flight) {
        let retry_every = self.jittered(self.settings.timing.retry_every());
        // Invariant 9: it is tried again, until a deadline ends the term.
        if let Phase::Leading(term) | Phase::Stopping(term, _) = &mut self.phase {
            term.renew_at = (flight.sent_at + retry_every).max(now);
        }
    }

    pub(super) fn on_task_exited(&mut self, now: Moment, exit: TaskExit) {
        let (term, stop) = match &self.phase {
            Phase::Leading(term) => (term.clone(), None),
            Phase::Stopping(term, stop) => (term.clone(), Some(stop.clone())),
            _ => return,
        };
        let reason = stop.as_ref().map_or(EndReason::TaskEnded, |stop| stop.reason);
        // Invariant 16: an abortion has told it before.
        if stop.as_ref().is_none_or(|stop| stop.aborted_at.is_none()) {
            self.act(Action::Report(Report::Ended { token: term.token, reason }));
        }
        let after = match exit {
            TaskExit::Succeeded => self.settings.after_success,
            TaskExit::Failed | TaskExit::Aborted => self.settings.after_failure,
        };
        self.finishing |= self.settings.single_term || (reason == EndReason::TaskEnded && after == AfterTask::EndHost);
        let short = now.since(term.started_at) < self.settings.timing.lease();
        self.rest = match reason {
            EndReason::TaskEnded if short => self.longer_rest(),
            // A task that is told to end, or loses the lease, is not to blame.
            _ => self.settings.pause,
        };
        if !short {
            self.short_terms = 0;
        }
        self.handed_over = matches!(reason, EndReason::SteppedDown);

        if stop.is_some_and(|stop| stop.forsaken) {
            self.abandon_flight();
            self.candidate_again(now);
        } else {
            // Invariant 5: here the task is gone, and nowhere else is a term's lease released.
            self.release(now, term.valid_until + self.settings.timing.skew());
        }
    }

    /// Terms that end quickly by themselves come ever more slowly: a broken task must not make a hot loop of elections.
    pub(super) fn longer_rest(&mut self) -> Duration {
        let doublings = self.short_terms.min(24);
        self.short_terms = self.short_terms.saturating_add(1);
        let longest = self.settings.pause.max(self.settings.timing.lease() * 4);
        self.settings.pause.saturating_mul(1 << doublings).min(longest)
    }

    /// The task has returned, and what it has started goes on.
    pub(super) fn on_task_returned(&mut self, now: Moment) {
        self.stop_if_leading(now, EndReason::TaskEnded);
    }

    /// Another thread has cancelled the term, as the driver was late. It stays ended, even if a renewal was on its way.
    pub(super) fn on_revoked(&mut self, now: Moment) {
        self.stop_if_leading(now, EndReason::RenewalTimedOut);
        if let Phase::Stopping(_, stop) = &mut self.phase {
            stop.revoked = true;
        }
    }

    fn stop_if_leading(&mut self, now: Moment, reason: EndReason) {
        if matches!(self.phase, Phase::Leading(_)) {
            self.stop(now, reason);
        }
    }

    pub(super) fn on_heartbeat(&mut self, at: Moment) {
        if let (Phase::Leading(term), Some(limit)) = (&mut self.phase, self.settings.heartbeat_limit) {
            term.heartbeat_due = term.heartbeat_due.max(Some(at + limit));
        }
    }

    pub(super) fn on_runtime_alive(&mut self, at: Moment) {
        if let (Phase::Leading(term), Some(limit)) = (&mut self.phase, self.settings.stall_limit) {
            term.runtime_due = term.runtime_due.max(Some(at + limit));
        }
    }

    pub(super) fn on_clock_jump(&mut self, now: Moment) {
        // Invariant 12: a challenger must not take a jump for the time that a leader let pass, nor ask on under a claim that
        // another copy of this machine has, too; and a leader does not know how long it was away.
        self.sighting = None;
        self.disown_claim(now);
        self.stop(now, EndReason::ClockJumped);
    }

    pub(super) fn send_renewal(&mut self, now: Moment) {
        let claim = self.claim.clone();
        let attempt = self.launch(now, Kind::Renew);
        self.act(Action::Renew { attempt, claim });
    }
}

impl Stop {
    /// When the task is aborted, or was.
    pub(super) fn aborts_at(&self, term: &Term) -> Moment {
        self.aborted_at.unwrap_or(self.abort_at.min(term.valid_until))
    }

    pub(super) fn is_aborted(&self) -> bool {
        self.aborted_at.is_some()
    }

    fn new(reason: EndReason, abort_at: Moment, renewing: bool, revoked: bool) -> Self {
        Self { reason, abort_at, aborted_at: None, renewing, forsaken: false, revoked, overrun_reported: false }
    }
}
