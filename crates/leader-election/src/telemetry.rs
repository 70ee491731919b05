#![doc = include_str!("../docs/telemetry.md")]

mod log;
#[cfg(feature = "otel")]
mod metrics;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing::{Span, debug_span, info_span};

use crate::caught::caught_call;
use crate::claim::HolderId;
use crate::election::Moment;
use crate::error::ErrorKind;
use crate::port::Leader;
use crate::status::{LeaderEvent, Operation};
use crate::token::FencingToken;
use crate::trace::TARGET;
use crate::user_code::{Lane, UserCode};
use log::Log;
#[cfg(feature = "otel")]
use metrics::Metrics;

/// Whose telemetry it is.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) election: String,
    pub(crate) holder: HolderId,
}

/// Tells `tracing` and OpenTelemetry what a host goes through, apart from the renewal thread: a subscriber may block.
#[derive(Debug)]
pub(crate) struct Telemetry {
    lane: Lane,
    written: Arc<Mutex<Written>>,
}

/// What is only touched in the lane.
#[derive(Debug)]
struct Written {
    log: Log,
    #[cfg(feature = "otel")]
    metrics: Metrics,
}

/// What a host goes through: its events, and what is too fine for them.
#[derive(Debug)]
pub(crate) enum Signal {
    Event(LeaderEvent),
    /// A request ended after so long.
    Request {
        operation: Operation,
        took: Duration,
        outcome: RequestOutcome,
    },
    /// The status became standby, or another leader than before was seen.
    Standby {
        leader: Option<Leader>,
    },
    /// The task did not end in the time that it had.
    TaskAborted,
    TaskEnded,
    ClockJumped {
        by: Duration,
    },
    /// The store's code kept its thread for so long.
    StoreBlocked {
        took: Duration,
    },
    /// The host rests for so long before it contends again.
    Rests {
        pause: Duration,
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
    pub(crate) fn new(identity: Identity, vitals: &Arc<crate::health::Vitals>, user_code: &UserCode) -> Self {
        let written = Written {
            #[cfg(feature = "otel")]
            metrics: Metrics::new(&identity, vitals),
            log: Log::new(identity),
        };
        Self { lane: user_code.lane(), written: Arc::new(Mutex::new(written)) }
    }

    pub(crate) fn tell(&self, now: Moment, signal: Signal) {
        if !signal.is_wanted() {
            return;
        }
        let written = Arc::clone(&self.written);
        self.lane.post_if_room(move |dropped| {
            let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
            if dropped > 0 {
                written.log.note_dropped(dropped);
            }
            written.log.note(now, &signal);
            #[cfg(feature = "otel")]
            written.metrics.note(now, &signal);
        });
    }

    /// Lets go of it in the lane, after all that was told.
    pub(crate) fn lane(&self) -> &Lane {
        &self.lane
    }
}

impl Signal {
    /// Each request is told at debug level only, which costs nothing where nobody listens at that.
    fn is_wanted(&self) -> bool {
        cfg!(feature = "otel") || !matches!(self, Self::Request { .. }) || LevelFilter::current() >= LevelFilter::DEBUG
    }
}

/// What says why the process is ended.
#[derive(Debug)]
pub(crate) struct LastWords {
    identity: Identity,
    user_code: UserCode,
}

impl LastWords {
    pub(crate) fn new(identity: Identity, user_code: UserCode) -> Self {
        Self { identity, user_code }
    }

    /// Waits for them for a moment only: another worker may lead soon.
    pub(crate) fn say(&self, fencing_token: FencingToken) {
        let (said, heard) = std::sync::mpsc::channel();
        let identity = self.identity.clone();
        self.user_code.lane().post(move || {
            log::process_ends(&identity, fencing_token);
            let _ = said.send(());
        });
        let _ = heard.recv_timeout(Duration::from_millis(20));
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
    guarded(|| info_span!(target: TARGET, parent: None, "leader_election", election, %holder))
}

/// The span of a term, in which the leader's task runs: what it logs bears the token. It stands alone, as it says whose term
/// it is by itself.
pub(crate) fn term_span(identity: &Identity, fencing_token: FencingToken) -> Span {
    let Identity { election, holder } = identity;
    let fencing_token = fencing_token.get();
    guarded(|| info_span!(target: TARGET, parent: None, "leadership", election, %holder, fencing_token))
}

/// The span of a request, which the spans of the store's client nest in. It is made inside the run's, and not as its child by
/// name: the subscriber of this thread may be another one than that of the thread on which the run began.
pub(crate) fn request_span(run: &Span, operation: Operation) -> Span {
    guarded(|| run.in_scope(|| debug_span!(target: TARGET, "request", %operation)))
}

/// No span, where the subscriber panics.
fn guarded(make: impl FnOnce() -> Span) -> Span {
    caught_call(make).unwrap_or_else(|_| Span::none())
}

/// The causes below an error, in one line.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let below = std::iter::successors(error.source(), |error| error.source());
    below.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
