//! An event of `tracing` at every transition.

use std::time::Duration;

use tracing::{debug, error, info, warn};

use super::{Identity, Signal, causes};
use crate::election::{EndReason, Moment};
use crate::error::{Error, ErrorKind};
use crate::status::{LeaderEvent, Operation, TaskOutcome};
use crate::token::FencingToken;
use crate::trace::TARGET;

/// Writes a host's signals to `tracing`.
#[derive(Debug)]
pub(super) struct Log {
    identity: Identity,
    /// The token of the latest term.
    term: Option<FencingToken>,
    /// When each sort of failure was last told aloud. There are as many as there are operations and kinds.
    failures: Vec<(Operation, ErrorKind, Moment)>,
}

/// An event with the fields that all have.
macro_rules! tell {
    ($level:ident, $log:expr, $event:expr, $($rest:tt)+) => {
        // Without a span: election and holder stand in the event, and once is enough.
        $level!(
            target: TARGET,
            parent: None,
            event = $event,
            election = $log.identity.election,
            holder = $log.identity.holder.as_str(),
            $($rest)+
        )
    };
}

impl Log {
    /// A failure that repeats is logged aloud this often.
    const REPEAT_AFTER: Duration = Duration::from_secs(30);

    pub(super) fn new(identity: Identity) -> Self {
        Self { identity, term: None, failures: Vec::new() }
    }

    pub(super) fn note(&mut self, now: Moment, signal: &Signal) {
        match signal {
            Signal::Event(event) => self.note_event(now, event),
            Signal::Request { operation, took, outcome } => {
                let (outcome, seconds) = (outcome.name(), took.as_secs_f64());
                tell!(debug, self, "request", %operation, outcome, seconds, "request ended");
            }
            Signal::TaskEnded => {}
            Signal::Standby { leader: Some(leader) } => {
                let (token, leader) = (leader.fencing_token.get(), leader.holder.as_str());
                tell!(info, self, "standby", leader, leader_token = token, "another worker leads");
            }
            Signal::Standby { leader: None } => tell!(debug, self, "standby", "contending"),
            Signal::TaskAborted => {
                let fencing_token = self.term.map(FencingToken::get);
                tell!(warn, self, "task_aborted", fencing_token, "leader task did not end in its time, and is aborted");
            }
            Signal::ClockJumped { by } => {
                tell!(warn, self, "clock_jumped", seconds = by.as_secs_f64(), "the clock jumped forward");
            }
            Signal::StoreBlocked { took } => tell!(
                warn,
                self,
                "store_blocked",
                seconds = took.as_secs_f64(),
                "the store's code blocked its thread; its requests get a thread of their own"
            ),
            Signal::Rests { pause } => {
                tell!(info, self, "resting", seconds = pause.as_secs_f64(), "contends again after a rest");
            }
        }
    }

    fn note_event(&mut self, now: Moment, event: &LeaderEvent) {
        match event {
            LeaderEvent::Elected { fencing_token } => {
                self.term = Some(*fencing_token);
                self.failures.clear();
                tell!(info, self, event.name(), fencing_token = fencing_token.get(), "elected");
            }
            LeaderEvent::Stopping { fencing_token, reason } => {
                tell!(
                    info,
                    self,
                    event.name(),
                    fencing_token = fencing_token.get(),
                    reason = reason.as_str(),
                    "leader task cancelled"
                );
            }
            LeaderEvent::Ended { fencing_token, reason, outcome, detail } => {
                // An absent one is no field at all.
                let (fencing_token, detail) = (fencing_token.get(), detail.as_deref());
                let (wished, reason, outcome) = (is_wished(*reason, *outcome), reason.as_str(), outcome.as_str());
                if wished {
                    tell!(info, self, event.name(), fencing_token, reason, outcome, detail, "leadership ended");
                } else {
                    tell!(warn, self, event.name(), fencing_token, reason, outcome, detail, "leadership ended");
                }
            }
            LeaderEvent::AttemptFailed { operation, error } => self.note_failure(now, *operation, error),
            LeaderEvent::Overrun { fencing_token } => {
                let fencing_token = fencing_token.get();
                tell!(error, self, event.name(), fencing_token, "leader task still runs after its abortion");
            }
            LeaderEvent::GrantedTooLate { fencing_token } => {
                let fencing_token = fencing_token.get();
                tell!(info, self, event.name(), fencing_token, "grant not used: too late, or shutting down");
            }
            LeaderEvent::TokenNotRising { granted, highest } => tell!(
                error,
                self,
                event.name(),
                granted = granted.get(),
                highest = highest.get(),
                "the store granted a fencing token that is not above the last: it has lost data"
            ),
            LeaderEvent::ForeignLease { lease } => {
                tell!(warn, self, event.name(), ?lease, "another worker holds a longer lease than is configured here")
            }
            LeaderEvent::ReleaseFailed => {
                tell!(warn, self, event.name(), "release not delivered; the lease runs out by itself");
            }
            LeaderEvent::RefusedWithoutLeader => tell!(
                warn,
                self,
                event.name(),
                "the store refused the lease three times in a row and names no leader: something else holds or changes the \
                 record"
            ),
            LeaderEvent::Missed { .. } => {} // Of one reader of the events, and not of the host.
        }
    }

    fn note_failure(&mut self, now: Moment, operation: Operation, error: &Error) {
        let (kind, causes) = (error.kind(), Some(causes(error)).filter(|causes| !causes.is_empty()));
        if self.is_repeat(now, operation, kind) {
            tell!(debug, self, "attempt_failed", %operation, ?kind, %error, causes, "attempt failed again");
        } else {
            tell!(warn, self, "attempt_failed", %operation, ?kind, %error, causes, "attempt failed");
        }
    }

    fn is_repeat(&mut self, now: Moment, operation: Operation, kind: ErrorKind) -> bool {
        self.failures.retain(|(_, _, told_at)| now.since(*told_at) < Self::REPEAT_AFTER);
        let repeat = self.failures.iter().any(|(before, same, _)| (*before, *same) == (operation, kind));
        if !repeat {
            self.failures.push((operation, kind, now));
        }
        repeat
    }

    pub(super) fn note_dropped(&self, dropped: u64) {
        tell!(warn, self, "telemetry_dropped", dropped, "events were not logged, as the subscriber was stuck");
    }
}

/// Whether a term ended as somebody wanted it to. A task that was told to end may end with an error: that of `ensure`, say.
fn is_wished(reason: EndReason, outcome: TaskOutcome) -> bool {
    match reason {
        EndReason::Shutdown | EndReason::SteppedDown => outcome != TaskOutcome::Panicked,
        EndReason::TaskEnded => outcome == TaskOutcome::Ok,
        EndReason::LeaseLost | EndReason::RenewalTimedOut | EndReason::Stalled | EndReason::ClockJumped => false,
    }
}

pub(super) fn process_ends(identity: &Identity, fencing_token: FencingToken) {
    error!(
        target: TARGET,
        parent: None,
        event = "process_ends",
        election = identity.election,
        holder = identity.holder.as_str(),
        fencing_token = fencing_token.get(),
        "the leader's task still runs when its lease does not: the process is aborted, so that no two leaders write"
    );
}
