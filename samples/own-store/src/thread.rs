//! The thread on which the store's calls of SQLite block.
//!
//! A call of a store may not block its thread, and SQLite knows only calls that do. A thread of the store's own, rather than
//! a runtime's, needs no runtime and is never short because of somebody else's work.

use std::sync::mpsc::{self, SyncSender, TrySendError};

use leader_election::{Error, ErrorKind, Result};
use tokio::sync::oneshot;

/// More requests than one host ever has under way. When so many wait, the disk hangs.
const QUEUE: usize = 64;

type Job = Box<dyn FnOnce() + Send>;

/// Clones share the thread. It ends when the last of them is gone.
#[derive(Debug, Clone)]
pub(crate) struct BlockingThread(SyncSender<Job>);

impl BlockingThread {
    pub(crate) fn start() -> Result<Self> {
        let (jobs, waiting) = mpsc::sync_channel::<Job>(QUEUE);
        std::thread::Builder::new()
            .name("leader-sqlite".to_owned())
            .spawn(move || waiting.into_iter().for_each(|job| job()))
            .map_err(|error| {
                Error::new(ErrorKind::Runtime, format!("the store's thread could not be started: {error}"))
                    .with_source(error)
            })?;
        Ok(Self(jobs))
    }

    /// Does this work there. Whoever drops the future before the work's turn has come prevents it.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let job = move || {
            // After a disk has hung, what the host gave up long ago is not done late.
            if !answer.is_closed() {
                // It may be given up by now: then nobody wants to know.
                let _ = answer.send(work());
            }
        };
        match self.0.try_send(Box::new(job)) {
            Ok(()) => answered.await.unwrap_or_else(|_| Err(gone())),
            Err(TrySendError::Full(_)) => {
                Err(Error::new(ErrorKind::Unavailable, "SQLite has not answered earlier requests: look at the disk"))
            }
            Err(TrySendError::Disconnected(_)) => Err(gone()),
        }
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::Runtime, "the store's thread has ended by a panic: start the process again")
}
