//! A leader document in Azure Cosmos DB.

mod document;
mod side;
pub(crate) mod wire;

use std::fmt;
use std::time::Duration;

use azure_core::credentials::Secret;
use azure_data_cosmos::clients::ContainerClient;

use crate::cosmos::account::Access;
use crate::cosmos::address::{Address, CosmosAddress};
use crate::cosmos::connection::Connection;
use crate::cosmos::documents::Documents;
use crate::shared_credential::SharedCredential;
use crate::signed_in::SignedIn;
use document::LeaderDocument;
use leader_election::{
    Error, Result,
    document::DocumentMutex,
    kit::{OnRequestThreads, delegate_mutex},
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
/// Its [operator](crate::DistributedMutex::operator) lists the elections of the container, 5,000 at the most, by a query that reads every
/// partition: it takes the data action `executeQuery`, which that role holds, and request units by the container's size. Its
/// [side records](crate::DistributedMutex::side) are the documents `ELECTION.NAME` in the same container, and live for ever too; there is
/// none where that would be longer than the 1,023 bytes that an id can have.
///
/// Requests are sent from threads of the crate's own; no secret is in `Debug`, errors or traces.
///
/// ```no_run
/// use azure_identity::ManagedIdentityCredential;
/// use azure_leader_election::{CosmosAddress, CosmosDistributedMutex};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let leaders = CosmosAddress::new("https://myaccount.documents.azure.com/", "workers", "leaders")?;
/// let mutex = CosmosDistributedMutex::new(leaders, "nightly-billing", ManagedIdentityCredential::new(None)?)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct CosmosDistributedMutex {
    address: Address,
    way: Way,
    election: OnRequestThreads<SignedIn<Option<Access>, DocumentMutex<LeaderDocument>>>,
}

/// How the container is reached.
#[derive(Clone)]
enum Way {
    Own(CosmosAddress, Access),
    Callers(ContainerClient),
}

/// Settings of a [`CosmosDistributedMutex`] that are rarely needed.
///
/// ```
/// use azure_leader_election::{CosmosAddress, CosmosDistributedMutex, CosmosMutexOptions};
///
/// let leaders = CosmosAddress::new("http://127.0.0.1:8081/", "workers", "leaders")?;
/// let mutex = CosmosDistributedMutex::with_key(leaders, "nightly", "a2V5".into())?
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
    /// The document `election` in the container, with an Entra ID credential.
    ///
    /// `credential` is any `Arc` of a `TokenCredential`, which this mutex then signs in by on a thread of its own, apart from
    /// its requests; or a [`SharedCredential`], which several elections share.
    ///
    /// # Errors
    /// [`InvalidSetting`](crate::ErrorKind::InvalidSetting) for a name that cannot be: 1 to 255 characters without `/`, `\`, `?`,
    /// `#` and control characters, not ending in `.wish`, `.runs` or `.terms`. Nothing is sent yet.
    pub fn new(container: CosmosAddress, election: &str, credential: impl Into<SharedCredential>) -> Result<Self> {
        let way = Way::Own(container, Access::Credential(credential.into()));
        Self::open(way, election, CosmosMutexOptions::default())
    }

    /// As [`new`](Self::new), with an account key.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_key(container: CosmosAddress, election: &str, key: Secret) -> Result<Self> {
        Self::open(Way::Own(container, Access::Key(key)), election, CosmosMutexOptions::default())
    }

    /// With a container client that you have made, and with its settings: its transport, its retries, its credential.
    ///
    /// Requests are sent on the runtime that calls: a [`LeaderHost`](crate::LeaderHost) calls from its threads for requests. A client
    /// that other runtimes use too would tie the renewals to those, so make one for elections alone. Let it repeat nothing, hedge
    /// nothing, and give up a request after a few seconds; attempts are bounded all the same. Let its credential be a
    /// [`SharedCredential`], or signing in counts as part of each attempt. Reads ask for the latest committed version, whatever the
    /// client's default is.
    ///
    /// A client does not tell of its account, so two things are **up to you**:
    /// - The account must have one write region. With several, two workers can lead, and nothing here notices; the other
    ///   constructors look at it before the first write and every [five minutes](CosmosMutexOptions::recheck_every).
    /// - After a forced failover a client can go on asking the lost region. The other constructors make theirs anew.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_container_client(client: ContainerClient, election: &str) -> Result<Self> {
        Self::open(Way::Callers(client), election, CosmosMutexOptions::default())
    }

    /// Replaces the options.
    ///
    /// # Errors
    /// [`InvalidSetting`](crate::ErrorKind::InvalidSetting) when something is to be created without an account key, and for a mutex
    /// with a [client of your own](Self::from_container_client), to which none of the options applies.
    pub fn with_options(self, options: CosmosMutexOptions) -> Result<Self> {
        if let Way::Callers(_) = self.way {
            return Err(Error::setting(
                "a container client of your own is used as it is: create the container and check the account's write regions \
                 yourself",
            ));
        }
        Self::open(self.way, &self.address.id, options)
    }

    /// Where it is and by what right, unless a client of the caller's knows.
    pub(super) fn way(&self) -> Option<(&Address, &CosmosAddress, &Access)> {
        match &self.way {
            Way::Own(container, access) => Some((&self.address, container, access)),
            Way::Callers(_) => None,
        }
    }

    fn open(way: Way, election: &str, options: CosmosMutexOptions) -> Result<Self> {
        let (address, access, documents) = match &way {
            Way::Own(container, access) => {
                check(&options, access)?;
                let address = Address::of_election(Some(container.clone()), election)?;
                // It takes long, once for the process, and is not for the thread that renews; connecting tells of its failure.
                let _ = tls::prepare();
                let connection = Connection::new(container.clone(), address.clone(), access.clone(), options);
                (address, Some(access.clone()), Documents::own(connection))
            }
            Way::Callers(client) => (Address::of_election(None, election)?, None, Documents::of_client(client.clone())),
        };
        let document = DocumentMutex::new(LeaderDocument::new(documents, address.clone()));
        let election = OnRequestThreads::new(SignedIn::new(access, document));
        // A client of the caller's may be bound to another runtime than that of the requests.
        let election = if matches!(way, Way::Callers(_)) { election.in_place() } else { election };
        Ok(Self { address, way, election })
    }
}

fn check(options: &CosmosMutexOptions, access: &Access) -> Result<()> {
    if options.create && !matches!(access, Access::Key(_)) {
        return Err(Error::setting(
            "`create` takes an account key: with Entra ID, create the database and the container by Bicep or by `az \
             cosmosdb sql container create`",
        ));
    }
    if options.recheck_every < Duration::from_secs(1) {
        return Err(Error::setting("recheck_every must be at least 1 s"));
    }
    Ok(())
}

impl fmt::Debug for CosmosDistributedMutex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CosmosDistributedMutex").field(&self.address.to_string()).finish()
    }
}

delegate_mutex!(CosmosDistributedMutex, election);
