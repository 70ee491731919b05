//! Asks the runtime of the leader's task whether it is alive.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use crate::election::Moment;

/// Sends an empty task to the runtime from time to time. A runtime whose every worker is blocked does not run it.
pub(super) struct RuntimePing {
    runtime: Handle,
    /// A quarter of the limit, so that a late answer or two are no alarm. `None`: nobody asks.
    interval: Option<Duration>,
    next_at: Option<Moment>,
    pending: Option<(Moment, AbortOnDropHandle<()>)>,
}

impl RuntimePing {
    pub(super) fn new(limit: Option<Duration>, runtime: Handle) -> Self {
        Self { runtime, interval: limit.map(|limit| limit / 4), next_at: None, pending: None }
    }

    /// A new leader's task starts.
    pub(super) fn restart(&mut self, now: Moment) {
        self.pending = None;
        self.next_at = self.interval.map(|interval| now + interval);
    }

    /// Asks if it is time to.
    pub(super) fn advance(&mut self, now: Moment) {
        if self.next_at.is_some_and(|at| now >= at) {
            self.next_at = None;
            self.pending = Some((now, AbortOnDropHandle::new(self.runtime.spawn(async {}))));
        }
    }

    pub(super) fn next_at(&self) -> Option<Moment> {
        self.next_at
    }

    /// Waits for the answer. May be dropped and called again.
    pub(super) async fn answered(&mut self) {
        let Some((asked_at, pending)) = &mut self.pending else { return std::future::pending().await };
        let asked_at = *asked_at;
        // A runtime that has been shut down answers with an error; its task then ends by itself.
        let _ = pending.await;
        self.pending = None;
        self.next_at = self.interval.map(|interval| asked_at + interval);
    }
}
