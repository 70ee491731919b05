//! Ends terms in the renewal thread's place when that is late.
//!
//! A plain thread, without a runtime: it sleeps until the earliest deadline of any term, and looks. As a rule the renewal
//! thread has moved the deadline on by then, or has kept it. If not, the watchdog first takes back the validity of all
//! late terms, which is a store to memory. Then it cancels each token by a thread that may get lost, aborts each task, and ends
//! the process where a task still runs when its lease does not.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::caught::caught_call;
use crate::clock::{Clock, SystemClock};
use crate::election::{Deadlines, EndReason, Moment};
use crate::error::{Error, ErrorKind, Result};
use crate::health::Vitals;
use crate::leadership::Shared;
use crate::telemetry::LastWords;
use crate::user_code::Lane;

/// A term that is watched until nothing runs under it any more.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) term: Arc<Shared>,
    pub(crate) vitals: Weak<Vitals>,
    /// How late the renewal thread may be.
    pub(crate) slack: Duration,
    pub(crate) abort_process: bool,
    /// What says why the process is ended, within the moment that is left.
    pub(crate) last_words: Arc<LastWords>,
    /// Where it is dropped, as there are values of users in it.
    pub(crate) lane: Lane,
    /// When the watchdog aborted the task.
    pub(crate) aborted_at: Option<Moment>,
}

/// Starts the thread, unless it runs.
pub(crate) fn start() -> Result<()> {
    static STARTED: Mutex<bool> = Mutex::new(false);
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    if !*started {
        let thread = std::thread::Builder::new().name("leader-watchdog".to_owned());
        thread.spawn(|| watchdog().run()).map_err(|error| {
            Error::new(ErrorKind::Runtime, "the thread that watches the renewals could not be started")
                .with_source(error)
        })?;
        *started = true;
    }
    Ok(())
}

/// Watches a term from now on.
pub(crate) fn watch(watched: Watched) {
    watchdog().push(Instant::now(), watched);
}

fn watchdog() -> &'static Watchdog {
    static WATCHDOG: OnceLock<Watchdog> = OnceLock::new();
    WATCHDOG.get_or_init(|| Watchdog { origin: Instant::now(), waiting: Mutex::default(), changed: Condvar::new() })
}

/// As often it looks whether the machine was suspended, while there is a term to watch.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Shorter suspensions are covered by the margins of the lease.
const NOTICED: Duration = Duration::from_millis(50);

#[derive(Debug)]
struct Watchdog {
    origin: Instant,
    waiting: Mutex<BinaryHeap<Reverse<Look>>>,
    changed: Condvar,
}

/// A term, and when it is to be looked at.
#[derive(Debug)]
struct Look {
    at: Instant,
    watched: Watched,
}

impl Watchdog {
    fn run(&self) {
        loop {
            let mut due = self.wait();
            let mut late = Vec::new();
            // All of them before anything is done that may take time.
            for look in &due {
                if look.watched.revoke_if_late() {
                    late.push(Arc::clone(&look.watched.term));
                }
            }
            for mut look in due.drain(..) {
                match look.watched.act(&late) {
                    Some(again) => self.push(again, look.watched),
                    None => look.watched.lane.clone().discard(look.watched),
                }
            }
        }
    }

    /// The terms that are due, one at least.
    fn wait(&self) -> Vec<Look> {
        let clock = SystemClock::new();
        let ahead = |now: Instant| clock.monotonic().saturating_sub(now.duration_since(self.origin));
        let before = ahead(Instant::now());
        let mut waiting = self.lock();
        loop {
            let now = Instant::now();
            // Timers stand still while a machine is suspended: then all of them are late.
            let suspended = ahead(now) > before + NOTICED;
            let mut due = Vec::new();
            while waiting.peek().is_some_and(|Reverse(look)| suspended || look.at <= now) {
                due.extend(waiting.pop().map(|Reverse(look)| look));
            }
            if !due.is_empty() {
                return due;
            }
            waiting = match waiting.peek().map(|Reverse(look)| look.at) {
                Some(next) => {
                    let pause = next.saturating_duration_since(now).min(LOOK_EVERY);
                    let waited = self.changed.wait_timeout(waiting, pause);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn push(&self, at: Instant, watched: Watched) {
        self.lock().push(Reverse(Look { at, watched }));
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, BinaryHeap<Reverse<Look>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn revoke_if_late(&self) -> bool {
        match self.now() {
            Some(now) => self.term.revoke_if_late(now, self.slack),
            None => false,
        }
    }

    /// Does what is due, and returns when to look again; `None` when there is nothing more to watch.
    fn act(&mut self, revoked: &[Arc<Shared>]) -> Option<Instant> {
        // A clock that panics has ended the driver, too, which has ended the term.
        let now = self.now()?;
        if revoked.iter().any(|term| Arc::ptr_eq(term, &self.term)) {
            let reason =
                if self.term.clock().has_jumped() { EndReason::ClockJumped } else { EndReason::RenewalTimedOut };
            self.term.cancel(reason);
        }
        let steps = self.term.deadline().steps?;
        if now >= steps.abort_at + self.slack {
            self.term.work().abort();
            self.aborted_at = self.aborted_at.or(Some(now));
        }
        // As a rule it has aborted before; if not, as the whole process stood still, the task has a moment to end.
        let overrun_at = steps.overrun_at + self.slack;
        let late = self.aborted_at.filter(|at| *at > overrun_at).map(|at| at + Deadlines::LATE_MARGIN);
        let overrun_at = overrun_at.max(late.unwrap_or_default());
        if now >= overrun_at {
            if !self.term.work().is_idle() {
                if let Some(vitals) = self.vitals.upgrade() {
                    vitals.overrun(now);
                }
                if self.abort_process {
                    self.last_words.say(self.term.fencing_token());
                    std::process::abort();
                }
            }
            return None;
        }
        let steps = [steps.cancel_at, Some(steps.abort_at)].into_iter().flatten().map(|step| step + self.slack);
        let next = steps.chain([overrun_at]).find(|step| *step > now)?;
        Some(Instant::now() + next.since(now))
    }

    fn now(&self) -> Option<Moment> {
        caught_call(|| self.term.clock().now()).ok()
    }
}

impl PartialEq for Look {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Look {}

impl PartialOrd for Look {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Look {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at.cmp(&other.at)
    }
}
