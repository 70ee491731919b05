//! The status, shared without a lock that anybody else could hold.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::Status;

/// Where a host shows what it is doing. Its driver writes here on the thread that renews every lease of the process, so nobody
/// who reads may make it wait: a reader gets a copy, and never the lock, which a `watch::Receiver` of tokio's would lend out.
#[derive(Debug)]
pub(crate) struct StatusBoard {
    shown: Arc<Mutex<Status>>,
    changes: watch::Sender<()>,
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
    shown: Arc<Mutex<Status>>,
    changes: watch::Receiver<()>,
}

impl StatusBoard {
    pub(crate) fn new() -> Self {
        Self { shown: Arc::new(Mutex::new(Status::Stopped)), changes: watch::Sender::new(()) }
    }

    pub(crate) fn get(&self) -> Status {
        copy(&self.shown)
    }

    pub(crate) fn watch(&self) -> StatusWatch {
        StatusWatch { shown: Arc::clone(&self.shown), changes: self.changes.subscribe() }
    }

    /// Shows `status`; returns whether it was another one before.
    pub(crate) fn show(&self, status: Status) -> bool {
        self.show_after(|before| (*before != status).then_some(status))
    }

    /// Shows what follows the present status, if anything does.
    pub(crate) fn show_after(&self, next: impl FnOnce(&Status) -> Option<Status>) -> bool {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let next = next(&shown);
        let changed = next.is_some();
        if let Some(next) = next {
            *shown = next;
            // With the lock held, so that nobody is told twice of one status.
            self.changes.send_replace(());
        }
        changed
    }
}

impl StatusWatch {
    /// The status now.
    #[must_use]
    pub fn get(&self) -> Status {
        copy(&self.shown)
    }

    /// Waits until the status is another than when it was last returned by this method, or than when this watch was made, and
    /// returns it. `None` when the host is gone.
    ///
    /// # Cancellation safety
    /// May be dropped at any time; no change is missed by the next call.
    pub async fn changed(&mut self) -> Option<Status> {
        self.changes.changed().await.ok()?;
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        self.changes.mark_unchanged();
        Some(shown.clone())
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

fn copy(shown: &Mutex<Status>) -> Status {
    shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
