//! What may happen next, as far as the checker has a choice.

use std::fmt;

/// What becomes of a request that was just sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is carried out and answered at once.
    Prompt,
    LoseRequest,
    /// It is carried out, but its sender never hears of it.
    LoseAnswer,
    /// It is answered by a failure of unknown outcome, and was carried out or not.
    Fail {
        carried_out: bool,
    },
    DelayRequest,
    DelayAnswer,
    /// It is carried out and answered at once, and carried out once more at a later time.
    DoubleRequest,
    /// It is carried out and answered at once, and answered once more at a later time.
    DoubleAnswer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Time passes until that tick.
    Pass {
        to: u32,
    },
    /// A candidate does what is due.
    Wake(u8),
    Fate(u8, Fate),
    /// A late message arrives, the one of that index.
    Arrive(u8, u8),
    /// A task that was told to end is gone; or one that was not.
    TaskEnds(u8),
    /// A task goes on after its abortion.
    Overrun(u8),
    Pause(u8),
    Resume(u8),
    Crash(u8),
    Start(u8),
    Jump(u8),
    Shutdown(u8),
    StepDown(u8),
    Break,
    RollBack,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass { .. } => f.write_str("time passes"),
            Self::Wake(_) => f.write_str("does what is due"),
            Self::Fate(_, fate) => f.write_str(match fate {
                Fate::Prompt => "its request is carried out and answered",
                Fate::LoseRequest => "its request is lost",
                Fate::LoseAnswer => "its request is carried out, the answer is lost",
                Fate::Fail { carried_out: true } => "its request is carried out, but answered by a failure",
                Fate::Fail { carried_out: false } => "its request fails",
                Fate::DelayRequest => "its request is delayed",
                Fate::DelayAnswer => "its request is carried out, the answer is delayed",
                Fate::DoubleRequest => "its request is carried out and answered, and a copy of it is under way",
                Fate::DoubleAnswer => "its request is carried out and answered, and a copy of the answer is under way",
            }),
            Self::Arrive(_, index) => write!(f, "late message {index} arrives"),
            Self::TaskEnds(_) => f.write_str("its task ends"),
            Self::Overrun(_) => f.write_str("its task ignores its abortion"),
            Self::Pause(_) => f.write_str("its process stands still"),
            Self::Resume(_) => f.write_str("its process goes on"),
            Self::Crash(_) => f.write_str("its process is killed"),
            Self::Start(_) => f.write_str("its process starts"),
            Self::Jump(_) => f.write_str("its clock jumps forward"),
            Self::Shutdown(_) => f.write_str("is told to shut down"),
            Self::StepDown(_) => f.write_str("its task steps down"),
            Self::Break => f.write_str("a third party frees the lease"),
            Self::RollBack => f.write_str("the store falls back to an older record"),
        }
    }
}

impl Act {
    /// Whom it concerns, if it is one candidate.
    pub fn host(&self) -> Option<usize> {
        match *self {
            Self::Pass { .. } | Self::Break | Self::RollBack => None,
            Self::Wake(host)
            | Self::Fate(host, _)
            | Self::Arrive(host, _)
            | Self::TaskEnds(host)
            | Self::Overrun(host)
            | Self::Pause(host)
            | Self::Resume(host)
            | Self::Crash(host)
            | Self::Start(host)
            | Self::Jump(host)
            | Self::Shutdown(host)
            | Self::StepDown(host) => Some(host.into()),
        }
    }
}
