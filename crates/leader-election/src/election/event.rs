//! What goes into an election and what comes out of it.

use std::time::Duration;

use super::Moment;
use crate::claim::Claim;
use crate::port::{Grant, Held, Version};
use crate::token::FencingToken;

/// Names one attempt, so that a reply is only taken for the attempt it answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(u64);

impl AttemptId {
    pub(super) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An acquire was granted.
    Acquired {
        /// The attempt that this answers.
        attempt: AttemptId,
        /// What was granted.
        grant: Grant,
    },
    /// An acquire found the lease held.
    Held {
        /// The attempt that this answers.
        attempt: AttemptId,
        /// By whom, as far as known.
        held: Held,
    },
    /// A renewal succeeded.
    Renewed {
        /// The attempt that this answers.
        attempt: AttemptId,
    },
    /// A renewal was told that the lease is not ours.
    Lost {
        /// The attempt that this answers.
        attempt: AttemptId,
    },
    /// A release succeeded.
    Released {
        /// The attempt that this answers.
        attempt: AttemptId,
    },
    /// An attempt failed.
    Failed {
        /// The attempt that this answers.
        attempt: AttemptId,
        /// How.
        failure: Failure,
    },
    /// The leader's task returned, but what it has started still runs.
    TaskReturned,
    /// Another thread has ended the term, as the driver was later than a [deadline](super::Deadlines).
    Revoked,
    /// The leader's task is gone, and all that it has started: it returned, panicked, or its abortion took effect.
    TaskExited {
        /// How.
        exit: TaskExit,
    },
    /// The leader's task showed life.
    Heartbeat {
        /// When.
        at: Moment,
    },
    /// The runtime of the leader's task showed life.
    RuntimeAlive {
        /// When.
        at: Moment,
    },
    /// The leader's task wishes to stop leading.
    StepDown {
        /// The term that it was started for.
        token: FencingToken,
    },
    /// The machine's clock jumped forward, or it was suspended unnoticed.
    ClockJumped,
    /// The store says that something may have changed.
    Changed,
    /// Stop contending and leading; the task may drain.
    Shutdown,
    /// Whoever ran the host dropped it: as a shutdown, but the task is aborted now.
    Abandoned,
}

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The outcome is unknown.
    Unknown {
        /// How long the store asked to wait.
        retry_after: Option<Duration>,
    },
    /// The store refused in a way that a human must mend.
    Refused,
}

/// Why a term ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// The host was told to shut down, or its future was dropped.
    Shutdown,
    /// The leader's task returned, failed or panicked.
    TaskEnded,
    /// The leader's task called [`Leadership::step_down`](crate::Leadership::step_down).
    SteppedDown,
    /// The store said that the lease is not ours: taken, broken by an operator, or its record is gone.
    LeaseLost,
    /// No renewal succeeded in time: the store or the network failed for too long.
    RenewalTimedOut,
    /// The task's heartbeat stopped, or its runtime was blocked.
    Stalled,
    /// The machine's clock jumped forward, as after a suspension or a restored snapshot.
    ClockJumped,
}

impl EndReason {
    /// A stable name for logs and metrics: `shutdown`, `task_ended`, `stepped_down`, `lease_lost`, `renewal_timed_out`,
    /// `stalled`, `clock_jumped`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shutdown => "shutdown",
            Self::TaskEnded => "task_ended",
            Self::SteppedDown => "stepped_down",
            Self::LeaseLost => "lease_lost",
            Self::RenewalTimedOut => "renewal_timed_out",
            Self::Stalled => "stalled",
            Self::ClockJumped => "clock_jumped",
        }
    }
}

/// For people: `renewal timed out`.
impl std::fmt::Display for EndReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.as_str().replace('_', " "))
    }
}

/// What the host does after its task has ended by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum AfterTask {
    /// Contend again, after a pause that grows while terms stay shorter than a lease.
    #[default]
    ContendAgain,
    /// End the host's run.
    EndHost,
}

/// How the leader's task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskExit {
    /// It returned `Ok`.
    Succeeded,
    /// It returned an error or panicked.
    Failed,
    /// It was aborted.
    Aborted,
}

/// What the driver is to do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[must_use]
pub enum Action {
    /// Send an acquire.
    Acquire {
        /// To be named in the reply.
        attempt: AttemptId,
        /// For whom.
        claim: Claim,
        /// The version that may be replaced.
        lapsed: Option<Version>,
        /// Whether an earlier attempt of this claim had no known outcome.
        unsettled: bool,
    },
    /// Send a renewal.
    Renew {
        /// To be named in the reply.
        attempt: AttemptId,
        /// For whom.
        claim: Claim,
    },
    /// Send a release.
    Release {
        /// To be named in the reply.
        attempt: AttemptId,
        /// For whom.
        claim: Claim,
    },
    /// Drop this request; its reply is of no interest.
    Abandon {
        /// The attempt to drop.
        attempt: AttemptId,
        /// How long its answer was waited for, if it is dropped because that time is up.
        timed_out: Option<Duration>,
    },
    /// Start the leader's task.
    StartTask {
        /// The term's fencing token.
        token: FencingToken,
    },
    /// Cancel the leader's token.
    CancelTask {
        /// Why.
        reason: EndReason,
    },
    /// Abort the leader's task.
    AbortTask,
    /// Tell whoever watches.
    Report(Report),
}

/// What is told to whoever watches.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Report {
    /// This host leads.
    Elected {
        /// The term's token.
        token: FencingToken,
    },
    /// This host's leader was cancelled and drains.
    Stopping {
        /// The term's token.
        token: FencingToken,
        /// Why.
        reason: EndReason,
    },
    /// This host does not lead any more.
    Ended {
        /// The term's token.
        token: FencingToken,
        /// Why.
        reason: EndReason,
    },
    /// The leader's task still runs although it was aborted.
    Overrun {
        /// The term's token.
        token: FencingToken,
    },
    /// A grant came too late to start a task; it is released.
    GrantedTooLate {
        /// The token that was granted and is not used.
        token: FencingToken,
    },
    /// The store granted a token that is not above the last one; it is released.
    TokenNotRising {
        /// The token that was granted.
        granted: FencingToken,
        /// The highest token before.
        highest: FencingToken,
    },
    /// Another worker holds a lease longer than the one configured here.
    ForeignLease {
        /// Its length.
        lease: Duration,
    },
    /// A release could not be delivered; the lease runs out by itself.
    ReleaseFailed,
    /// The store has refused the lease three times in a row without naming a leader.
    RefusedWithoutLeader,
}
