//! A leader document in Azure Cosmos DB.

mod document;
pub(crate) mod wire;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::Secret;

use crate::cosmos::account::Access;
use crate::cosmos::address::Address;
use crate::cosmos::connection::Connection;
use crate::shared_credential::SharedCredential;
use document::LeaderDocument;
use leader_election::{
    Acquire, AcquireRequest, Claim, DistributedMutex, Error, Observation, Renew, Result, document::DocumentMutex,
    kit::on_request_threads, kit::patience,
};
use leader_election_http::tls;

/// Elects on a document in Azure Cosmos DB, under optimistic concurrency.
///
/// There is one document for each election, whose id is the election's name; the container's partition key must be `/id`, which is
/// looked at before the document is created. The document lives for ever (`"ttl": -1`), also where the container's documents do
/// not.
/// A write goes through only if the document's ETag is the one that was read. A standby reads the document once per poll
/// and takes over when it has stood still for a whole lease on the standby's own clock; no clocks are compared. Leases
/// take 1 s to an hour, so failover can be faster than any blob lease.
///
/// The account must have one write region: with several, two writers can both succeed, and two workers lead. That is
/// checked before the first write, and every [five minutes](CosmosMutexOptions::recheck_every). With several read regions the consistency should be Strong:
/// below it, a forced failover can lose the latest writes, and with them a term and its token.
///
/// With Entra ID the identity needs a data-plane role with reading, creating and replacing items, such as *Cosmos DB Built-in Data
/// Contributor*, scoped to the container; and one with the action `readMetadata`, scoped to the account, as its regions are read.
///
/// Requests are sent from threads of the crate's own; no secret is in `Debug`, errors or traces.
///
/// ```no_run
/// use azure_identity::ManagedIdentityCredential;
/// use azure_leader_election::CosmosDistributedMutex;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mutex = CosmosDistributedMutex::new(
///     "https://myaccount.documents.azure.com/",
///     "workers",
///     "leaders",
///     "nightly-billing",
///     ManagedIdentityCredential::new(None)?,
/// )?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct CosmosDistributedMutex {
    address: Address,
    access: Access,
    document: Arc<DocumentMutex<LeaderDocument>>,
}

/// Settings of a [`CosmosDistributedMutex`] that are rarely needed.
///
/// ```
/// use azure_leader_election::{CosmosDistributedMutex, CosmosMutexOptions};
///
/// let mutex = CosmosDistributedMutex::with_key("http://127.0.0.1:8081/", "workers", "leaders", "nightly", "a2V5".into())?
///     .with_options(CosmosMutexOptions { create: true, ..CosmosMutexOptions::default() })?;
/// # Ok::<(), azure_leader_election::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct CosmosMutexOptions {
    /// Whether the database and the container are created when they are absent. Default `false`. It takes an account key:
    /// with Entra ID, Cosmos DB has no data-plane right to create them. The container is created without an index.
    pub create: bool,
    /// Whether an account with several write regions is accepted. Default `false`, and there is no safe use of `true`: two
    /// workers can lead, each in its own region. It is for those who know that all their workers write to the same one.
    pub accept_multiple_write_regions: bool,
    /// How often the account is asked again whether it still has one write region, while this worker contends or leads; at
    /// least 1 s. Default five minutes. Several write regions can be switched on at any time; from the next answer on,
    /// nothing is acquired or renewed.
    pub recheck_every: Duration,
}

impl Default for CosmosMutexOptions {
    fn default() -> Self {
        Self { create: false, accept_multiple_write_regions: false, recheck_every: Duration::from_secs(300) }
    }
}

impl CosmosDistributedMutex {
    /// The document `election` in the container of that database, with an Entra ID credential.
    ///
    /// `credential` is any `Arc` of a `TokenCredential`, which this mutex then signs in by on a thread of its own, apart from
    /// its requests; or a [`SharedCredential`], which several elections share.
    ///
    /// # Errors
    /// [`InvalidSetting`](crate::ErrorKind::InvalidSetting) for an endpoint or a name that cannot be. Nothing is sent yet.
    pub fn new(
        endpoint: &str,
        database: &str,
        container: &str,
        election: &str,
        credential: impl Into<SharedCredential>,
    ) -> Result<Self> {
        let address = Address::new(endpoint, database, container, election)?;
        Self::open(address, Access::Credential(credential.into()), CosmosMutexOptions::default())
    }

    /// As [`new`](Self::new), with an account key. Plain HTTP is accepted on loopback, for an emulator.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_key(endpoint: &str, database: &str, container: &str, election: &str, key: Secret) -> Result<Self> {
        let address = Address::new(endpoint, database, container, election)?;
        Self::open(address, Access::Key(key), CosmosMutexOptions::default())
    }

    /// Replaces the options.
    ///
    /// # Errors
    /// [`InvalidSetting`](crate::ErrorKind::InvalidSetting) when something is to be created without an account key.
    pub fn with_options(self, options: CosmosMutexOptions) -> Result<Self> {
        Self::open(self.address, self.access, options)
    }

    fn open(address: Address, access: Access, options: CosmosMutexOptions) -> Result<Self> {
        if options.create && !matches!(access, Access::Key(_)) {
            return Err(Error::setting(
                "`create` takes an account key: with Entra ID, create the database and the container by Bicep or by `az \
                 cosmosdb sql container create`",
            ));
        }
        if options.recheck_every < Duration::from_secs(1) {
            return Err(Error::setting("recheck_every must be at least 1 s"));
        }
        // It takes long, once for the process, and is not for the thread that renews; connecting tells of its failure.
        let _ = tls::prepare();
        let connection = Connection::new(address.clone(), access.clone(), options);
        let document = Arc::new(DocumentMutex::new(LeaderDocument::new(connection)));
        Ok(Self { address, access, document })
    }

    /// Sends the request once the access token is there, for which it waits for so long at most.
    async fn send<T, F>(&self, patience: Duration, request: F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let access = self.access.clone();
        let request = async move {
            access.signed_in(patience).await?;
            request.await
        };
        on_request_threads(request).await?
    }
}

impl fmt::Debug for CosmosDistributedMutex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CosmosDistributedMutex").field(&self.address.to_string()).finish()
    }
}

#[async_trait]
impl DistributedMutex for CosmosDistributedMutex {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        let (claim, lapsed) = (request.claim, request.lapsed);
        let (document, claim, lapsed) = (Arc::clone(&self.document), claim.clone(), lapsed.cloned());
        let (floor, data) = (request.floor, request.data.cloned());
        self.send(patience::within_an_attempt(claim.lease), async move {
            let request = AcquireRequest::new(&claim).with_lapsed(lapsed.as_ref());
            document.try_acquire(request.with_floor(floor).with_data(data.as_ref())).await
        })
        .await
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        let (document, claim) = (Arc::clone(&self.document), claim.clone());
        self.send(patience::within_an_attempt(claim.lease), async move { document.renew(&claim).await }).await
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        let (document, claim) = (Arc::clone(&self.document), claim.clone());
        self.send(patience::within_an_attempt(claim.lease), async move { document.release(&claim).await }).await
    }

    async fn observe(&self) -> Result<Observation> {
        let document = Arc::clone(&self.document);
        self.send(patience::OF_A_LOOK, async move { document.observe().await }).await
    }

    fn election(&self) -> &str {
        &self.address.election
    }

    fn check_lease(&self, lease: Duration) -> Result<()> {
        self.document.check_lease(lease)
    }
}
