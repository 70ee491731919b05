//! Whether a host is well, told without asking the store.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::ElapsedClock;
use crate::election::Moment;
use crate::timing::Timing;
use crate::token::FencingToken;

/// What is wrong with a host; see [`LeaderHost::health`](crate::LeaderHost::health).
///
/// A restart mends all but [`StoreOutOfReach`](Self::StoreOutOfReach), so a liveness probe should not be red for that: an
/// outage of the store would restart the workers of a whole fleet.
///
/// ```
/// use leader_election::{LeaderHost, MemoryMutex, Unhealthy};
///
/// fn is_alive(host: &LeaderHost) -> bool {
///     matches!(host.health(), Ok(()) | Err(Unhealthy::StoreOutOfReach { .. }))
/// }
///
/// let host = LeaderHost::new(MemoryMutex::new());
/// assert_eq!(host.health(), Err(Unhealthy::NotContending));
/// assert!(!is_alive(&host));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unhealthy {
    /// The host is not running: not yet, not any more, or it ended with an error. So it is in a forked child.
    NotContending,
    /// The task, or what it has started by [`Leadership::spawn`](crate::Leadership::spawn), still runs although its lease has run
    /// out, so another worker may lead: it blocks its thread, or the process was paused and has not yet noticed.
    LeadsPastLease {
        /// The token of the task's term.
        fencing_token: FencingToken,
        /// Since when the lease is over.
        overdue: Duration,
    },
    /// Something of the election was due for longer than a lease, and was not done: the thread that renews is blocked or starved.
    Stuck {
        /// For how long.
        overdue: Duration,
    },
    /// Every request to the store has failed for longer than a lease: it is out of reach, or refuses this worker.
    StoreOutOfReach {
        /// Since the first of these failures.
        failing_for: Duration,
    },
}

impl fmt::Display for Unhealthy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotContending => f.write_str("the host is not running"),
            Self::LeadsPastLease { fencing_token, overdue } => write!(
                f,
                "the leader's task (fencing token {fencing_token}) still runs {:.1} s after its lease has run out",
                overdue.as_secs_f64()
            ),
            Self::Stuck { overdue } => {
                write!(f, "the election has not been driven for {:.1} s", overdue.as_secs_f64())
            }
            Self::StoreOutOfReach { failing_for } => {
                write!(f, "no request to the store has succeeded for {:.1} s", failing_for.as_secs_f64())
            }
        }
    }
}

impl std::error::Error for Unhealthy {}

/// What a host's driver leaves for others to look at, from any thread and also when the driver itself stands still.
#[derive(Debug, Default)]
pub(crate) struct Vitals {
    run: Mutex<Option<Run>>,
    /// The process in which it last ran.
    process: AtomicU32,
    /// Whether the host ever ran before.
    #[cfg(feature = "otel")]
    ran: std::sync::atomic::AtomicBool,
}

#[derive(Debug)]
struct Run {
    clock: Arc<ElapsedClock>,
    lease: Duration,
    skew: Duration,
    /// When the driver has something to do at the latest. By the runtime's clock, as its timers go by that: a clock that was set
    /// forward makes nobody late.
    due: Option<Instant>,
    /// Whether the store has answered in this run.
    reached: bool,
    failing: Option<Failing>,
    /// Of the term whose task runs.
    term: Option<Term>,
}

/// Requests that failed, one after the other.
#[derive(Debug, Clone, Copy)]
struct Failing {
    since: Moment,
    /// When the latest one failed: a host that rests sends none.
    last: Moment,
}

#[derive(Debug)]
struct Term {
    fencing_token: FencingToken,
    valid_until: Option<Moment>,
    lease_ends: Moment,
    least_validity: Option<Duration>,
}

/// What a term looks like at this instant.
#[cfg(feature = "otel")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TermNow {
    pub(crate) fencing_token: FencingToken,
    /// For how long it may go on leading; `None` when it may not.
    pub(crate) valid_for: Option<Duration>,
    /// The least that was left when a renewal came.
    pub(crate) least_validity: Option<Duration>,
}

impl Vitals {
    pub(crate) fn check(&self) -> Result<(), Unhealthy> {
        // In a forked child nothing runs, and the fork may have caught the lock.
        if self.process.load(Ordering::Relaxed) != std::process::id() {
            return Err(Unhealthy::NotContending);
        }
        let run = self.run();
        let Some(run) = run.as_ref() else { return Err(Unhealthy::NotContending) };
        let now = run.clock.now();
        let overdue = |since: Moment| (now > since).then(|| now.since(since));

        if let Some((term, overdue)) = run.term.as_ref().and_then(|term| Some((term, overdue(term.lease_ends)?))) {
            return Err(Unhealthy::LeadsPastLease { fencing_token: term.fencing_token, overdue });
        }
        if let Some(overdue) = run.due.map(|due| due.elapsed()).filter(|overdue| *overdue > run.lease) {
            return Err(Unhealthy::Stuck { overdue });
        }
        if let Some(failing) = run.failing.filter(|failing| failing.last.since(failing.since) > run.lease) {
            return Err(Unhealthy::StoreOutOfReach { failing_for: now.since(failing.since) });
        }
        Ok(())
    }

    pub(crate) fn has_reached_store(&self) -> bool {
        self.run().as_ref().is_some_and(|run| run.reached)
    }

    /// The term whose task runs.
    #[cfg(feature = "otel")]
    pub(crate) fn term(&self) -> Option<TermNow> {
        let run = self.run();
        let run = run.as_ref()?;
        let term = run.term.as_ref()?;
        let now = run.clock.now();
        Some(TermNow {
            fencing_token: term.fencing_token,
            valid_for: term.valid_until.filter(|until| *until > now).map(|until| until.since(now)),
            least_validity: term.least_validity,
        })
    }

    /// True once.
    #[cfg(feature = "otel")]
    pub(crate) fn is_first_run(&self) -> bool {
        !self.ran.swap(true, std::sync::atomic::Ordering::Relaxed)
    }

    pub(crate) fn run_began(&self, clock: Arc<ElapsedClock>, timing: &Timing) {
        let (lease, skew) = (timing.lease(), timing.skew());
        // The first attempt is due at once.
        let due = Some(Instant::now());
        self.process.store(std::process::id(), Ordering::Relaxed);
        *self.run() = Some(Run { clock, lease, skew, due, reached: false, failing: None, term: None });
    }

    pub(crate) fn run_ended(&self) {
        *self.run() = None;
    }

    /// The driver does nothing for this long, unless something happens.
    pub(crate) fn sleeps(&self, pause: Option<Duration>) {
        let due = pause.and_then(|pause| Instant::now().checked_add(pause));
        self.update(|run| run.due = due);
    }

    pub(crate) fn store_answered(&self) {
        self.update(|run| (run.reached, run.failing) = (true, None));
    }

    pub(crate) fn store_failed(&self, now: Moment) {
        self.update(|run| {
            run.failing = Some(Failing { since: run.failing.map_or(now, |failing| failing.since), last: now })
        });
    }

    /// The task of a new term starts.
    pub(crate) fn term_began(&self, now: Moment, fencing_token: FencingToken, valid_until: Option<Moment>) {
        self.update(|run| {
            let lease_ends = valid_until.unwrap_or(now) + run.skew;
            run.term = Some(Term { fencing_token, valid_until, lease_ends, least_validity: None });
        });
    }

    /// Until when the term's task may act as the leader.
    pub(crate) fn valid_until(&self, now: Moment, until: Option<Moment>) {
        self.update(|run| {
            let Some(term) = &mut run.term else { return };
            let before = std::mem::replace(&mut term.valid_until, until);
            let Some(until) = until else { return };
            term.lease_ends = until + run.skew;
            if let Some(before) = before.filter(|before| *before < until) {
                let left = before.since(now);
                term.least_validity = Some(term.least_validity.map_or(left, |least| least.min(left)));
            }
        });
    }

    /// The task, or what it has started, runs on past its lease.
    pub(crate) fn overrun(&self, now: Moment) {
        self.update(|run| {
            if let Some(term) = &mut run.term {
                term.lease_ends = term.lease_ends.min(now);
            }
        });
    }

    /// The term's task is gone.
    pub(crate) fn term_ended(&self) {
        self.update(|run| run.term = None);
    }

    fn update(&self, change: impl FnOnce(&mut Run)) {
        if let Some(run) = self.run().as_mut() {
            change(run);
        }
    }

    fn run(&self) -> MutexGuard<'_, Option<Run>> {
        // Held for some reads and writes of memory, by the driver as by those who look.
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
