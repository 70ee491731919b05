//! What is counted and timed.

use opentelemetry::metrics::{Counter, Histogram, Meter};

/// Up to an attempt's time limit.
const REQUEST_SECONDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Around one lease.
const CHANGE_SECONDS: [f64; 12] = [0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0];
/// From a term that fails at once to one that lasts for weeks.
const TERM_SECONDS: [f64; 8] = [1.0, 15.0, 60.0, 600.0, 3600.0, 21_600.0, 86_400.0, 604_800.0];

#[derive(Debug)]
pub(super) struct Instruments {
    pub(super) transitions: Counter<u64>,
    pub(super) unused_grants: Counter<u64>,
    pub(super) election: Histogram<f64>,
    pub(super) failover: Histogram<f64>,
    pub(super) term_duration: Histogram<f64>,
    pub(super) requests: Histogram<f64>,
    pub(super) task_stop: Histogram<f64>,
    pub(super) aborted: Counter<u64>,
    pub(super) overruns: Counter<u64>,
    pub(super) stalls: Counter<u64>,
    pub(super) clock_jumps: Counter<u64>,
}

impl Instruments {
    pub(super) fn new(meter: &Meter) -> Self {
        let counter = |name: &'static str, unit: &'static str, description: &'static str| {
            meter.u64_counter(name).with_unit(unit).with_description(description).build()
        };
        let seconds = |name: &'static str, boundaries: &[f64], description: &'static str| {
            let histogram = meter.f64_histogram(name).with_unit("s").with_description(description);
            histogram.with_boundaries(boundaries.to_vec()).build()
        };
        Self {
            transitions: counter(
                "leader_election.transitions",
                "{transition}",
                "Elections, cancellations and ends of leaderships.",
            ),
            unused_grants: counter(
                "leader_election.grants.unused",
                "{grant}",
                "Grants that came too late, or with a token that does not rise.",
            ),
            election: seconds(
                "leader_election.election.duration",
                &CHANGE_SECONDS,
                "From the first request that found no other leader until this worker led.",
            ),
            failover: seconds(
                "leader_election.failover.duration",
                &CHANGE_SECONDS,
                "From when another leader was last seen until this worker led.",
            ),
            term_duration: seconds("leader_election.term.duration", &TERM_SECONDS, "How long leaderships lasted."),
            requests: seconds(
                "leader_election.request.duration",
                &REQUEST_SECONDS,
                "How long requests to the store took, by operation and outcome.",
            ),
            task_stop: seconds(
                "leader_election.task.stop.duration",
                &CHANGE_SECONDS,
                "From the cancellation of the leader's task until it was gone.",
            ),
            aborted: counter(
                "leader_election.task.aborted",
                "{task}",
                "Leader's tasks that did not end in the time that they had.",
            ),
            overruns: counter(
                "leader_election.task.overruns",
                "{task}",
                "Leader's tasks that did not even heed their abortion.",
            ),
            stalls: counter(
                "leader_election.stalls",
                "{stall}",
                "Terms that ended as the task's heartbeat or runtime stood still.",
            ),
            clock_jumps: counter("leader_election.clock.jumps", "{jump}", "Forward jumps of the machine's clock."),
        }
    }
}
