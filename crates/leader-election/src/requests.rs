//! The threads that the stores' requests run on.
//!
//! A pooled connection is driven by the runtime that opened it. So what a store sends has to be sent from here, and
//! [`run`] sees to that: a request from a task's runtime would ride on a connection that a blocked runtime drives.
//!
//! Requests are not made on the renewal thread. A store must not block its thread, but one that does so all the same delays
//! no other election: there are several threads, and a store that was seen to block gets one of its own.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::AbortHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;

use crate::caught::caught_call;
use crate::error::{Error, ErrorKind, Result};
use crate::renewal_thread::check_process;

/// So many stores can block their thread at the same time, for the first time, before the others' requests wait.
const THREADS: usize = 4;

/// A request that keeps its thread for longer than this blocks it. Those of the stores here take microseconds.
const BLOCKS: Duration = Duration::from_millis(250);

thread_local! {
    static IS_OURS: Cell<bool> = const { Cell::new(false) };
}

/// Runs a request of a store's on the crate's own threads, which no runtime of a user's can block; in place when it is called there.
///
/// For a store whose client drives its connections on the runtime that calls it, and that is no [`DistributedMutex`](crate::DistributedMutex)
/// of its own: a writer, or a check at the start. Around a whole mutex, [`OnRequestThreads`](crate::kit::OnRequestThreads) does it for each call. `future` must not
/// block its thread: the requests of all elections share a few.
///
/// ```
/// use leader_election::kit::on_request_threads;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> leader_election::Result<()> {
/// let answer = on_request_threads(async { 6 * 7 }).await?;
/// assert_eq!(answer, 42);
/// # Ok(())
/// # }
/// ```
///
/// # Cancellation safety
/// Dropping the returned future drops `future` on its thread.
///
/// # Errors
/// [`ErrorKind::Runtime`] when the threads cannot be started, or `future` panicked.
pub async fn run<F>(future: F) -> Result<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let handle = shared()?;
    if IS_OURS.get() {
        return Ok(future.await);
    }
    AbortOnDropHandle::new(handle.spawn(future))
        .await
        .map_err(|error| Error::new(ErrorKind::Runtime, "the store's code panicked").with_source(error))
}

/// Runs a future on a thread where nothing else runs, as the requests of a store that blocks do.
#[cfg(feature = "contract")]
pub(crate) async fn run_alone<F>(future: F) -> Result<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let failed =
        |error: Box<dyn std::error::Error + Send + Sync>| Error::new(ErrorKind::Runtime, FAILED).with_source(error);
    let (handle, _end) = own().map_err(|error| failed(error.into()))?;
    AbortOnDropHandle::new(handle.spawn(future)).await.map_err(|error| failed(error.into()))
}

/// Where a host's requests run.
#[derive(Debug)]
pub(crate) enum Requests {
    /// On the runtime that drives the host.
    Here,
    /// On the process's threads for them, as long as the store does not block.
    Shared { handle: Handle, blocked: Arc<Blocked> },
    /// On a thread of their own.
    Own { handle: Handle, _end: DropGuard },
}

/// For how long a request has kept its thread, in nanoseconds; zero unless that is too long.
#[derive(Debug, Default)]
pub(crate) struct Blocked(AtomicU64);

impl Requests {
    pub(crate) fn shared() -> Result<Self> {
        Ok(Self::Shared { handle: shared()?, blocked: Arc::default() })
    }

    /// Starts a request; it ends when it is done or aborted.
    pub(crate) fn spawn(&self, request: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        match self {
            Self::Here => tokio::spawn(request).abort_handle(),
            Self::Shared { handle, blocked } => {
                handle.spawn(Timed { request: Box::pin(request), blocked: Arc::clone(blocked) }).abort_handle()
            }
            Self::Own { handle, .. } => handle.spawn(request).abort_handle(),
        }
    }

    /// Moves to a thread of its own when a request has blocked; returns for how long it did.
    pub(crate) fn move_if_blocked(&mut self) -> Option<Duration> {
        let Self::Shared { blocked, .. } = self else { return None };
        let nanos = blocked.0.swap(0, Ordering::Relaxed);
        if nanos == 0 {
            return None;
        }
        if let Ok((handle, end)) = own() {
            *self = Self::Own { handle, _end: end };
        }
        Some(Duration::from_nanos(nanos))
    }
}

/// Notes when a request keeps its thread.
struct Timed {
    request: Pin<Box<dyn Future<Output = ()> + Send>>,
    blocked: Arc<Blocked>,
}

impl Future for Timed {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let began = Instant::now();
        let polled = self.request.as_mut().poll(context);
        let kept = began.elapsed();
        if kept > BLOCKS {
            self.blocked.0.fetch_max(u64::try_from(kept.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        polled
    }
}

struct Started {
    runtime: Runtime,
    process: u32,
}

fn shared() -> Result<Handle> {
    static STARTED: OnceLock<Started> = OnceLock::new();
    let started = match STARTED.get() {
        Some(started) => started,
        None => {
            let started = Started { runtime: start()?, process: std::process::id() };
            if let Err(second) = STARTED.set(started) {
                second.runtime.shutdown_background();
            }
            STARTED.get().ok_or_else(|| Error::new(ErrorKind::Runtime, FAILED))?
        }
    };
    check_process(started.process)?;
    Ok(started.runtime.handle().clone())
}

const FAILED: &str = "the threads for requests to the store could not be started";

fn start() -> Result<Runtime> {
    let build = || {
        let mut builder = Builder::new_multi_thread();
        builder
            .worker_threads(THREADS)
            .thread_name("leader-requests")
            .on_thread_start(|| IS_OURS.set(true))
            .enable_all();
        builder.build()
    };
    // Tokio panics when the system refuses a thread.
    match caught_call(build) {
        Ok(Ok(runtime)) => Ok(runtime),
        Ok(Err(error)) => Err(Error::new(ErrorKind::Runtime, FAILED).with_source(error)),
        Err(panicked) => Err(Error::new(ErrorKind::Runtime, format!("{FAILED}: {}", panicked.0))),
    }
}

/// A thread of its own, which ends when the guard is dropped.
fn own() -> std::io::Result<(Handle, DropGuard)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let end = CancellationToken::new();
    let ended = end.clone();
    std::thread::Builder::new().name("leader-store".to_owned()).spawn(move || {
        IS_OURS.set(true);
        runtime.block_on(ended.cancelled());
        // What blocks must not keep the thread that ends the runtime for good.
        runtime.shutdown_background();
    })?;
    Ok((handle, end.drop_guard()))
}
