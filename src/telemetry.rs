#![doc = include_str!("../docs/telemetry.md")]

mod log;
#[cfg(feature = "otel")]
mod metrics;

use std::time::Duration;

use tracing::{Span, debug_span, info_span};

use crate::claim::HolderId;
use crate::election::Moment;
use crate::error::{Error, ErrorKind};
use crate::fencing::FencingToken;
use crate::mutex::Leader;
use crate::status::{LeaderEvent, Operation};
use log::Log;
#[cfg(feature = "otel")]
use metrics::Metrics;

/// All spans and events bear this target, whatever file they come from.
pub(crate) const TARGET: &str = "azure_leader_election";

/// Whose telemetry it is.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) election: String,
    pub(crate) holder: HolderId,
}

/// Tells `tracing` and OpenTelemetry what a host goes through.
#[derive(Debug)]
pub(crate) struct Telemetry {
    log: Log,
    #[cfg(feature = "otel")]
    metrics: Metrics,
}

/// What a host goes through: its events, and what is too fine for them.
#[derive(Debug)]
pub(crate) enum Signal<'a> {
    Event(&'a LeaderEvent),
    /// A request ended after so long.
    Request {
        operation: Operation,
        took: Duration,
        outcome: RequestOutcome,
    },
    /// The status became standby, or another leader than before was seen.
    Standby {
        leader: Option<&'a Leader>,
    },
    /// The task did not end in the time that it had.
    TaskAborted,
    TaskEnded,
    ClockJumped {
        by: Duration,
    },
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestOutcome {
    Granted,
    Held,
    Renewed,
    Lost,
    Released,
    Failed(ErrorKind),
    /// Its answer was of no interest any more.
    Dropped,
}

impl Telemetry {
    #[cfg_attr(not(feature = "otel"), allow(unused_variables))]
    pub(crate) fn new(identity: Identity, vitals: &std::sync::Arc<crate::health::Vitals>) -> Self {
        Self {
            #[cfg(feature = "otel")]
            metrics: Metrics::new(&identity, vitals),
            log: Log::new(identity),
        }
    }

    pub(crate) fn tell(&mut self, now: Moment, signal: &Signal<'_>) {
        self.log.note(now, signal);
        #[cfg(feature = "otel")]
        self.metrics.note(now, signal);
    }
}

impl RequestOutcome {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Held => "held",
            Self::Renewed => "renewed",
            Self::Lost => "lost",
            Self::Released => "released",
            Self::Failed(_) => "failed",
            Self::Dropped => "dropped",
        }
    }
}

/// The span of a host's run.
pub(crate) fn run_span(identity: &Identity) -> Span {
    let Identity { election, holder } = identity;
    info_span!(target: TARGET, parent: None, "leader_election", election, %holder)
}

/// The span of a term, in which the leader's task runs: what it logs bears the token.
pub(crate) fn term_span(identity: &Identity, fencing_token: FencingToken) -> Span {
    let Identity { election, holder } = identity;
    info_span!(target: TARGET, "leadership", election, %holder, fencing_token = fencing_token.get())
}

/// The span of a request, which the spans of the store's client nest in.
pub(crate) fn request_span(operation: Operation) -> Span {
    debug_span!(target: TARGET, "request", %operation)
}

/// A resource refused an older leader.
pub(crate) fn write_fenced(resource: &str, token: FencingToken, newer: FencingToken) -> Error {
    log::write_fenced(resource, token, newer);
    #[cfg(feature = "otel")]
    metrics::write_fenced();
    Error::fenced(token, newer)
}

/// The causes below an error, in one line.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let below = std::iter::successors(error.source(), |error| error.source());
    below.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
