//! The status, shared without a lock that anybody else could hold.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::watch;

use super::Status;

/// Where a host shows what it is doing. Its driver writes here on the thread that renews every lease of the process, so nobody
/// who reads may make it wait: a reader gets a copy, and never the lock, which a `watch::Receiver` of tokio's would lend out.
/// Nor does the driver wake them: that runs their wakers.
#[derive(Debug)]
pub(crate) struct StatusBoard {
    shown: Arc<Mutex<Shown>>,
    changes: watch::Sender<()>,
}

#[derive(Debug)]
struct Shown {
    status: Status,
    /// How often it has changed.
    changes: u64,
    answered_at: Option<SystemTime>,
}

/// A host's status, now and whenever it changes; see [`LeaderHost::watch_status`](crate::LeaderHost::watch_status).
///
/// It hands out copies. However long a reader takes, the host goes on; a reader that is slow sees the latest status, and misses
/// those between.
///
/// ```
/// use azure_leader_election::{CancellationToken, LeaderHost, MemoryMutex, Status};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> azure_leader_election::Result<()> {
/// let host = LeaderHost::new(MemoryMutex::new());
/// let mut status = host.watch_status();
/// tokio::spawn(async move {
///     while let Some(status) = status.changed().await {
///         println!("{status:?}");
///     }
/// });
///
/// let mut status = host.watch_status();
/// let leads = tokio::spawn(async move { status.wait_for(|now| matches!(now, Status::Leading { .. })).await.is_some() });
/// host.run_one_term(CancellationToken::new(), |_leader| async move { leads.await }).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct StatusWatch {
    shown: Arc<Mutex<Shown>>,
    /// The change that was returned last.
    seen: u64,
    changes: watch::Receiver<()>,
}

impl StatusBoard {
    pub(crate) fn new() -> Self {
        let shown = Shown { status: Status::Stopped, changes: 0, answered_at: None };
        Self { shown: Arc::new(Mutex::new(shown)), changes: watch::Sender::new(()) }
    }

    pub(crate) fn get(&self) -> Status {
        lock(&self.shown).copy()
    }

    pub(crate) fn watch(&self) -> StatusWatch {
        let seen = lock(&self.shown).changes;
        StatusWatch { shown: Arc::clone(&self.shown), seen, changes: self.changes.subscribe() }
    }

    /// Shows `status`; returns whether it was another one before. Whoever waits for it is woken by [`wake`](Self::wake).
    pub(crate) fn show(&self, status: Status) -> bool {
        self.show_after(|before| (!before.is_like(&status)).then_some(status))
    }

    /// Shows what follows the present status, if anything does.
    pub(crate) fn show_after(&self, next: impl FnOnce(&Status) -> Option<Status>) -> bool {
        let mut shown = lock(&self.shown);
        let next = next(&shown.status);
        let changed = next.is_some();
        if let Some(next) = next {
            shown.status = next;
            shown.changes += 1;
        }
        changed
    }

    /// The store has answered.
    pub(crate) fn answered(&self, at: SystemTime) {
        lock(&self.shown).answered_at = Some(at);
    }

    pub(crate) fn wake(&self) {
        self.changes.send_replace(());
    }
}

impl Shown {
    fn copy(&self) -> Status {
        match &self.status {
            Status::Standby { leader, .. } => Status::Standby { leader: leader.clone(), answered_at: self.answered_at },
            other => other.clone(),
        }
    }
}

impl Status {
    /// Whether a change from one to the other is none to tell.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Standby { leader, .. }, Self::Standby { leader: other, .. }) => leader == other,
            _ => self == other,
        }
    }
}

impl StatusWatch {
    /// The status now.
    #[must_use]
    pub fn get(&self) -> Status {
        lock(&self.shown).copy()
    }

    /// Waits until the status is another than when it was last returned by this method, or than when this watch was made, and
    /// returns it. `None` when the host is gone.
    ///
    /// # Cancellation safety
    /// May be dropped at any time; no change is missed by the next call.
    pub async fn changed(&mut self) -> Option<Status> {
        loop {
            self.changes.borrow_and_update();
            {
                let shown = lock(&self.shown);
                if shown.changes != self.seen {
                    self.seen = shown.changes;
                    return Some(shown.copy());
                }
            }
            self.changes.changed().await.ok()?;
        }
    }

    /// Waits for a status that is `wanted`, and returns it; at once if it is so now. `None` when the host is gone before.
    ///
    /// # Cancellation safety
    /// As [`changed`](Self::changed).
    pub async fn wait_for(&mut self, mut wanted: impl FnMut(&Status) -> bool) -> Option<Status> {
        let mut status = self.get();
        while !wanted(&status) {
            status = self.changed().await?;
        }
        Some(status)
    }
}

fn lock(shown: &Mutex<Shown>) -> MutexGuard<'_, Shown> {
    // Held for a copy, by the driver as by those who look.
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}
