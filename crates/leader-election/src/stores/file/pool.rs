//! Threads for what blocks, of each directory its own.
//!
//! Neither another store's calls nor a disk elsewhere that hangs can take the threads that this directory's leaders renew on. The
//! threads are started when there is work, and end when there is none: ten thousand elections that rest have none.

use std::collections::HashMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::error::{Error, ErrorKind, Result};

/// More would only queue at the disk.
const THREADS: usize = 64;
const IDLE: Duration = Duration::from_secs(1);

static POOLS: LazyLock<Mutex<HashMap<PathBuf, Weak<Pool>>>> = LazyLock::new(Mutex::default);

/// The threads of one directory, for all its elections.
pub(super) struct Pool {
    /// Nothing runs on it but what blocks; `None` once it was dropped.
    runtime: Option<Runtime>,
}

impl Pool {
    pub(super) fn of(directory: &Path) -> Result<Arc<Self>> {
        let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(directory).and_then(Weak::upgrade) {
            return Ok(pool);
        }
        pools.retain(|_, pool| pool.strong_count() > 0);
        let pool = Arc::new(Self::new()?);
        pools.insert(directory.to_owned(), Arc::downgrade(&pool));
        Ok(pool)
    }

    fn new() -> Result<Self> {
        let runtime = Builder::new_current_thread()
            .thread_name("leader-file")
            .max_blocking_threads(THREADS)
            .thread_keep_alive(IDLE)
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Runtime, "the threads for file operations could not be set up").with_source(error)
            })?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// `None` while the process ends it.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        operation: impl FnOnce() -> T + Send + 'static,
    ) -> Option<JoinHandle<T>> {
        self.runtime.as_ref().map(|runtime| runtime.spawn_blocking(operation))
    }
}

impl Drop for Pool {
    /// Whoever drops the last mutex of a directory must not wait for its disk.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
