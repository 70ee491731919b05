//! The store of an election, opened.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use azure_leader_election::{DistributedMutex, Leader, Version};

use crate::arguments::Which;
use crate::environment::environment;
use crate::exit::{CONFIG, Failure, USAGE};
use crate::store_url::{Place, Server};

/// What the store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To contend: what is absent is created, where that takes no further right.
    Contend,
    /// To look: nothing is created.
    Look,
}

/// An election in its store.
pub struct Opened {
    pub mutex: Arc<dyn DistributedMutex>,
    /// Of a document store: reads the record's version, which changes with every renewal. Nobody but a candidate who watches
    /// it can tell that a lease has run out.
    pub version: Option<ReadVersion>,
    /// Of a service that expires and breaks leases.
    pub service: Option<Service>,
    pub place: Place,
    pub election: String,
}

/// What a service that expires leases offers beyond the port.
pub struct Service {
    pub look: Box<dyn Fn() -> Reply<Seen> + Send + Sync>,
    pub break_lease: Box<dyn Fn(Option<Duration>) -> Reply<Duration> + Send + Sync>,
}

/// One look.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub held: bool,
    /// The latest leader on record.
    pub latest: Option<Leader>,
    /// The lease was broken, and runs on for a while.
    pub breaking: bool,
    /// The lease has no end: no worker has taken it.
    pub endless: bool,
}

pub type ReadVersion = Box<dyn Fn() -> Reply<Option<Version>> + Send + Sync>;
pub type Reply<T> = Pin<Box<dyn Future<Output = azure_leader_election::Result<T>> + Send>>;

impl Opened {
    /// Nothing is sent yet.
    pub fn open(which: &Which, purpose: Purpose) -> Result<Self, Failure> {
        let place: Place = which.store.parse().map_err(|refusal: String| Failure::new(USAGE, refusal))?;
        match &place {
            Place::File(directory) => {
                let mutex = azure_leader_election::FileMutex::new(directory, &which.election)?;
                let versions = mutex.clone();
                let version = move || -> Reply<_> {
                    let mutex = versions.clone();
                    Box::pin(async move { mutex.version().await })
                };
                Ok(Self::new(mutex, Some(Box::new(version)), None, place, which))
            }
            Place::Cosmos { endpoint, database, container } => {
                let mutex = cosmos(endpoint, database, container, which, purpose)?;
                let versions = mutex.clone();
                let version = move || -> Reply<_> {
                    let mutex = versions.clone();
                    Box::pin(async move { mutex.version().await })
                };
                Ok(Self::new(mutex, Some(Box::new(version)), None, place, which))
            }
            Place::Blob { container_url, server } => {
                let mutex = blob(container_url, *server, which)?;
                let service = service(&mutex);
                Ok(Self::new(mutex, None, Some(service), place, which))
            }
            #[allow(unreachable_patterns)]
            _ => Err(Failure::new(
                USAGE,
                format!("this `leader` was built without the store of {place}: install it with the default features"),
            )),
        }
    }

    /// Looks, without contending.
    pub async fn look(&self) -> azure_leader_election::Result<Seen> {
        if let Some(service) = &self.service {
            return (service.look)().await;
        }
        let seen = self.mutex.observe().await?;
        Ok(Seen { held: seen.held, latest: seen.latest, ..Seen::default() })
    }

    fn new(
        mutex: impl DistributedMutex,
        version: Option<ReadVersion>,
        service: Option<Service>,
        place: Place,
        which: &Which,
    ) -> Self {
        Self { mutex: Arc::new(mutex), version, service, place, election: which.election.clone() }
    }
}

fn blob(
    container_url: &str,
    server: Server,
    which: &Which,
) -> Result<azure_leader_election::BlobDistributedMutex, Failure> {
    use azure_leader_election::BlobDistributedMutex;
    Ok(match server {
        Server::Emulator => BlobDistributedMutex::for_emulator(container_url, &which.election)?,
        Server::EmulatorElsewhere => BlobDistributedMutex::for_emulator_elsewhere(container_url, &which.election)?,
        Server::Azure if container_url.contains('?') => {
            BlobDistributedMutex::from_sas_url(container_url, &which.election)?
        }
        Server::Azure => {
            BlobDistributedMutex::new(container_url, &which.election, crate::sign_in::sign_in(which.credential)?)?
        }
    })
}

fn service(mutex: &azure_leader_election::BlobDistributedMutex) -> Service {
    let (looks, breaks) = (mutex.clone(), mutex.clone());
    let look = move || -> Reply<_> {
        let mutex = looks.clone();
        Box::pin(async move {
            let seen = mutex.look().await?;
            let (held, latest) = (seen.observation.held, seen.observation.latest);
            Ok(Seen { held, latest, breaking: seen.breaking, endless: seen.endless })
        })
    };
    let break_lease = move |period| -> Reply<_> {
        let mutex = breaks.clone();
        Box::pin(async move { mutex.break_lease(period).await })
    };
    Service { look: Box::new(look), break_lease: Box::new(break_lease) }
}

fn cosmos(
    endpoint: &str,
    database: &str,
    container: &str,
    which: &Which,
    purpose: Purpose,
) -> Result<azure_leader_election::CosmosDistributedMutex, Failure> {
    use azure_leader_election::{CosmosAddress, CosmosDistributedMutex, CosmosMutexOptions};
    let container = CosmosAddress::new(endpoint, database, container)?;
    // Secret stores like to end it with a line of its own.
    Ok(match environment("COSMOS_KEY").map(|key| key.trim().to_owned()) {
        Some(key) if key.contains("AccountKey=") || key.contains("AccountEndpoint=") => {
            return Err(Failure::new(
                CONFIG,
                "COSMOS_KEY is a connection string: the key alone is what stands after AccountKey= in it, up to the next `;`",
            ));
        }
        Some(key) => {
            let options = CosmosMutexOptions { create: purpose == Purpose::Contend, ..CosmosMutexOptions::default() };
            CosmosDistributedMutex::with_key(container, &which.election, key.into())?.with_options(options)?
        }
        None => {
            let credential = crate::sign_in::sign_in(which.credential)?;
            CosmosDistributedMutex::new(container, &which.election, credential)?
        }
    })
}
