//! The metrics, on the process's OpenTelemetry meter provider. `docs/telemetry.md` says what each is for.

mod gauges;
mod instruments;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;

use super::{Identity, RequestOutcome, Signal};
use crate::election::{EndReason, Moment};
use crate::health::Vitals;
use crate::status::{LeaderEvent, Operation};
use instruments::Instruments;

/// Turns a host's signals into measurements.
#[derive(Debug)]
pub(super) struct Metrics {
    instruments: Instruments,
    /// On every measurement.
    identity: [KeyValue; 2],
    /// The candidacy: the first request of those that found no other leader, and when another leader was last seen.
    asking_since: Option<Moment>,
    other_seen_at: Option<Moment>,
    term: Option<Term>,
}

/// The latest term; its task may be gone before its end is reported, or after.
#[derive(Debug)]
struct Term {
    began_at: Moment,
    stopping: Option<(Moment, EndReason)>,
}

impl Metrics {
    pub(super) fn new(identity: &Identity, vitals: &Arc<Vitals>) -> Self {
        let identity = [
            KeyValue::new("leader_election.election", identity.election.clone()),
            KeyValue::new("leader_election.holder", identity.holder.as_str().to_owned()),
        ];
        let meter = crate::trace::meter();
        if vitals.is_first_run() {
            gauges::register(&meter, &identity, vitals);
        }
        let instruments = Instruments::new(&meter);
        Self { instruments, identity, asking_since: None, other_seen_at: None, term: None }
    }

    pub(super) fn note(&mut self, now: Moment, signal: &Signal) {
        match signal {
            Signal::Event(event) => self.note_event(now, event),
            Signal::Request { operation, took, outcome } => self.note_request(now, *operation, *took, *outcome),
            Signal::Standby { .. } | Signal::StoreBlocked { .. } | Signal::Rests { .. } => {}
            Signal::TaskAborted => self.instruments.aborted.add(1, &self.with(self.stop_reason())),
            Signal::TaskEnded => {
                if let Some((stopping_at, reason)) = self.term.as_mut().and_then(|term| term.stopping.take()) {
                    let took = now.since(stopping_at).as_secs_f64();
                    self.instruments.task_stop.record(took, &self.with(Some(reason_attribute(reason))));
                }
            }
            Signal::ClockJumped { .. } => self.instruments.clock_jumps.add(1, &self.identity),
        }
    }

    fn note_request(&mut self, now: Moment, operation: Operation, took: Duration, outcome: RequestOutcome) {
        match (operation, outcome) {
            (Operation::Acquire, RequestOutcome::Held) => {
                self.other_seen_at = Some(now);
                self.asking_since = None;
            }
            (Operation::Acquire, _) => self.asking_since = self.asking_since.or(Some(now.minus(took))),
            _ => {}
        }
        let mut attributes = vec![
            KeyValue::new("leader_election.operation", operation.to_string()),
            KeyValue::new("leader_election.outcome", outcome.name()),
        ];
        if let RequestOutcome::Failed(kind) = outcome {
            attributes.push(KeyValue::new("error.type", format!("{kind:?}")));
        }
        self.instruments.requests.record(took.as_secs_f64(), &self.with(attributes));
    }

    fn note_event(&mut self, now: Moment, event: &LeaderEvent) {
        match event {
            LeaderEvent::Elected { .. } => {
                if let Some(since) = self.asking_since.take() {
                    self.instruments.election.record(now.since(since).as_secs_f64(), &self.identity);
                }
                if let Some(seen_at) = self.other_seen_at.take() {
                    self.instruments.failover.record(now.since(seen_at).as_secs_f64(), &self.identity);
                }
                self.term = Some(Term { began_at: now, stopping: None });
                self.count_transition("elected", None);
            }
            LeaderEvent::Stopping { reason, .. } => {
                if let Some(term) = &mut self.term {
                    term.stopping = Some((now, *reason));
                }
                if *reason == EndReason::Stalled {
                    self.instruments.stalls.add(1, &self.identity);
                }
                self.count_transition("stopping", Some(*reason));
            }
            LeaderEvent::Ended { reason, outcome, .. } => {
                if let Some(term) = &self.term {
                    let lasted = now.since(term.began_at).as_secs_f64();
                    let outcome = KeyValue::new("leader_election.outcome", outcome.as_str());
                    let attributes = [reason_attribute(*reason), outcome];
                    self.instruments.term_duration.record(lasted, &self.with(attributes));
                }
                self.count_transition("ended", Some(*reason));
            }
            LeaderEvent::AttemptFailed { .. } => {} // A request that failed; counted there.
            LeaderEvent::Overrun { .. } => self.instruments.overruns.add(1, &self.identity),
            LeaderEvent::GrantedTooLate { .. } => self.count_unused_grant("too_late"),
            LeaderEvent::TokenNotRising { .. } => self.count_unused_grant("token_not_rising"),
            LeaderEvent::ForeignLease { .. } | LeaderEvent::ReleaseFailed | LeaderEvent::RefusedWithoutLeader => {}
            LeaderEvent::Missed { .. } => {} // Of one reader of the events, and not of the host.
        }
    }

    fn count_transition(&self, transition: &'static str, reason: Option<EndReason>) {
        let transition = KeyValue::new("leader_election.transition", transition);
        let attributes = std::iter::once(transition).chain(reason.map(reason_attribute));
        self.instruments.transitions.add(1, &self.with(attributes));
    }

    fn count_unused_grant(&self, reason: &'static str) {
        let reason = KeyValue::new("leader_election.reason", reason);
        self.instruments.unused_grants.add(1, &self.with(Some(reason)));
    }

    fn stop_reason(&self) -> Option<KeyValue> {
        self.term.as_ref().and_then(|term| term.stopping).map(|(_, reason)| reason_attribute(reason))
    }

    fn with(&self, attributes: impl IntoIterator<Item = KeyValue>) -> Vec<KeyValue> {
        self.identity.iter().cloned().chain(attributes).collect()
    }
}

fn reason_attribute(reason: EndReason) -> KeyValue {
    KeyValue::new("leader_election.reason", reason.as_str())
}
