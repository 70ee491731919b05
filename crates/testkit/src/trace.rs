//! What happened in an election, as the world sees it.
//!
//! A trace is a list of [events](Event), each at an instant of the referee's own clock, and can be written and read as one JSON
//! object a line. It holds what the rules of the [referee](crate::referee) need, and no more. Who tells less is judged by less: a
//! process without [`Limits`] has no deadlines, and one of which no request is told may lead upon a grant that nobody saw.

use std::time::Duration;

use leader_election::{Acquire, Operation, Renew, Result, Timing};
use serde::{Deserialize, Serialize};

/// A process, from its start to its end; of the events of the store and of operators any number that is nobody's.
pub type Who = u32;
/// A claim, by the order in which they were first seen.
pub type ClaimNo = u32;
/// A fencing token.
pub type Token = u64;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// By the referee's clock, in seconds.
    #[serde(with = "seconds")]
    pub at: Duration,
    /// To or by whom.
    pub who: Who,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// All that was to be seen at this instant is told: now is the time to ask what should have happened.
    Look,

    /// A run begins: of a new process, or once more.
    Starts {
        /// What it is to keep to.
        limits: Option<Box<Limits>>,
    },
    /// It is told to end; `dropped` when nobody waits for its end.
    ToldToStop {
        /// The future of its run was dropped.
        dropped: bool,
    },
    /// Its run is over.
    Ends,
    /// It begins as a copy of that one, with all its memory; neither leads by that alone.
    Copied {
        /// Of whom.
        of: Who,
    },
    /// The process is gone, and all that ran in it.
    Killed,
    /// It stands still; `counted` when its clock shows that afterwards.
    Pauses {
        /// Whether its monotonic clock goes on meanwhile.
        counted: bool,
    },
    /// It goes on.
    Resumes,
    /// From now on its clock shows this, and runs at this rate.
    Clock {
        /// What it shows now.
        #[serde(with = "seconds")]
        shows: Duration,
        /// How fast it runs: 1,000 is as fast as the referee's.
        per_mille: u32,
    },
    /// Its clock jumps forward; `plain` when it has to notice.
    ClockJumps {
        /// How far.
        #[serde(with = "seconds")]
        by: Duration,
        /// Whether it has to notice.
        plain: bool,
    },
    /// Its wall clock is set back.
    ClockSetBack,

    /// It sends a request.
    Sent {
        /// Which.
        request: Request,
        /// For which claim.
        claim: ClaimNo,
        /// Which attempt of its.
        attempt: u64,
        /// It says that an earlier attempt has no known outcome.
        unsettled: bool,
        /// It names a version that has lapsed.
        lapsed: bool,
    },
    /// An answer reaches it.
    Answered {
        /// To which attempt.
        attempt: u64,
        /// What it says.
        answer: Answer,
    },
    /// It waits no longer for an answer.
    GaveUp {
        /// To which attempt.
        attempt: u64,
    },

    /// The store has made this claim the holder of the lease, or prolonged its lease; at whose request, if that is known.
    Granted {
        /// Which.
        claim: ClaimNo,
        /// When the lease runs out, by the referee's clock; `None` where the store does not know.
        #[serde(with = "maybe_seconds")]
        until: Option<Duration>,
    },
    /// The store has freed the lease at its holder's request.
    Freed {
        /// Which claim's.
        claim: ClaimNo,
    },
    /// Somebody else took the lease from this claim: nothing is promised for it any more.
    Broken {
        /// Which.
        claim: ClaimNo,
    },
    /// The store has forgotten its latest writes, or may.
    Forgets,

    /// The leader's task begins.
    TaskStarts {
        /// The term's fencing token.
        token: Token,
    },
    /// The task's token is cancelled.
    Cancelled {
        /// Why, if that is told: as [`EndReason::as_str`](leader_election::EndReason::as_str) says it.
        reason: Option<String>,
    },
    /// The task is told to end at once.
    Aborted,
    /// The task returned; what it has started may still run.
    TaskReturned,
    /// The task is gone, with all that it has started.
    TaskGone,
    /// The task shows life.
    Heartbeat,
    /// Somebody asks the leader to step down.
    AskedToLeave,
    /// Asked now, its leadership says that it leads until then, by its own clock. Told when that changes.
    Valid {
        /// Until when.
        #[serde(with = "seconds")]
        until: Duration,
    },
    /// Asked now, its leadership says that it does not lead any more.
    Invalid,

    /// It tells those who watch that it leads.
    Elected {
        /// In which term.
        token: Token,
    },
    /// It tells them that it does not any more.
    TermEnded {
        /// In which term.
        token: Token,
    },
    /// It tells them that its task still runs although it was aborted and the lease is over.
    Overrun {
        /// In which term.
        token: Token,
    },

    /// The resource behind the fence has answered a write.
    Write {
        /// Of the leader with this token.
        token: Token,
        /// Which write; `None` if it only raised the fence.
        write: Option<u32>,
        /// The writes that its writer had read.
        read: Vec<u32>,
        /// When it was sent.
        #[serde(with = "seconds")]
        sent: Duration,
        /// Whether it was carried out.
        accepted: bool,
    },

    /// By this instant somebody has to lead.
    SomebodyHasToLead,
}

/// A request to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// To take the lease.
    Acquire,
    /// To prolong it.
    Renew,
    /// To give it back.
    Release,
}

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The lease is this claim's.
    Granted {
        /// Under this token.
        token: Token,
        /// For so long.
        #[serde(with = "seconds")]
        lease: Duration,
    },
    /// It is somebody else's.
    Held,
    /// It was prolonged.
    Renewed,
    /// It is not this claim's any more.
    Lost,
    /// It was given back.
    Released,
    /// Nobody knows.
    Failed,
}

impl From<Operation> for Request {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Acquire => Self::Acquire,
            Operation::Renew => Self::Renew,
            Operation::Release => Self::Release,
            _ => unreachable!("a host sends no other request"),
        }
    }
}

impl From<&Result<Acquire>> for Answer {
    fn from(answer: &Result<Acquire>) -> Self {
        match answer {
            Ok(Acquire::Granted(grant)) => Self::Granted { token: grant.fencing_token.get(), lease: grant.lease },
            Ok(Acquire::Held(_)) => Self::Held,
            Err(_) => Self::Failed,
        }
    }
}

impl From<&Result<Renew>> for Answer {
    fn from(answer: &Result<Renew>) -> Self {
        match answer {
            Ok(Renew::Renewed) => Self::Renewed,
            Ok(Renew::Lost(_)) => Self::Lost,
            Err(_) => Self::Failed,
        }
    }
}

impl From<&Result<()>> for Answer {
    fn from(answer: &Result<()>) -> Self {
        if answer.is_ok() { Self::Released } else { Self::Failed }
    }
}

/// What a process is to keep to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)] // As in `TimingOptions` and `LeaderHostOptions`.
pub struct Limits {
    #[serde(with = "seconds")]
    pub lease: Duration,
    #[serde(with = "seconds")]
    pub renew_every: Duration,
    #[serde(with = "seconds")]
    pub attempt_timeout: Duration,
    #[serde(with = "seconds")]
    pub retry_every: Duration,
    #[serde(with = "seconds")]
    pub poll_every: Duration,
    #[serde(with = "seconds")]
    pub grace: Duration,
    #[serde(with = "seconds")]
    pub skew: Duration,
    #[serde(with = "seconds")]
    pub drain: Duration,
    /// The rest after a term.
    #[serde(with = "seconds")]
    pub pause: Duration,
    #[serde(with = "maybe_seconds")]
    pub heartbeat: Option<Duration>,
    /// How often it looks for jumps of its clock.
    #[serde(with = "seconds")]
    pub look_every: Duration,
    /// How late its timers may be.
    #[serde(with = "seconds")]
    pub tolerance: Duration,
    /// The store tells of changes or expiries, so that a candidate may ask more often.
    pub told: bool,
}

impl Limits {
    /// Those of a process with this timing, and otherwise the defaults of a host.
    #[must_use]
    pub fn of(timing: &Timing) -> Self {
        Self {
            lease: timing.lease(),
            renew_every: timing.renew_every(),
            attempt_timeout: timing.attempt_timeout(),
            retry_every: timing.retry_every(),
            poll_every: timing.poll_every(),
            grace: timing.grace(),
            skew: timing.skew(),
            drain: Duration::from_secs(10),
            pause: Duration::from_secs(2),
            heartbeat: None,
            look_every: Duration::ZERO,
            tolerance: Duration::from_millis(10),
            told: false,
        }
    }

    /// By when a run is over that was told to end: the drain, three attempts, and what slow timers add.
    #[must_use]
    pub fn stop_bound(&self) -> Duration {
        (self.drain + self.attempt_timeout * 3).mul_f64(1.03) + self.tolerance + Duration::from_millis(20)
    }

    /// How often a lease of this length is renewed.
    pub(crate) fn rhythm(&self, lease: Duration) -> Duration {
        self.renew_every.mul_f64(lease.as_secs_f64() / self.lease.as_secs_f64())
    }
}

/// A trace as text: one JSON object a line.
#[must_use]
pub fn to_lines(trace: &[Event]) -> String {
    trace.iter().map(|event| format!("{event}\n")).collect()
}

/// A trace from its text; empty lines and those that begin with `#` are for people.
///
/// # Errors
///
/// A line that is no event, with its number.
pub fn from_lines(text: &str) -> std::result::Result<Vec<Event>, String> {
    let told = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    told.map(|(number, line)| serde_json::from_str(line).map_err(|error| format!("line {}: {error}", number + 1)))
        .collect()
}

impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| std::fmt::Error)?)
    }
}

mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(time.as_secs_f64())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

mod maybe_seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub fn serialize<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        time.map(|time| time.as_secs_f64()).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let seconds = Option::<f64>::deserialize(deserializer)?;
        seconds.map(Duration::try_from_secs_f64).transpose().map_err(D::Error::custom)
    }
}
