//! One request to the store, in flight.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tracing::{Instrument, Span};

use crate::caught::caught;
use crate::claim::Claim;
use crate::election::{AttemptId, Moment};
use crate::error::{Error, ErrorKind, Result};
use crate::port::{Acquire, AcquireRequest, DistributedMutex, LeaderData, Renew, Version};
use crate::requests::Requests;
use crate::status::Operation;
use crate::telemetry::{RequestOutcome, request_span};

/// A request that runs as a task of its own, so that a panic of a store is a failed request and not a dead renewal.
/// Dropping it drops the request.
pub(super) struct Attempt {
    pub(super) id: AttemptId,
    pub(super) operation: Operation,
    pub(super) sent_at: Moment,
    task: AbortHandle,
    outcome: oneshot::Receiver<Outcome>,
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

/// What all attempts of a host have in common.
pub(super) struct Sender<'a> {
    pub(super) mutex: &'a Arc<dyn DistributedMutex>,
    pub(super) requests: &'a Requests,
    /// Of the host's run.
    pub(super) span: &'a Span,
}

/// What an acquire asks for, kept by its request.
pub(super) struct Asked {
    pub(super) claim: Claim,
    pub(super) lapsed: Option<Version>,
    pub(super) unsettled: bool,
    pub(super) data: Option<LeaderData>,
}

impl Asked {
    fn request(&self) -> AcquireRequest<'_> {
        AcquireRequest::new(&self.claim)
            .with_lapsed(self.lapsed.as_ref())
            .with_unsettled(self.unsettled)
            .with_data(self.data.as_ref())
    }
}

impl Attempt {
    pub(super) fn acquire(id: AttemptId, sent_at: Moment, sender: &Sender<'_>, asked: Asked) -> Self {
        let mutex = Arc::clone(sender.mutex);
        let request = async move { Outcome::Acquire(mutex.try_acquire(asked.request()).await) };
        Self::spawn(id, sent_at, sender, Operation::Acquire, request)
    }

    pub(super) fn renew(id: AttemptId, sent_at: Moment, sender: &Sender<'_>, claim: Claim) -> Self {
        let mutex = Arc::clone(sender.mutex);
        Self::spawn(id, sent_at, sender, Operation::Renew, async move { Outcome::Renew(mutex.renew(&claim).await) })
    }

    pub(super) fn release(id: AttemptId, sent_at: Moment, sender: &Sender<'_>, claim: Claim) -> Self {
        let mutex = Arc::clone(sender.mutex);
        let request = async move { Outcome::Release(mutex.release(&claim).await) };
        Self::spawn(id, sent_at, sender, Operation::Release, request)
    }

    fn spawn(
        id: AttemptId,
        sent_at: Moment,
        sender: &Sender<'_>,
        operation: Operation,
        request: impl Future<Output = Outcome> + Send + 'static,
    ) -> Self {
        let (answer, outcome) = oneshot::channel();
        let run = sender.span.clone();
        let task = sender.requests.spawn(async move {
            // The span is made here, as the subscriber may block; and so is the error of a panic.
            let span = request_span(&run, operation);
            let outcome = caught(request.instrument(span)).await;
            let _ = answer.send(outcome.unwrap_or_else(|panicked| {
                // Nobody knows how far it came; so it counts as a request without an answer.
                let message = format!("the store's code panicked: {}", panicked.0);
                Outcome::failed(operation, Error::new(ErrorKind::Unavailable, message))
            }));
        });
        Self { id, operation, sent_at, task, outcome }
    }

    /// Waits for the reply. May be dropped and called again.
    pub(super) async fn reply(&mut self) -> Reply {
        let outcome = (&mut self.outcome).await.unwrap_or_else(|_| {
            let message = "the runtime that the request ran on was shut down";
            Outcome::failed(self.operation, Error::new(ErrorKind::Unavailable, message))
        });
        Reply { operation: self.operation, sent_at: self.sent_at, outcome }
    }

    pub(super) fn abort(&self) {
        self.task.abort();
    }

    /// The error of an attempt that was given up after `limit`.
    pub(super) fn timed_out(&self, limit: Duration) -> Error {
        Error::new(ErrorKind::Timeout, format!("no answer to {} within {limit:?}", self.operation))
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.abort();
    }
}

impl Outcome {
    fn failed(operation: Operation, error: Error) -> Self {
        match operation {
            Operation::Acquire => Self::Acquire(Err(error)),
            Operation::Renew => Self::Renew(Err(error)),
            Operation::Release => Self::Release(Err(error)),
        }
    }

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
