//! What runs under a leadership: its task, and what the task has started by it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinHandle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{Instrument, Span};

/// Everything that runs under one leadership. The lease is released when nothing of it is left.
#[derive(Debug)]
pub(crate) struct Work {
    runtime: Handle,
    /// The term's, within which all of it runs, until nothing does.
    span: Mutex<Option<Arc<Span>>>,
    tracker: TaskTracker,
    started: Mutex<Started>,
    returned: CancellationToken,
}

#[derive(Debug)]
struct Started {
    /// Whether more may be started.
    open: bool,
    handles: Vec<AbortHandle>,
    /// When there are so many handles, those of tasks that are gone are removed.
    tidy_at: usize,
}

impl Work {
    pub(crate) fn new(runtime: Handle) -> Self {
        Self {
            runtime,
            span: Mutex::default(),
            tracker: TaskTracker::new(),
            started: Mutex::new(Started { open: true, handles: Vec::new(), tidy_at: 16 }),
            returned: CancellationToken::new(),
        }
    }

    /// Starts the leader's task itself; [`returned`](Self::returned) tells its end.
    pub(crate) fn start_main(&self, task: impl Future<Output = ()> + Send + 'static) {
        let Some(token) = self.admit() else { return };
        let main = Main { task: Box::pin(task), _returned: CancelOnDrop(self.returned.clone()), _token: token };
        self.keep(self.runtime.spawn(main).abort_handle());
    }

    pub(crate) fn set_span(&self, span: Span) {
        *self.span_lock() = Some(Arc::new(span));
    }

    /// The term is over, and so is its span, however long a clone of the leadership is kept. Dropping the last of it runs the
    /// subscriber.
    pub(crate) fn take_span(&self) -> Option<Arc<Span>> {
        self.span_lock().take()
    }

    pub(crate) fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let Some(token) = self.admit() else { return self.refused() };
        let task = Tracked { task: Box::pin(task.instrument(self.span())), _token: token };
        let handle = self.runtime.spawn(task);
        self.keep(handle.abort_handle());
        handle
    }

    pub(crate) fn spawn_blocking<T>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T>
    where
        T: Send + 'static,
    {
        let Some(token) = self.admit() else { return self.refused() };
        let span = self.span();
        let handle = self.runtime.spawn_blocking(move || {
            // Dropped after the work, also when that panics.
            let _token = token;
            span.in_scope(work)
        });
        self.keep(handle.abort_handle());
        handle
    }

    /// Aborts all of it; nothing more is started. What blocks its thread goes on.
    pub(crate) fn abort(&self) {
        let handles = {
            let mut started = self.started();
            started.open = false;
            std::mem::take(&mut started.handles)
        };
        for handle in handles {
            handle.abort();
        }
    }

    /// Waits until the leader's task itself is gone. May be dropped and called again.
    pub(crate) async fn returned(&self) {
        self.returned.cancelled().await;
    }

    /// Waits until nothing is left, once the task itself is gone; nothing more is started then. May be dropped and called
    /// again.
    pub(crate) async fn gone(&self) {
        self.returned().await;
        self.tracker.close();
        loop {
            self.tracker.wait().await;
            if self.close_if_idle() {
                return;
            }
        }
    }

    /// Whether nothing is left; if so, nothing more is started.
    pub(crate) fn close_if_idle(&self) -> bool {
        let mut started = self.started();
        let idle = self.is_idle();
        if idle {
            started.open = false;
            started.handles = Vec::new();
        }
        idle
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.tracker.is_empty()
    }

    /// Under the lock, so that what is admitted is seen by whoever closes it.
    fn admit(&self) -> Option<TaskTrackerToken> {
        let started = self.started();
        started.open.then(|| self.tracker.token())
    }

    fn keep(&self, handle: AbortHandle) {
        let mut started = self.started();
        if !started.open {
            drop(started);
            handle.abort();
            return;
        }
        if started.handles.len() >= started.tidy_at {
            started.handles.retain(|handle| !handle.is_finished());
            started.tidy_at = started.handles.len() * 2 + 16;
        }
        started.handles.push(handle);
    }

    /// The handle of a task that is aborted before it begins.
    fn refused<T: Send + 'static>(&self) -> JoinHandle<T> {
        let handle = self.runtime.spawn(std::future::pending());
        handle.abort();
        handle
    }

    fn span(&self) -> Span {
        // Copied outside the lock, as that asks the subscriber.
        let span = self.span_lock().clone();
        span.map_or_else(Span::none, |span| Span::clone(&span))
    }

    fn span_lock(&self) -> MutexGuard<'_, Option<Arc<Span>>> {
        self.span.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn started(&self) -> MutexGuard<'_, Started> {
        // No code of anybody else's runs under the lock.
        self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task that is counted until its future has been dropped; fields are dropped in this order.
struct Tracked<F> {
    task: Pin<Box<F>>,
    _token: TaskTrackerToken,
}

impl<F: Future> Future for Tracked<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.task.as_mut().poll(context)
    }
}

/// The leader's task itself. It is dropped first, then no longer counted, then said to have returned: in this order a driver
/// that hears of it finds out whether anything else is left.
struct Main<F> {
    task: Pin<Box<F>>,
    _token: TaskTrackerToken,
    _returned: CancelOnDrop,
}

impl<F: Future<Output = ()>> Future for Main<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.task.as_mut().poll(context)
    }
}

struct CancelOnDrop(CancellationToken);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
