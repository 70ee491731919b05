//! What hosts tell about themselves.

use std::time::Duration;

use leader_election::{EndReason, ErrorKind, LeaderEvent};

use super::Monitor;

impl Monitor {
    /// Listens to what a host has told since it was last listened to.
    pub fn hear(&mut self, now: Duration, process: usize) {
        while let Some(event) = self.processes[process].events.try_recv() {
            if let LeaderEvent::Missed { count } = event {
                self.violation(now, process, format_args!("{count} events too many since its last request"));
            } else {
                self.heard(now, process, &event);
            }
        }
    }

    fn heard(&mut self, now: Duration, process: usize, event: &LeaderEvent) {
        match event {
            // Its causes name numbers of this program's own.
            LeaderEvent::AttemptFailed { operation, error } => {
                self.note(now, process, format_args!("says that its {operation} failed: {error}"));
            }
            _ => self.note(now, process, format_args!("says {event:?}")),
        }
        let elected = &mut self.processes[process].elected;
        match event {
            LeaderEvent::Elected { fencing_token } if elected.is_none() => *elected = Some(*fencing_token),
            LeaderEvent::Ended { fencing_token, reason, .. } if *elected == Some(*fencing_token) => {
                *elected = None;
                self.log.count(match reason {
                    EndReason::Shutdown => "ended: shutdown",
                    EndReason::TaskEnded => "ended: task ended",
                    EndReason::SteppedDown => "ended: stepped down",
                    EndReason::LeaseLost => "ended: lease lost",
                    EndReason::RenewalTimedOut => "ended: renewal timed out",
                    EndReason::Stalled => "ended: stalled",
                    EndReason::ClockJumped => "ended: clock jumped",
                    _ => "ended: for another reason",
                });
            }
            LeaderEvent::Elected { .. } | LeaderEvent::Ended { .. } => {
                let before = *elected;
                self.violation(now, process, format_args!("{event:?} after {before:?} (invariant 16)"));
            }
            // No task in here blocks its thread: whoever reports one has only heard of its end too late.
            LeaderEvent::Overrun { .. } => self.violation(now, process, format_args!("{event:?} of nobody")),
            LeaderEvent::TokenNotRising { .. } => {
                self.log.count("token not rising");
                self.processes[process].short_terms += 1;
                if !self.forgetful {
                    self.violation(now, process, format_args!("{event:?} by a store that forgets nothing"));
                }
            }
            LeaderEvent::GrantedTooLate { .. } => self.log.count("granted too late"),
            LeaderEvent::ForeignLease { .. } => self.log.count("foreign lease"),
            LeaderEvent::ReleaseFailed => self.log.count("release failed"),
            LeaderEvent::AttemptFailed { error, .. } => self.log.count(match error.kind() {
                ErrorKind::Timeout => "failed: timeout",
                ErrorKind::Throttled => "failed: throttled",
                ErrorKind::Unavailable => "failed: unavailable",
                ErrorKind::Unreachable => "failed: unreachable",
                _ => "failed: refused",
            }),
            _ => {}
        }
    }
}
