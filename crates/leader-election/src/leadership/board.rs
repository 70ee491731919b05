//! The term in which a host leads, shared without a lock that anybody else could hold.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::{Leadership, Shared};

/// Where a host shows its term, for code that is no part of the task. A term that is shown and not valid any more is none: so
/// nobody has to take it down in the instant in which it ends.
#[derive(Debug, Default)]
pub(crate) struct TermBoard {
    shown: Arc<Shown>,
    changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Shown {
    /// The process in which the latest term began.
    process: AtomicU32,
    term: Mutex<Term>,
}

#[derive(Debug, Default)]
struct Term {
    /// How many have begun.
    number: u64,
    /// Until nothing runs under it any more.
    shared: Option<Arc<Shared>>,
}

/// The term in which a host leads, now and whenever that changes; see
/// [`LeaderHost::watch_leadership`](crate::LeaderHost::watch_leadership).
///
/// It lends out no lock. However long a reader takes, the host goes on; a reader that is slow sees the present term, and misses
/// those between.
///
/// ```
/// use leader_election::{CancellationToken, LeaderHost, MemoryMutex};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> leader_election::Result<()> {
/// let host = LeaderHost::new(MemoryMutex::new());
/// let mut leadership = host.watch_leadership();
/// tokio::spawn(async move {
///     while let Some(now) = leadership.changed().await {
///         match now {
///             Some(leader) => println!("open the gates, with fencing token {}", leader.fencing_token()),
///             None => println!("close them"),
///         }
///     }
/// });
/// # host.run_one_term(CancellationToken::new(), async |_leader| ()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct LeadershipWatch {
    shown: Arc<Shown>,
    /// The number of the term that was returned last; zero for none.
    seen: u64,
    changes: watch::Receiver<()>,
}

impl TermBoard {
    pub(crate) fn get(&self) -> Option<Leadership> {
        self.shown.now().map(|(_, leader)| leader)
    }

    pub(crate) fn watch(&self) -> LeadershipWatch {
        let changes = self.changes.subscribe();
        let seen = self.shown.now().map_or(0, |(number, _)| number);
        LeadershipWatch { shown: Arc::clone(&self.shown), seen, changes }
    }

    /// Shows a term, before its task begins. Whoever waits for it is woken by [`wake`](Self::wake).
    pub(crate) fn begin(&self, shared: &Arc<Shared>) {
        let mut term = self.shown.term();
        *term = Term { number: term.number + 1, shared: Some(Arc::clone(shared)) };
        drop(term);
        self.shown.process.store(std::process::id(), Ordering::Release);
    }

    /// Shows none, and returns the one that was shown: to drop it may run a user's code.
    pub(crate) fn end(&self) -> Option<Arc<Shared>> {
        self.shown.term().shared.take()
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.changes.receiver_count() > 0
    }

    /// Runs the wakers of all who wait.
    pub(crate) fn wake(&self) {
        self.changes.send_replace(());
    }
}

impl Shown {
    /// The term that is valid at this instant, with its number.
    fn now(&self) -> Option<(u64, Leadership)> {
        // In a forked child none is, and the fork may have caught the lock.
        if self.process.load(Ordering::Acquire) != std::process::id() {
            return None;
        }
        let (number, shared) = {
            let term = self.term();
            (term.number, Arc::clone(term.shared.as_ref()?))
        };
        // Not under the lock, as it asks the clock, which may be a user's.
        let leader = shared.leadership();
        leader.ensure().is_ok().then_some((number, leader))
    }

    fn term(&self) -> MutexGuard<'_, Term> {
        // Held for a copy, by the driver as by those who look.
        self.term.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LeadershipWatch {
    /// The term in which the host leads at this instant, as [`LeaderHost::leadership`](crate::LeaderHost::leadership).
    #[must_use]
    pub fn get(&self) -> Option<Leadership> {
        self.shown.now().map(|(_, leader)| leader)
    }

    /// Waits until the host leads in another term than when this was last returned, or than when this watch was made, and
    /// returns that: `Some(None)` when it leads in none, `None` when the host and all its clones are gone.
    ///
    /// The end of a term is told as soon as its host, or the watchdog in the host's place, has taken its validity back. Where the
    /// whole process stood still, [`get`](Self::get) and [`Leadership::ensure`] know it before that.
    ///
    /// # Cancellation safety
    /// May be dropped at any time; no change is missed by the next call.
    pub async fn changed(&mut self) -> Option<Option<Leadership>> {
        loop {
            self.changes.borrow_and_update();
            let now = self.shown.now();
            let number = now.as_ref().map_or(0, |(number, _)| *number);
            if number != self.seen {
                self.seen = number;
                return Some(now.map(|(_, leader)| leader));
            }
            self.changes.changed().await.ok()?;
        }
    }
}
