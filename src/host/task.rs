//! Starting the leader's task, and learning how it ended.

use std::fmt;
use std::future::Future;

use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};
use tracing::{Instrument, Span};

use crate::election::TaskExit;
use crate::error::{BoxError, Error, ErrorKind};
use crate::leadership::Leadership;
use crate::status::TaskOutcome;
use crate::telemetry::causes;

pub(super) type TaskHandle = JoinHandle<Result<(), BoxError>>;

type Start = Box<dyn FnMut(&Handle, Leadership, Span) -> TaskHandle + Send>;

/// Starts the caller's delegate on the caller's runtime.
pub(super) struct Spawner {
    runtime: Handle,
    start: Start,
}

impl Spawner {
    pub(super) fn new<F, Fut>(runtime: Handle, delegate: F) -> Self
    where
        F: FnMut(Leadership) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        // A lock and not just a `FnMut`, because the delegate itself is called inside the task: so that its own panic
        // is the task's, and its own blocking blocks the caller's runtime and not the keeper.
        let delegate = std::sync::Arc::new(std::sync::Mutex::new(delegate));
        let start = move |runtime: &Handle, leader: Leadership, span: Span| {
            let delegate = std::sync::Arc::clone(&delegate);
            let task = async move {
                let future = super::lock(&delegate)(leader);
                future.await
            };
            runtime.spawn(task.instrument(span))
        };
        Self { runtime, start: Box::new(start) }
    }

    /// Starts the task, within `span`.
    pub(super) fn start(&mut self, leader: Leadership, span: Span) -> TaskHandle {
        (self.start)(&self.runtime, leader, span)
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

/// How a task ended, and what to say of it.
#[derive(Debug)]
pub(super) struct TaskEnd {
    pub(super) exit: TaskExit,
    pub(super) outcome: TaskOutcome,
    pub(super) error: Option<Error>,
}

impl TaskEnd {
    pub(super) fn of(joined: Result<Result<(), BoxError>, JoinError>) -> Self {
        match joined {
            Ok(Ok(())) => Self { exit: TaskExit::Succeeded, outcome: TaskOutcome::Ok, error: None },
            Ok(Err(error)) => {
                let error = Error::new(ErrorKind::TaskFailed, "the leader's task failed").with_source(error);
                Self { exit: TaskExit::Failed, outcome: TaskOutcome::Failed, error: Some(error) }
            }
            Err(error) if error.is_panic() => {
                let message = panic_message(error);
                let error = Error::new(ErrorKind::TaskPanicked, format!("the leader's task panicked: {message}"));
                Self { exit: TaskExit::Failed, outcome: TaskOutcome::Panicked, error: Some(error) }
            }
            Err(_) => Self { exit: TaskExit::Aborted, outcome: TaskOutcome::Aborted, error: None },
        }
    }

    pub(super) fn detail(&self) -> Option<String> {
        self.error.as_ref().map(|error| match causes(error) {
            causes if causes.is_empty() => error.to_string(),
            causes => format!("{error}: {causes}"),
        })
    }
}

fn panic_message(error: JoinError) -> String {
    let payload = error.into_panic();
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
