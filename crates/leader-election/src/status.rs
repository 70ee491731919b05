//! What a host tells about itself.

mod board;
mod events;

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::election::EndReason;
use crate::error::Error;
use crate::port::Leader;
use crate::token::FencingToken;

pub(crate) use board::StatusBoard;
pub use board::StatusWatch;
pub use events::LeaderEvents;

/// What a host is doing now; see [`LeaderHost::status`](crate::LeaderHost::status).
///
/// ```
/// use leader_election::{LeaderHost, MemoryMutex, Status};
///
/// let host = LeaderHost::new(MemoryMutex::new());
/// assert_eq!(host.status(), Status::Stopped);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// It contends; `leader` is who led when it last looked.
    Standby {
        /// The leader, as far as the store's record tells.
        leader: Option<Leader>,
        /// When the store last answered, by this machine's clock; `None` before it first did. A leader that was seen a lease ago
        /// may be gone: say "led when last seen 20 s ago". For people to read, as that clock may be set. A newer answer that
        /// says the same is no change of the status: [`LeaderHost::status`](crate::LeaderHost::status) has the latest.
        answered_at: Option<SystemTime>,
    },
    /// It leads.
    Leading {
        /// The term's token.
        fencing_token: FencingToken,
        /// Since when, by this machine's clock; for people to read.
        since: SystemTime,
    },
    /// Its task was cancelled and drains.
    Stopping {
        /// The term's token.
        fencing_token: FencingToken,
        /// Why.
        reason: EndReason,
    },
    /// It does not run: not yet, or not any more.
    Stopped,
}

/// What happened in a host; [`LeaderHost::events`](crate::LeaderHost::events) is a stream of them.
///
/// `Elected` and `Ended` strictly alternate, unless this reader has [`Missed`](Self::Missed) some.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum LeaderEvent {
    /// This host leads.
    Elected {
        /// The term's token.
        fencing_token: FencingToken,
    },
    /// This host's task was cancelled and drains.
    Stopping {
        /// The term's token.
        fencing_token: FencingToken,
        /// Why.
        reason: EndReason,
    },
    /// This host does not lead any more.
    Ended {
        /// The term's token.
        fencing_token: FencingToken,
        /// Why.
        reason: EndReason,
        /// How the task ended.
        outcome: TaskOutcome,
        /// The details, where there are any: the task's error or panic, how the lease was lost, the last failure.
        detail: Option<String>,
    },
    /// A request to the store failed. Losing a race is no failure.
    AttemptFailed {
        /// Which.
        operation: Operation,
        /// Why.
        error: Error,
    },
    /// The leader's task, or what it has started, still runs although it was aborted and its lease is over: it blocks its thread.
    /// It may still write; only fencing at the resource keeps it out.
    Overrun {
        /// The term's token.
        fencing_token: FencingToken,
    },
    /// A grant came too late, for too short a time, or during the shutdown; no task was started and it was released.
    GrantedTooLate {
        /// The token that was granted.
        fencing_token: FencingToken,
    },
    /// The store granted a token that is not above this host's last one; it was released. The store has lost data.
    TokenNotRising {
        /// The token that was granted.
        granted: FencingToken,
        /// The highest token before.
        highest: FencingToken,
    },
    /// Another worker holds a longer lease than this host is configured for: the workers' settings differ, or
    /// another tool took a lease without end.
    ForeignLease {
        /// Its length; [`Duration::MAX`] for one without end.
        lease: Duration,
    },
    /// The release could not be delivered; the lease runs out by itself.
    ReleaseFailed,
    /// The store has refused the lease three times in a row without naming a leader: something other than a worker of this
    /// election holds it, or changes the record all the time, or a proxy changes what the store answers.
    RefusedWithoutLeader,
    /// This reader was too slow, and does not get the events that came here. Others may have; the log has them.
    Missed {
        /// How many.
        count: u64,
    },
}

impl LeaderEvent {
    /// A stable name for logs, as the log has it in its field `event`: `elected`, `stopping`, `ended`, `attempt_failed`, `overrun`,
    /// `granted_too_late`, `token_not_rising`, `foreign_lease`, `release_failed`, `refused_without_leader`; and `missed`, which the log
    /// does not have.
    ///
    /// ```
    /// use leader_election::LeaderEvent;
    ///
    /// assert_eq!(LeaderEvent::ReleaseFailed.name(), "release_failed");
    /// ```
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Elected { .. } => "elected",
            Self::Stopping { .. } => "stopping",
            Self::Ended { .. } => "ended",
            Self::AttemptFailed { .. } => "attempt_failed",
            Self::Overrun { .. } => "overrun",
            Self::GrantedTooLate { .. } => "granted_too_late",
            Self::TokenNotRising { .. } => "token_not_rising",
            Self::ForeignLease { .. } => "foreign_lease",
            Self::ReleaseFailed => "release_failed",
            Self::RefusedWithoutLeader => "refused_without_leader",
            Self::Missed { .. } => "missed",
        }
    }
}

/// A sentence for people, which may change.
impl fmt::Display for LeaderEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elected { fencing_token } => write!(f, "elected, with token {fencing_token}"),
            Self::Stopping { reason, .. } => write!(f, "stopping: {reason}"),
            Self::Ended { reason, detail: Some(detail), .. } => write!(f, "leads no more: {reason} ({detail})"),
            Self::Ended { reason, detail: None, .. } => write!(f, "leads no more: {reason}"),
            Self::AttemptFailed { operation, error } => write!(f, "{operation} failed: {error}"),
            Self::Overrun { .. } => {
                f.write_str("the leader's task still runs although its time is up: another worker may lead beside it")
            }
            Self::GrantedTooLate { .. } => f.write_str("a grant came too late to be used, and was given back"),
            Self::TokenNotRising { granted, highest } => {
                write!(f, "the store has lost data: it granted the token {granted}, which is not above {highest}")
            }
            Self::ForeignLease { lease: Duration::MAX } => {
                f.write_str("the lease is held without end, by something that is no worker of this election")
            }
            Self::ForeignLease { lease } => {
                write!(f, "another worker holds a lease of {lease:?}, which is longer than this one's")
            }
            Self::ReleaseFailed => {
                f.write_str("the lease could not be given back: the next worker leads when it has run out")
            }
            Self::RefusedWithoutLeader => f.write_str(
                "the store refuses the lease and names no leader: something that is no worker of this election holds it or writes to \
                 its record all the time, or a proxy changes what the store answers",
            ),
            Self::Missed { count } => write!(f, "{count} events came too fast to be told"),
        }
    }
}

/// How a leader's task ended.
///
/// ```
/// use leader_election::{LeaderEvent, TaskOutcome};
///
/// fn is_worth_a_look(event: &LeaderEvent) -> bool {
///     matches!(event, LeaderEvent::Ended { outcome: TaskOutcome::Failed | TaskOutcome::Panicked, .. })
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskOutcome {
    /// It returned `Ok`.
    Ok,
    /// It returned an error.
    Failed,
    /// It panicked.
    Panicked,
    /// It was aborted: it did not end in the time that it had.
    Aborted,
}

impl TaskOutcome {
    /// A stable name for logs and metrics: `ok`, `failed`, `panicked`, `aborted`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::Aborted => "aborted",
        }
    }
}

/// A request to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Asking for the lease.
    Acquire,
    /// Extending it.
    Renew,
    /// Giving it back.
    Release,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Acquire => "acquire",
            Self::Renew => "renew",
            Self::Release => "release",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn every_event_has_a_name_of_its_own_and_a_sentence_without_names_of_the_code() {
        let (fencing_token, reason) = (FencingToken::new(7).expect("valid"), EndReason::LeaseLost);
        let error = Error::new(ErrorKind::Timeout, "no answer");
        let events = [
            LeaderEvent::Elected { fencing_token },
            LeaderEvent::Stopping { fencing_token, reason },
            LeaderEvent::Ended { fencing_token, reason, outcome: TaskOutcome::Ok, detail: None },
            LeaderEvent::AttemptFailed { operation: Operation::Renew, error },
            LeaderEvent::Overrun { fencing_token },
            LeaderEvent::GrantedTooLate { fencing_token },
            LeaderEvent::TokenNotRising { granted: fencing_token, highest: fencing_token },
            LeaderEvent::ForeignLease { lease: Duration::from_secs(30) },
            LeaderEvent::ReleaseFailed,
            LeaderEvent::RefusedWithoutLeader,
            LeaderEvent::Missed { count: 3 },
        ];
        let mut names: Vec<_> = events.iter().map(LeaderEvent::name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), events.len());
        for event in &events {
            let (code, sentence) = (format!("{event:?}"), event.to_string());
            let variant = code.split([' ', '{']).next().unwrap_or_default();
            assert!(!sentence.contains(variant) && !sentence.contains('{'), "{sentence}");
        }
        let endless = LeaderEvent::ForeignLease { lease: Duration::MAX }.to_string();
        assert!(endless.contains("without end") && !endless.contains("18446744073709551615"), "{endless}");
    }
}
