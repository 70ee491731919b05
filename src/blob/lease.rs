//! A lease on an Azure blob.

mod data;
mod operator;
mod requests;
pub(super) mod side;
pub(crate) mod wire;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::http::Transport;
use azure_storage_blob::BlobContainerClient;

use crate::blob::opened::Opened;
use crate::shared_credential::SharedCredential;
use leader_election::{
    Acquire, AcquireRequest, Claim, DistributedMutex, Error, Observation, Operator, Renew, Result, SideName,
    SideRecord, kit::OnRequestThreads,
};
use requests::LeaseBlob;
use side::BlobSide;

/// Elects on the lease of an Azure blob.
///
/// The lease's id is the claim's; the term, its holder, the time of election and the rhythm of renewals stand in the
/// blob's metadata, as does what the leader tells others. A standby looks with `HEAD` and asks for the lease only when it is free, so that waiting costs one
/// cheap read per poll and leaves no errors in the account's logs. The blob is empty, is never deleted, and should be
/// used for nothing else. See [Lease Blob](https://learn.microsoft.com/rest/api/storageservices/lease-blob).
///
/// Blob leases last 15 to 60 whole seconds. The identity needs to read and write blobs in the container: the role
/// *Storage Blob Data Contributor*, scoped to that container, is enough, also for an [`Operator`] and for the
/// [records beside the election](DistributedMutex::side), which are blobs `<election>.<name>` in that container. Elections must
/// therefore not be named so: `nightly.wish`, `nightly.runs` and `nightly.terms` are refused.
///
/// What a leader [tells others](crate::LeaderData) shares the 8 KiB of the blob's metadata with whatever other tools keep
/// there. Printable ASCII can be read there as it is; all else is in Base64.
///
/// Requests are sent from threads of the crate's own, whichever runtime calls; no secret is in `Debug`, errors or traces.
///
/// ```no_run
/// use azure_identity::ManagedIdentityCredential;
/// use azure_leader_election::BlobDistributedMutex;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mutex = BlobDistributedMutex::new(
///     "https://myaccount.blob.core.windows.net/leases",
///     "nightly-billing",
///     ManagedIdentityCredential::new(None)?,
/// )?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct BlobDistributedMutex {
    opened: Opened,
    /// Made on first use, when it is settled by which options; one that could not be made is tried again.
    blob: Arc<Mutex<Option<OnRequestThreads<LeaseBlob>>>>,
}

/// Settings of a [`BlobDistributedMutex`] that are rarely needed.
///
/// ```
/// use azure_leader_election::{BlobDistributedMutex, BlobMutexOptions, Create};
///
/// let mutex = BlobDistributedMutex::for_emulator("http://127.0.0.1:10000/devstoreaccount1/leases", "nightly")?
///     .with_options(BlobMutexOptions { create: Create::Nothing, ..BlobMutexOptions::default() })?;
/// # Ok::<(), azure_leader_election::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct BlobMutexOptions {
    /// What to create when it is absent. Default: the container and the blob.
    pub create: Create,
    /// The HTTP transport, for a proxy, a private CA, or a test. Default: one of this mutex's own. It must follow no
    /// redirects and should not retry. Requests are then sent on the runtime that calls: a
    /// [`LeaderHost`](crate::LeaderHost) calls from its threads for requests, and a pool of connections that other runtimes use too
    /// would tie the renewals to those.
    pub transport: Option<Transport>,
}

/// What a [`BlobDistributedMutex`] may create.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Create {
    /// The container and the blob. A container that exists already needs no right to create one.
    #[default]
    ContainerAndBlob,
    /// The blob alone.
    Blob,
    /// Nothing: an absent container or blob is an error.
    Nothing,
}

impl BlobDistributedMutex {
    /// The lease of blob `blob_name` in the container at `container_url`
    /// (`https://<account>.blob.core.windows.net/<container>`), with an Entra ID credential.
    ///
    /// `credential` is any `Arc` of a `TokenCredential`, which this mutex then signs in by on a thread of its own, apart from
    /// its requests; or a [`SharedCredential`], which several elections share.
    ///
    /// # Errors
    /// [`InvalidSetting`](crate::ErrorKind::InvalidSetting) for a URL or a name that cannot be. Nothing is sent yet.
    pub fn new(container_url: &str, blob_name: &str, credential: impl Into<SharedCredential>) -> Result<Self> {
        Opened::azure(container_url, blob_name, credential.into()).map(Self::open)
    }

    /// As [`new`](Self::new), with a container URL that carries a shared access signature. It needs the permissions
    /// read, write and create on the blobs of the container; then the container itself must exist. To list the elections takes the
    /// permission list as well.
    ///
    /// # Errors
    /// As [`new`](Self::new); also when the URL carries no signature.
    pub fn from_sas_url(container_sas_url: &str, blob_name: &str) -> Result<Self> {
        Opened::signed(container_sas_url, blob_name).map(Self::open)
    }

    /// For the Azurite emulator on this machine, such as `http://127.0.0.1:10000/devstoreaccount1/leases`; the only
    /// addresses for which plain HTTP is accepted. Requests are signed with the emulator's well-known key, unless the
    /// URL carries a shared access signature.
    ///
    /// # Errors
    /// [`InvalidSetting`](crate::ErrorKind::InvalidSetting) when the URL is not on loopback, or as [`new`](Self::new).
    pub fn for_emulator(container_url: &str, blob_name: &str) -> Result<Self> {
        Opened::emulator(container_url, blob_name).map(Self::open)
    }

    /// As [`for_emulator`](Self::for_emulator), for an emulator on another host, such as `http://azurite:10000/devstoreaccount1/leases`
    /// in another container. Its key is known to everybody, and plain HTTP can be read and changed on the way: use it for tests alone.
    ///
    /// # Errors
    /// [`InvalidSetting`](crate::ErrorKind::InvalidSetting) when the URL is not of the account `devstoreaccount1`, or as
    /// [`new`](Self::new).
    #[doc(hidden)]
    pub fn for_emulator_elsewhere(container_url: &str, blob_name: &str) -> Result<Self> {
        Opened::emulator_elsewhere(container_url, blob_name).map(Self::open)
    }

    /// With a container client that you have made, and with its settings: its transport, its retries, its credential.
    /// Let it have no retries and a connection pool of its own; attempts are bounded all the same. Where a cache is on the way, let
    /// it send `Cache-Control: no-cache`, as the other constructors do.
    /// Let its credential be a [`SharedCredential`], or signing in counts as part of each attempt.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_container_client(client: BlobContainerClient, blob_name: &str) -> Result<Self> {
        Opened::client(client, blob_name).map(Self::open)
    }

    /// Replaces the options.
    ///
    /// # Errors
    /// [`InvalidSetting`](crate::ErrorKind::InvalidSetting) for a transport beside one's [own client](Self::from_container_client),
    /// which keeps its own.
    pub fn with_options(self, options: BlobMutexOptions) -> Result<Self> {
        self.opened.with_options(options).map(Self::open)
    }

    fn open(opened: Opened) -> Self {
        Self { opened, blob: Arc::default() }
    }

    pub(super) fn opened(&self) -> &Opened {
        &self.opened
    }

    fn blob(&self) -> Result<OnRequestThreads<LeaseBlob>> {
        let mut made = self.blob.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(blob) = &*made {
            return Ok(blob.clone());
        }
        let blob = OnRequestThreads::new(LeaseBlob::new(self.opened.place()?));
        let blob = if self.opened.is_callers() { blob.in_place() } else { blob };
        Ok(made.insert(blob).clone())
    }
}

impl fmt::Debug for BlobDistributedMutex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BlobDistributedMutex").field(&self.opened.to_string()).finish()
    }
}

#[async_trait]
impl DistributedMutex for BlobDistributedMutex {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        self.blob()?.try_acquire(request).await
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        self.blob()?.renew(claim).await
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        self.blob()?.release(claim).await
    }

    async fn observe(&self) -> Result<Observation> {
        self.blob()?.observe().await
    }

    fn election(&self) -> &str {
        self.opened.address.blob_name()
    }

    fn check_lease(&self, lease: Duration) -> Result<()> {
        lease_seconds(lease).map(drop)
    }

    fn operator(&self) -> Option<Arc<dyn Operator>> {
        Some(Arc::new(self.clone()))
    }

    fn side(&self, name: SideName) -> Option<Arc<dyn SideRecord>> {
        Some(Arc::new(BlobSide { mutex: self.clone(), name }))
    }
}

/// The service takes 15 to 60 whole seconds.
fn lease_seconds(lease: Duration) -> Result<i32> {
    match i32::try_from(lease.as_secs()) {
        Ok(seconds @ 15..=60) if lease.subsec_nanos() == 0 => Ok(seconds),
        _ => Err(Error::setting(format!("lease must be 15 to 60 whole seconds on a blob, not {lease:?}"))),
    }
}
