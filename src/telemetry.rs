//! Log lines at every transition.

use std::time::Duration;

use tracing::{debug, error, info, warn};

use crate::claim::HolderId;
use crate::election::{EndReason, Moment};
use crate::error::ErrorKind;
use crate::status::{LeaderEvent, Operation};

/// All log lines bear this target, whatever file they come from.
const TARGET: &str = "azure_leader_election";

/// Writes a host's events to `tracing`.
#[derive(Debug)]
pub(crate) struct Telemetry {
    holder: HolderId,
    last_failure: Option<(Operation, ErrorKind, Moment)>,
}

impl Telemetry {
    /// A failure that repeats is logged aloud this often.
    const REPEAT_AFTER: Duration = Duration::from_secs(30);

    pub(crate) fn new(holder: HolderId) -> Self {
        Self { holder, last_failure: None }
    }

    pub(crate) fn record(&mut self, now: Moment, event: &LeaderEvent) {
        let holder = self.holder.clone();
        let holder = holder.as_str();
        match event {
            LeaderEvent::Elected { fencing_token } => {
                self.last_failure = None;
                info!(target: TARGET, holder, fencing_token = fencing_token.get(), "elected");
            }
            LeaderEvent::Stopping { fencing_token, reason } => {
                info!(target: TARGET, holder, fencing_token = fencing_token.get(), %reason, "leader task cancelled");
            }
            LeaderEvent::Ended { fencing_token, reason, detail } => {
                let (fencing_token, detail) = (fencing_token.get(), detail.as_deref().unwrap_or_default());
                match reason {
                    EndReason::Shutdown | EndReason::SteppedDown | EndReason::TaskEnded => {
                        info!(target: TARGET, holder, fencing_token, %reason, detail, "leadership ended");
                    }
                    _ => warn!(target: TARGET, holder, fencing_token, %reason, detail, "leadership ended"),
                }
            }
            LeaderEvent::AttemptFailed { operation, error } => {
                let causes = causes(error);
                if self.is_repeat(now, *operation, error.kind()) {
                    debug!(target: TARGET, holder, %operation, kind = ?error.kind(), %error, causes, "attempt failed again");
                } else {
                    warn!(target: TARGET, holder, %operation, kind = ?error.kind(), %error, causes, "attempt failed");
                }
            }
            LeaderEvent::Overrun { fencing_token } => {
                error!(target: TARGET, holder, fencing_token = fencing_token.get(), "leader task still runs after its abortion");
            }
            LeaderEvent::GrantedTooLate { fencing_token } => {
                info!(target: TARGET, holder, fencing_token = fencing_token.get(), "grant not used: too late, or shutting down");
            }
            LeaderEvent::TokenNotRising { granted, highest } => {
                error!(target: TARGET, holder,
                    granted = granted.get(),
                    highest = highest.get(),
                    "the store granted a fencing token that is not above the last: it has lost data"
                );
            }
            LeaderEvent::ForeignLease { lease } => {
                warn!(target: TARGET, holder, ?lease, "another worker holds a longer lease than is configured here");
            }
            LeaderEvent::ReleaseFailed => {
                warn!(target: TARGET, holder, "release not delivered; the lease runs out by itself")
            }
        }
    }

    fn is_repeat(&mut self, now: Moment, operation: Operation, kind: ErrorKind) -> bool {
        let repeat = self.last_failure.is_some_and(|(last_operation, last_kind, at)| {
            (last_operation, last_kind) == (operation, kind) && now.since(at) < Self::REPEAT_AFTER
        });
        if !repeat {
            self.last_failure = Some((operation, kind, now));
        }
        repeat
    }
}

/// The causes below an error, in one line.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let below = std::iter::successors(error.source(), |error| error.source());
    below.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
