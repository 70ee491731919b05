//! The promises that the checker holds the election to, by the numbers in the header of `crates/leader-election/src/election.rs`.

/// A promise that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Broken {
    OneValid,
    OneTask,
    TokensRise,
    Counted,
    Covered,
    StoppedInTime,
    ReleasedLast,
    RenewedInDrain,
    OneAtATime,
    StaysEnded,
    Settled,
    LossCancels,
    TroubleDoesNot,
    Granted,
    JumpEnds,
    Wakes,
    Paced,
    DrainBounded,
    Alternates,
    Revoked,
}

impl Broken {
    /// The promise.
    pub fn promise(self) -> &'static str {
        match self {
            Self::OneValid => "invariant 1: at most one candidate holds validity, each by its own clock",
            Self::OneTask => "invariant 1: no two tasks run, each of a candidate that is not behind its own timers",
            Self::TokensRise => "invariant 2: a task's token is above all before it",
            Self::Counted => "invariant 3: validity counts from before the last successful request was sent",
            Self::Covered => {
                "invariant 3: while a candidate is valid its lease runs in the store, by the store's clock"
            }
            Self::StoppedInTime => "invariant 4: cancelled a grace before the end of validity, and aborted at its end",
            Self::ReleasedLast => "invariant 5: released only after the task is gone",
            Self::RenewedInDrain => "invariant 5: renewed in rhythm as long as the task runs and the lease is kept",
            Self::OneAtATime => "invariant 6: one task and one attempt at a time, and no acquire while a task runs",
            Self::StaysEnded => "invariant 7: a term that ended stays ended, and its claim is not asked for again",
            Self::Settled => "invariant 8: no late grant starts a task, and no lease is left behind that nobody runs",
            Self::LossCancels => "invariant 9: a definite loss cancels at once",
            Self::TroubleDoesNot => "invariant 9: anything else cancels at the deadline and not before",
            Self::Granted => "invariant 10: a task starts upon a grant, with the token that it names",
            Self::JumpEnds => {
                "invariant 12: a jump of the clock ends the term, and nothing is sent under its claim any more"
            }
            Self::Wakes => "invariant 13: no candidate waits for an answer beyond its time, or sleeps for ever",
            Self::Paced => "invariant 13: after an acquire that failed the next one waits for half a poll at the least",
            Self::DrainBounded => "invariant 15: a drain is bounded, and an end leaves no task",
            Self::Alternates => "invariant 16: elected and ended alternate",
            Self::Revoked => "invariant 17: who was told of a loss, or whose clock jumped, is not valid any more",
        }
    }
}
