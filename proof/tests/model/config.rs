//! What one run of the checker looks at.

use std::time::Duration;

use leader_election::election::{AfterTask, Settings};
use leader_election::{HolderId, Timing};

use super::seen::Seen;

/// How often each kind of trouble may strike on one path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Requests and answers that get lost.
    pub losses: u8,
    /// Requests that are answered by a failure, carried out or not.
    pub failures: u8,
    /// Requests and answers that come late: at any later instant, or never.
    pub delays: u8,
    /// Requests and answers that come twice, the second time at any later instant.
    pub doubles: u8,
    /// Processes that stand still.
    pub pauses: u8,
    /// Processes that are killed.
    pub crashes: u8,
    /// Processes that start: the first time, or again.
    pub starts: u8,
    /// Shutdowns, steps down, and tasks that end by themselves.
    pub wishes: u8,
    /// Tasks that go on after their abortion.
    pub overruns: u8,
    /// Clocks that jump forward.
    pub jumps: u8,
    /// Third parties that free the lease.
    pub breaks: u8,
    /// Stores that fall back to the record before the latest grant.
    pub rollbacks: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The store lets leases expire.
    Lease {
        /// One that ran out and was not taken is given back to the claim that held it.
        revives: bool,
        /// It looks before it acquires, and then refuses a lease that is held, even to its holder, unless the claim says
        /// that it may be its own.
        looks_first: bool,
    },
    /// A record under compare-and-swap, whose expiry the candidates judge.
    Document,
}

/// One world to exhaust.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub name: &'static str,
    pub kind: Kind,
    /// The rates of the candidates' clocks, and then that of the store's: one world begins with each.
    pub rates: Vec<(Vec<u32>, u32)>,
    /// How many candidates run from the beginning.
    pub up_first: usize,
    pub tick_ms: u64,
    pub timing: Timing,
    pub drain_limit: Duration,
    pub pause: Duration,
    /// What each draw of chance yields, in per cent: one world begins with each, and with each of the rates.
    pub percents: Vec<u8>,
    pub budget: Budget,
    /// While something may happen at any instant, time passes in steps of so many ticks at most.
    pub stride: u32,
    /// A token follows the service's time when the record is older than that.
    pub server_time: bool,
    /// How much of the lease that is asked for the store grants, in per cent.
    pub grants: u32,
    /// Whether leadership is promised to be exclusive: it is unless somebody breaks the lease or the store rolls back.
    pub exclusive: bool,
    /// Whether tokens are promised to rise: they do unless a store that only counts them rolls back. Even then no candidate
    /// starts a task with a token that is not above its own last.
    pub rising: bool,
    /// What must come to pass on some path.
    pub expects: Vec<Seen>,
}

impl Config {
    pub fn settings(&self) -> Settings {
        Settings {
            timing: self.timing.clone(),
            holder: HolderId::new("worker").expect("valid"),
            drain_limit: self.drain_limit,
            pause: self.pause,
            stall_limit: None,
            heartbeat_limit: None,
            after_success: AfterTask::ContendAgain,
            after_failure: AfterTask::ContendAgain,
            single_term: false,
            stop_if_refused_at_start: false,
        }
    }

    /// As long as the store grants it.
    pub fn lease(&self) -> Duration {
        self.timing.lease() * self.grants / 100
    }

    /// How long a grant counts from the instant at which it was asked for.
    pub fn valid_for(&self) -> Duration {
        self.lease().saturating_sub(self.timing.skew())
    }

    pub fn cancel_after(&self) -> Duration {
        self.valid_for().saturating_sub(self.timing.grace())
    }
}
