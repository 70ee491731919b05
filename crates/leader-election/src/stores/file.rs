//! A leader record in a file, for the processes of one machine.

mod disk;
mod document;
mod errors;
mod name;
mod pool;
mod side;
mod wire;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::claim::Claim;
use crate::document::DocumentMutex;
use crate::error::{ErrorKind, Result};
use crate::kit::OnRequestThreads;
use crate::port::{Acquire, AcquireRequest, DistributedMutex, Observation, Operator, Renew, SideName, SideRecord};
use disk::Disk;
use document::LeaderFile;
#[cfg(fuzzing)]
pub(crate) use wire::laws;

/// Elects on a file, among the processes of one machine, or the containers that share one of its volumes. No service is
/// needed.
///
/// There is one record for each election, `<election>.json`, made by whoever first contends, next to a lock file
/// `<election>.lock` that is held for the instant of a write, and never for a term. The record is replaced in one step, and
/// its content is on disk before: after a crash it is the old one or the new one. Leases take 1 s to an hour.
///
/// Its [operator](DistributedMutex::operator) lists the elections of up to 5,000 `.json` files in the directory: those that read as
/// records.
///
/// A leader need not release: as in every document store, a standby takes over when the record has stood still for a whole
/// lease on the standby's own clock. No clocks are compared. The first token of a deleted record follows the clock of
/// whichever process makes it anew.
///
/// # Limits
///
/// - Not on a network file system (NFS, SMB, Azure Files): their locks are emulated, switched off or lost on a reconnect, and
///   their caches serve old records. Two workers could lead. Between machines, elect on a service.
/// - All workers need the right to read, write and create files in the directory. Give it to nobody else: who may write there
///   can also take the lease.
/// - Names that differ by letter case only are one election where the file system ignores case.
/// - A process that is paused in the instant of a write holds the lock on. Nobody can take the lease then, and observing goes
///   on, until it goes on or is killed.
/// - Delete nothing while workers run. Without its record a leader goes on until its next renewal, while another one can lead
///   already; and a write under a deleted lock file is noticed on Unix only.
///
/// ```
/// use leader_election::{Acquire, Claim, DistributedMutex, FileMutex, HolderId};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// let mutex = FileMutex::new(directory.path(), "nightly-billing")?;
/// let first = Claim::new(HolderId::new("first")?, Duration::from_secs(3));
/// let second = Claim::new(HolderId::new("second")?, Duration::from_secs(3));
/// assert!(matches!(mutex.try_acquire((&first).into()).await?, Acquire::Granted(_)));
/// assert!(matches!(mutex.try_acquire((&second).into()).await?, Acquire::Held(_)));
/// assert!(directory.path().join("nightly-billing.json").exists());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FileMutex {
    record: PathBuf,
    election: OnRequestThreads<FileElection>,
}

impl FileMutex {
    /// The record of `election` in a directory on a disk of this machine. The first worker that contends creates the directory,
    /// if the one above it exists.
    ///
    /// A relative path is one from the current directory of this moment: when the process changes that later, the mutex stays
    /// where it is.
    ///
    /// # Errors
    /// [`InvalidSetting`](crate::ErrorKind::InvalidSetting) for a name other than 1 to 128 of the ASCII letters, digits, `.`,
    /// `-` and `_`, one that begins with a dot or ends in `.wish`, `.runs` or `.terms`, or one that Windows keeps for a device, such
    /// as `nul` or `com1.eu`; and for a
    /// relative path when the current directory is gone. The directory is not looked at yet.
    pub fn new(directory: impl AsRef<Path>, election: &str) -> Result<Self> {
        name::check(election)?;
        let disk = Disk::new(name::absolute(directory.as_ref())?, election);
        let record = disk.record().to_owned();
        let election = FileElection(DocumentMutex::new(LeaderFile::new(disk)?));
        Ok(Self { record, election: OnRequestThreads::new(election) })
    }
}

impl fmt::Debug for FileMutex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FileMutex").field(&self.record).finish()
    }
}

#[async_trait]
impl DistributedMutex for FileMutex {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        self.election.try_acquire(request).await
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        self.election.renew(claim).await
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        self.election.release(claim).await
    }

    async fn observe(&self) -> Result<Observation> {
        self.election.observe().await
    }

    fn election(&self) -> &str {
        // The file is named for it, in ASCII.
        self.record.file_stem().and_then(|name| name.to_str()).unwrap_or_default()
    }

    fn check_lease(&self, lease: Duration) -> Result<()> {
        self.election.check_lease(lease)
    }

    fn operator(&self) -> Option<Arc<dyn Operator>> {
        self.election.operator()
    }

    /// The file `ELECTION.NAME.side`, written under the same lock.
    fn side(&self, name: SideName) -> Option<Arc<dyn SideRecord>> {
        self.election.side(name)
    }
}

/// The election on the file, whose directory is made where it is absent.
#[derive(Debug)]
struct FileElection(DocumentMutex<LeaderFile>);

#[async_trait]
impl DistributedMutex for FileElection {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        match self.0.try_acquire(request).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.0.store().create_directory().await?;
                self.0.try_acquire(request).await
            }
            outcome => outcome,
        }
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        self.0.renew(claim).await
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        self.0.release(claim).await
    }

    async fn observe(&self) -> Result<Observation> {
        self.0.observe().await
    }

    fn check_lease(&self, lease: Duration) -> Result<()> {
        self.0.check_lease(lease)
    }

    fn operator(&self) -> Option<Arc<dyn Operator>> {
        self.0.operator()
    }

    fn side(&self, name: SideName) -> Option<Arc<dyn SideRecord>> {
        self.0.side(name)
    }
}
