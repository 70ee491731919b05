//! One request to the store, in flight.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

use crate::claim::Claim;
use crate::election::AttemptId;
use crate::error::{Error, ErrorKind, Result};
use crate::mutex::{Acquire, DistributedMutex, Renew, Version};
use crate::status::Operation;

/// A request that runs as a task of its own, so that a panic of a store is a failed request and not a dead renewal.
/// Dropping it drops the request.
pub(super) struct Attempt {
    pub(super) id: AttemptId,
    pub(super) operation: Operation,
    task: AbortOnDropHandle<Outcome>,
}

pub(super) struct Reply {
    pub(super) operation: Operation,
    pub(super) outcome: Outcome,
}

pub(super) enum Outcome {
    Acquire(Result<Acquire>),
    Renew(Result<Renew>),
    Release(Result<()>),
}

impl Attempt {
    pub(super) fn acquire(
        id: AttemptId,
        mutex: Arc<dyn DistributedMutex>,
        claim: Claim,
        lapsed: Option<Version>,
    ) -> Self {
        let request = async move { Outcome::Acquire(mutex.try_acquire(&claim, lapsed.as_ref()).await) };
        Self::spawn(id, Operation::Acquire, request)
    }

    pub(super) fn renew(id: AttemptId, mutex: Arc<dyn DistributedMutex>, claim: Claim) -> Self {
        Self::spawn(id, Operation::Renew, async move { Outcome::Renew(mutex.renew(&claim).await) })
    }

    pub(super) fn release(id: AttemptId, mutex: Arc<dyn DistributedMutex>, claim: Claim) -> Self {
        Self::spawn(id, Operation::Release, async move { Outcome::Release(mutex.release(&claim).await) })
    }

    fn spawn(id: AttemptId, operation: Operation, request: impl Future<Output = Outcome> + Send + 'static) -> Self {
        Self { id, operation, task: AbortOnDropHandle::new(tokio::spawn(request)) }
    }

    /// Waits for the reply. May be dropped and called again.
    pub(super) async fn reply(&mut self) -> Reply {
        let operation = self.operation;
        let outcome = (&mut self.task).await.unwrap_or_else(|error| {
            // Nobody knows how far it came; so it counts as a request without an answer.
            let error = Error::new(ErrorKind::Unavailable, "the store's code panicked").with_source(error);
            match operation {
                Operation::Acquire => Outcome::Acquire(Err(error)),
                Operation::Renew => Outcome::Renew(Err(error)),
                Operation::Release => Outcome::Release(Err(error)),
            }
        });
        Reply { operation, outcome }
    }

    /// The error of an attempt that was given up after `limit`.
    pub(super) fn timed_out(&self, limit: Duration) -> Error {
        Error::new(ErrorKind::Timeout, format!("no answer to {} within {limit:?}", self.operation))
    }
}
