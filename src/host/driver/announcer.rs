//! Tells whoever watches: the status stream, the event stream, the log.

use tokio::sync::{broadcast, watch};

use crate::claim::HolderId;
use crate::election::{EndReason, Moment, Report};
use crate::error::Error;
use crate::mutex::{Leader, Loss};
use crate::status::{LeaderEvent, Operation, Status};
use crate::telemetry::Telemetry;

pub(super) struct Announcer {
    status: watch::Sender<Status>,
    events: broadcast::Sender<LeaderEvent>,
    telemetry: Telemetry,
    /// What the next `Ended` event adds to its reason.
    detail: Option<String>,
}

impl Announcer {
    pub(super) fn new(status: watch::Sender<Status>, events: broadcast::Sender<LeaderEvent>, holder: HolderId) -> Self {
        Self { status, events, telemetry: Telemetry::new(holder), detail: None }
    }

    pub(super) fn standby(&self, leader: Option<Leader>) {
        let standby = Status::Standby { leader };
        self.status.send_if_modified(|status| {
            let modified = *status != standby;
            *status = standby;
            modified
        });
    }

    pub(super) fn stopped(&self) {
        self.status.send_replace(Status::Stopped);
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
                self.detail = None;
                let since = std::time::SystemTime::now();
                self.status.send_replace(Status::Leading { fencing_token: token, since });
                LeaderEvent::Elected { fencing_token: token }
            }
            Report::Stopping { token, reason } => {
                self.status.send_replace(Status::Stopping { fencing_token: token, reason });
                LeaderEvent::Stopping { fencing_token: token, reason }
            }
            Report::Ended { token, reason } => {
                let detail = self.detail.take().or_else(|| unexplained(reason));
                // A task that ended by itself was never said to be stopping; its lease is yet to be released.
                self.status.send_if_modified(|status| {
                    let leading = matches!(status, Status::Leading { .. });
                    if leading {
                        *status = Status::Stopping { fencing_token: token, reason };
                    }
                    leading
                });
                LeaderEvent::Ended { fencing_token: token, reason, detail }
            }
            Report::Overrun { token } => LeaderEvent::Overrun { fencing_token: token },
            Report::GrantedTooLate { token } => LeaderEvent::GrantedTooLate { fencing_token: token },
            Report::TokenNotRising { granted, highest } => LeaderEvent::TokenNotRising { granted, highest },
            Report::ForeignLease { lease } => LeaderEvent::ForeignLease { lease },
            Report::ReleaseFailed => LeaderEvent::ReleaseFailed,
        };
        self.emit(now, event);
    }

    fn emit(&mut self, now: Moment, event: LeaderEvent) {
        self.telemetry.record(now, &event);
        // Nobody has to listen.
        let _ = self.events.send(event);
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
