//! Waiting for what may happen next. Each may be dropped and called again.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::attempt::{Attempt, Reply};
use crate::election::AttemptId;

pub(super) async fn replied(attempt: &mut Option<Attempt>) -> (AttemptId, Reply) {
    let Some(current) = attempt else { return std::future::pending().await };
    let reply = current.reply().await;
    let id = current.id;
    *attempt = None;
    (id, reply)
}

/// A store that is asked to say when something changes.
pub(super) struct Listening {
    pub(super) task: AbortHandle,
    pub(super) changed: oneshot::Receiver<()>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Listened to again with the next attempt, so that a store that never falls silent costs no more than polls.
pub(super) async fn resolved(change: &mut Option<Listening>) {
    if let Some(listening) = change {
        let outcome = (&mut listening.changed).await;
        *change = None;
        if outcome.is_ok() {
            return;
        }
        // The store's code panicked: there is no news from it, and the host polls.
    }
    std::future::pending().await
}

pub(super) async fn sleep(pause: Option<Duration>) {
    match pause {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}
