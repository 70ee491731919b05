//! Starting the leader's task, and learning how it ended.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex};

use tokio::runtime::Handle;
use tracing::Instrument;

use super::IntoTaskResult;
use crate::caught::{Panicked, caught};
use crate::election::TaskExit;
use crate::error::{BoxError, Error, ErrorKind};
use crate::leadership::Leadership;
use crate::status::TaskOutcome;
use crate::telemetry::{Identity, causes, term_span};

type Start = Box<dyn FnMut(Leadership, Identity) -> Ending + Send>;

/// Starts the caller's delegate on the caller's runtime.
pub(super) struct Spawner {
    runtime: Handle,
    start: Start,
}

/// Where a task leaves how it ended. Nothing stands there if it was aborted.
pub(super) type Ending = Arc<Mutex<Option<TaskEnd>>>;

impl Spawner {
    pub(super) fn new<F, Fut>(runtime: Handle, delegate: F) -> Self
    where
        F: FnMut(Leadership) -> Fut + Send + 'static,
        Fut: Future<Output: IntoTaskResult> + Send + 'static,
    {
        // A lock and not just a `FnMut`, because the delegate itself is called inside the task: so that its own panic
        // is the task's, and its own blocking blocks the caller's runtime and not the renewal thread.
        let delegate = Arc::new(Mutex::new(delegate));
        let start = move |leader: Leadership, identity: Identity| {
            let (delegate, ending) = (Arc::clone(&delegate), Ending::default());
            let left = Ending::clone(&ending);
            let begun = leader.clone();
            let task = async move {
                // The span, too, is made here: a subscriber may block.
                let span = term_span(&identity, begun.fencing_token());
                begun.set_span(span.clone());
                let fails = FailsByPanic(Ending::clone(&left));
                let task = async move {
                    let future = super::lock(&delegate)(begun);
                    future.await.into_task_result()
                };
                let outcome = caught(task.instrument(span)).await;
                // What the error says is its own code's business, and so is how long it takes to say it.
                let end = caught(async { TaskEnd::of(outcome) }).await.unwrap_or_else(TaskEnd::panicked);
                super::lock(&left).replace(end);
                std::mem::forget(fails);
            };
            leader.start_main(task);
            ending
        };
        Self { runtime, start: Box::new(start) }
    }

    /// Starts the task.
    pub(super) fn start(&mut self, leader: Leadership, identity: Identity) -> Ending {
        (self.start)(leader, identity)
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawner").finish_non_exhaustive()
    }
}

/// Notes the panic of a destructor, which ends the task without a word.
struct FailsByPanic(Ending);

impl Drop for FailsByPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let end = TaskEnd::panicked(Panicked("in a destructor".to_owned()));
            super::lock(&self.0).get_or_insert(end);
        }
    }
}

/// How a task ended, and what to say of it.
#[derive(Debug)]
pub(super) struct TaskEnd {
    pub(super) outcome: TaskOutcome,
    pub(super) error: Option<Error>,
    /// In words, as the error's own code is not to run on the renewal thread.
    pub(super) detail: Option<String>,
}

impl TaskEnd {
    fn of(outcome: Result<Result<(), BoxError>, Panicked>) -> Self {
        match outcome {
            Ok(Ok(())) => Self { outcome: TaskOutcome::Ok, error: None, detail: None },
            Ok(Err(error)) => {
                let error = Error::new(ErrorKind::TaskFailed, "the leader's task failed").with_source(error);
                let detail = format!("{error}: {}", causes(&error));
                Self { outcome: TaskOutcome::Failed, error: Some(error), detail: Some(detail) }
            }
            Err(panicked) => Self::panicked(panicked),
        }
    }

    fn panicked(Panicked(message): Panicked) -> Self {
        let detail = format!("the leader's task panicked: {message}");
        let error = Error::new(ErrorKind::TaskPanicked, detail.clone());
        Self { outcome: TaskOutcome::Panicked, error: Some(error), detail: Some(detail) }
    }

    /// Of a task that left no word of its end.
    pub(super) fn aborted() -> Self {
        Self { outcome: TaskOutcome::Aborted, error: None, detail: None }
    }

    /// What it means to the election.
    pub(super) fn exit(&self) -> TaskExit {
        match self.outcome {
            TaskOutcome::Ok => TaskExit::Succeeded,
            TaskOutcome::Failed | TaskOutcome::Panicked => TaskExit::Failed,
            TaskOutcome::Aborted => TaskExit::Aborted,
        }
    }
}
