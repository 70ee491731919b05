//! The leader record as a document store: read, create, replace, each on a thread that may block.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::disk::{Attempt, Disk};
use super::pool::Pool;
use super::side::SideFile;
use super::wire::{self, Rest};
use crate::document::{DocumentStore, Record, Stored, Written};
use crate::error::{Error, ErrorKind, Result};
use crate::kit::record::check_lease;
use crate::port::{SideName, SideRecord};
use crate::token::FencingToken;

#[derive(Clone)]
pub(super) struct LeaderFile {
    pub(super) disk: Arc<Disk>,
    pool: Arc<Pool>,
    /// One file operation at a time, so that a disk that hangs does not take a further thread with every attempt.
    turn: Arc<Semaphore>,
    /// Likewise of those that look at the whole directory, which take long and must not keep a renewal waiting.
    turn_for_all: Arc<Semaphore>,
}

/// Writes take milliseconds; whoever holds the lock for longer than this is paused, or its disk hangs.
const LOCK_LIMIT: Duration = Duration::from_secs(1);
const LOCK_RETRY: Duration = Duration::from_millis(5);

impl LeaderFile {
    pub(super) fn new(disk: Disk) -> Result<Self> {
        let pool = Pool::of(disk.directory())?;
        let turn = || Arc::new(Semaphore::new(1));
        Ok(Self { disk: Arc::new(disk), pool, turn: turn(), turn_for_all: turn() })
    }

    /// Makes the directory, where the one above it exists.
    pub(super) async fn create_directory(&self) -> Result<()> {
        self.blocking(|disk| disk.create_directory().map(Attempt::Done)).await
    }

    /// Runs the operation until it finds the lock free. Dropped while it waits, it writes nothing any more.
    pub(super) async fn blocking<T, F>(&self, operation: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&Disk) -> Result<Attempt<T>> + Clone + Send + 'static,
    {
        self.in_turn(&self.turn, operation).await
    }

    async fn in_turn<T, F>(&self, turn: &Arc<Semaphore>, operation: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&Disk) -> Result<Attempt<T>> + Clone + Send + 'static,
    {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(ErrorKind::Runtime, "the file operation failed").with_source(error)
        };
        let give_up = Instant::now() + LOCK_LIMIT;
        loop {
            let turn = Arc::clone(turn).acquire_owned().await.map_err(|error| failed(error.into()))?;
            let (disk, operation) = (Arc::clone(&self.disk), operation.clone());
            // The turn ends with the operation, also where nobody waits for its outcome any more.
            let attempt = self.pool.spawn(move || {
                let _turn = turn;
                operation(&disk)
            });
            let attempt = attempt.ok_or_else(|| failed("the threads for file operations have ended".into()))?;
            match attempt.await.map_err(|error| failed(error.into()))?? {
                Attempt::Done(outcome) => return Ok(outcome),
                Attempt::Locked if Instant::now() < give_up => tokio::time::sleep(LOCK_RETRY).await,
                Attempt::Locked => {
                    return Err(Error::new(
                        ErrorKind::Unavailable,
                        format!(
                            "{} has been locked by another process for {LOCK_LIMIT:?}: if that process is paused, let it go \
                             on or end it",
                            self.disk.lock_file().display()
                        ),
                    ));
                }
            }
        }
    }
}

impl fmt::Debug for LeaderFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LeaderFile").field(&self.disk.record()).finish()
    }
}

#[async_trait]
impl DocumentStore for LeaderFile {
    type Rest = Rest;

    async fn read(&self) -> Result<Option<Stored<Rest>>> {
        let read = self.blocking(|disk| disk.read()).await?;
        Ok(read.map(|read| Stored::new(read.version, read.record).with_server_ms(now_ms()).with_rest(read.rest)))
    }

    async fn create(&self, record: &Record) -> Result<Written> {
        let record = record.clone();
        self.blocking(move |disk| disk.create(&wire::write(&record, &Rest::new()))).await
    }

    async fn replace(&self, seen: &Stored<Rest>, record: &Record) -> Result<Written> {
        let (version, text) = (seen.version.clone(), wire::write(record, &seen.rest));
        self.blocking(move |disk| disk.replace(&version, &text)).await
    }

    async fn elections(&self) -> Result<Vec<String>> {
        self.in_turn(&self.turn_for_all, |disk| disk.elections().map(Attempt::Done)).await
    }

    fn side(&self, name: SideName) -> Option<Arc<dyn SideRecord>> {
        Some(Arc::new(SideFile { path: self.disk.side(name), files: self.clone() }))
    }

    /// Any that a host can have, in the milliseconds that the record counts in.
    fn check_lease(&self, lease: Duration) -> Result<()> {
        check_lease(lease, "on a file")
    }
}

/// This machine's clock, which tokens follow where the record was deleted; nothing expires by it. One that shows an absurd
/// time is not followed.
fn now_ms() -> Option<u64> {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    u64::try_from(since_1970.as_millis()).ok().filter(|ms| *ms < FencingToken::MAX)
}
