//! A leader document in a blob.

mod leader;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use azure_storage_blob::BlobContainerClient;

use super::lease::BlobMutexOptions;
use super::opened::Opened;
use super::transport::Access;
use crate::shared_credential::SharedCredential;
use crate::signed_in::SignedIn;
use leader::LeaderBlob;
use leader_election::{
    Acquire, AcquireRequest, Claim, DistributedMutex, Observation, Operator, Renew, Result, SideName, SideRecord,
    document::DocumentMutex, kit::OnRequestThreads,
};

/// Elects on a document in an Azure blob, under its ETag: for leases shorter than the 15 s of a
/// [blob lease](crate::BlobDistributedMutex), on the same plain storage account.
///
/// The blob is a small block blob of JSON. Every write is conditional: it is created if it is absent, and replaced only over the
/// very version (ETag) that was read. See
/// [Conditional headers](https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations).
/// A standby reads it once per poll, and takes over when it has stood still for a whole lease on the standby's own clock; no clocks
/// are compared. Leases take 1 s to an hour.
///
/// # Or the lease?
///
/// - **The lease is enforced by the service** and needs a look by `HEAD` alone; a crashed leader's is free when it has run out,
///   also for a worker that starts only then. Prefer it where 15 s without a leader do no harm.
/// - **The document** takes any lease from 1 s, tells how often it was renewed and who led before, and holds more
///   [data](crate::LeaderData). A renewal is a write of some 500 bytes: at a lease of 3 s, 3,600 writes an hour. A standby that
///   starts after a crash watches for a whole lease first.
///
/// The election's name is the blob's. A blob that was an election by lease is no document, and is refused: use another name.
/// The identity needs the same rights as for a lease: the role *Storage Blob Data Contributor*, scoped to the container. The
/// [records beside the election](DistributedMutex::side) are blobs `<election>.<name>`.
///
/// Requests are sent from threads of the crate's own, whichever runtime calls; no secret is in `Debug`, errors or traces.
///
/// ```no_run
/// use azure_identity::ManagedIdentityCredential;
/// use azure_leader_election::{BlobDocumentMutex, LeaderHost, LeaderHostOptions, Timing};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mutex = BlobDocumentMutex::new(
///     "https://myaccount.blob.core.windows.net/leaders",
///     "nightly-billing",
///     ManagedIdentityCredential::new(None)?,
/// )?;
/// let host = LeaderHost::new(mutex).with_options(LeaderHostOptions {
///     timing: Timing::for_lease(Duration::from_secs(3))?,
///     ..LeaderHostOptions::default()
/// });
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct BlobDocumentMutex {
    opened: Opened,
    /// Made on first use, when it is settled by which options; one that could not be made is tried again.
    election: Arc<Mutex<Option<Election>>>,
}

type Election = OnRequestThreads<SignedIn<Access, DocumentMutex<LeaderBlob>>>;

impl BlobDocumentMutex {
    /// The document in blob `blob_name` of the container at `container_url`
    /// (`https://<account>.blob.core.windows.net/<container>`), with an Entra ID credential.
    ///
    /// # Errors
    /// [`InvalidSetting`](crate::ErrorKind::InvalidSetting) for a URL or a name that cannot be. Nothing is sent yet.
    pub fn new(container_url: &str, blob_name: &str, credential: impl Into<SharedCredential>) -> Result<Self> {
        Opened::azure(container_url, blob_name, credential.into()).map(Self::open)
    }

    /// As [`new`](Self::new), with a container URL that carries a shared access signature, which needs the permissions read, write
    /// and create; to list the elections, list as well.
    ///
    /// # Errors
    /// As [`new`](Self::new); also when the URL carries no signature.
    pub fn from_sas_url(container_sas_url: &str, blob_name: &str) -> Result<Self> {
        Opened::signed(container_sas_url, blob_name).map(Self::open)
    }

    /// For the Azurite emulator on this machine, such as `http://127.0.0.1:10000/devstoreaccount1/leaders`.
    ///
    /// # Errors
    /// [`InvalidSetting`](crate::ErrorKind::InvalidSetting) when the URL is not on loopback, or as [`new`](Self::new).
    pub fn for_emulator(container_url: &str, blob_name: &str) -> Result<Self> {
        Opened::emulator(container_url, blob_name).map(Self::open)
    }

    /// As [`for_emulator`](Self::for_emulator), for an emulator on another host, for tests alone.
    ///
    /// # Errors
    /// [`InvalidSetting`](crate::ErrorKind::InvalidSetting) when the URL is not of the account `devstoreaccount1`, or as
    /// [`new`](Self::new).
    #[doc(hidden)]
    pub fn for_emulator_elsewhere(container_url: &str, blob_name: &str) -> Result<Self> {
        Opened::emulator_elsewhere(container_url, blob_name).map(Self::open)
    }

    /// With a container client that you have made, as
    /// [`BlobDistributedMutex::from_container_client`](crate::BlobDistributedMutex::from_container_client).
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_container_client(client: BlobContainerClient, blob_name: &str) -> Result<Self> {
        Opened::client(client, blob_name).map(Self::open)
    }

    /// Replaces the options, which are those of a [`BlobDistributedMutex`](crate::BlobDistributedMutex). With
    /// [`Create::Nothing`](crate::Create::Nothing) the container must exist; the document is created in any case, as no other tool
    /// makes one.
    ///
    /// # Errors
    /// [`InvalidSetting`](crate::ErrorKind::InvalidSetting) for a transport beside one's
    /// [own client](Self::from_container_client), which keeps its own.
    pub fn with_options(self, options: BlobMutexOptions) -> Result<Self> {
        self.opened.with_options(options).map(Self::open)
    }

    fn open(opened: Opened) -> Self {
        Self { opened, election: Arc::default() }
    }

    fn made(&self) -> Result<Election> {
        let mut made = self.election.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(election) = &*made {
            return Ok(election.clone());
        }
        let place = self.opened.place()?;
        let election = SignedIn::new(place.access.clone(), DocumentMutex::new(LeaderBlob::new(place)));
        let election = OnRequestThreads::new(election);
        let election = if self.opened.is_callers() { election.in_place() } else { election };
        Ok(made.insert(election).clone())
    }
}

impl fmt::Debug for BlobDocumentMutex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BlobDocumentMutex").field(&self.opened.to_string()).finish()
    }
}

#[async_trait]
impl DistributedMutex for BlobDocumentMutex {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        self.made()?.try_acquire(request).await
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        self.made()?.renew(claim).await
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        self.made()?.release(claim).await
    }

    async fn observe(&self) -> Result<Observation> {
        self.made()?.observe().await
    }

    fn election(&self) -> &str {
        self.opened.address.blob_name()
    }

    fn check_lease(&self, lease: Duration) -> Result<()> {
        leader::check_lease(lease)
    }

    fn operator(&self) -> Option<Arc<dyn Operator>> {
        self.made().ok()?.operator()
    }

    fn side(&self, name: SideName) -> Option<Arc<dyn SideRecord>> {
        self.made().ok()?.side(name)
    }
}
