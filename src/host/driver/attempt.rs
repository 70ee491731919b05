//! One request to the store, in flight.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::claim::Claim;
use crate::election::{AttemptId, Moment};
use crate::error::{Error, ErrorKind, Result};
use crate::mutex::{Acquire, DistributedMutex, Renew, Version};
use crate::status::Operation;
use crate::telemetry::{RequestOutcome, request_span};

/// A request that runs as a task of its own, so that a panic of a store is a failed request and not a dead renewal.
/// Dropping it drops the request.
pub(super) struct Attempt {
    pub(super) id: AttemptId,
    pub(super) operation: Operation,
    pub(super) sent_at: Moment,
    task: AbortOnDropHandle<Outcome>,
}

pub(super) struct Reply {
    pub(super) operation: Operation,
    pub(super) sent_at: Moment,
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
        sent_at: Moment,
        mutex: Arc<dyn DistributedMutex>,
        claim: Claim,
        lapsed: Option<Version>,
    ) -> Self {
        let request = async move { Outcome::Acquire(mutex.try_acquire(&claim, lapsed.as_ref()).await) };
        Self::spawn(id, sent_at, Operation::Acquire, request)
    }

    pub(super) fn renew(id: AttemptId, sent_at: Moment, mutex: Arc<dyn DistributedMutex>, claim: Claim) -> Self {
        Self::spawn(id, sent_at, Operation::Renew, async move { Outcome::Renew(mutex.renew(&claim).await) })
    }

    pub(super) fn release(id: AttemptId, sent_at: Moment, mutex: Arc<dyn DistributedMutex>, claim: Claim) -> Self {
        Self::spawn(id, sent_at, Operation::Release, async move { Outcome::Release(mutex.release(&claim).await) })
    }

    fn spawn(
        id: AttemptId,
        sent_at: Moment,
        operation: Operation,
        request: impl Future<Output = Outcome> + Send + 'static,
    ) -> Self {
        let task = AbortOnDropHandle::new(tokio::spawn(request.instrument(request_span(operation))));
        Self { id, operation, sent_at, task }
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
        Reply { operation, sent_at: self.sent_at, outcome }
    }

    /// The error of an attempt that was given up after `limit`.
    pub(super) fn timed_out(&self, limit: Duration) -> Error {
        Error::new(ErrorKind::Timeout, format!("no answer to {} within {limit:?}", self.operation))
    }
}

impl Outcome {
    pub(super) fn summary(&self) -> RequestOutcome {
        match self {
            Self::Acquire(Ok(Acquire::Granted(_))) => RequestOutcome::Granted,
            Self::Acquire(Ok(Acquire::Held(_))) => RequestOutcome::Held,
            Self::Renew(Ok(Renew::Renewed)) => RequestOutcome::Renewed,
            Self::Renew(Ok(Renew::Lost(_))) => RequestOutcome::Lost,
            Self::Release(Ok(())) => RequestOutcome::Released,
            Self::Acquire(Err(error)) | Self::Renew(Err(error)) | Self::Release(Err(error)) => {
                RequestOutcome::Failed(error.kind())
            }
        }
    }
}
