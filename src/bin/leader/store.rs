//! The store of an election, opened.

// What a `leader` without any store has no use for.
#![cfg_attr(not(all(feature = "blob", feature = "cosmos", feature = "file")), allow(dead_code, unused_variables))]

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use azure_leader_election::{DistributedMutex, Version};

use crate::arguments::Which;
use crate::exit::{Failure, USAGE};
use crate::place::Place;

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
    /// Of a service that breaks leases.
    pub break_lease: Option<BreakLease>,
    pub place: Place,
    pub election: String,
}

pub type ReadVersion = Box<dyn Fn() -> Reply<Option<Version>> + Send + Sync>;
pub type BreakLease = Box<dyn Fn(Option<Duration>) -> Reply<Duration> + Send + Sync>;
pub type Reply<T> = Pin<Box<dyn Future<Output = azure_leader_election::Result<T>> + Send>>;

impl Opened {
    /// Nothing is sent yet.
    pub fn open(which: &Which, purpose: Purpose) -> Result<Self, Failure> {
        let place: Place = which.store.parse().map_err(|refusal: String| Failure::new(USAGE, refusal))?;
        match &place {
            #[cfg(feature = "file")]
            Place::File(directory) => {
                let mutex = azure_leader_election::FileMutex::new(directory, &which.election)?;
                let versions = mutex.clone();
                let version = move || -> Reply<_> {
                    let mutex = versions.clone();
                    Box::pin(async move { mutex.version().await })
                };
                Ok(Self::new(mutex, Some(Box::new(version)), None, place, which))
            }
            #[cfg(feature = "cosmos")]
            Place::Cosmos { endpoint, database, container } => {
                let mutex = cosmos(endpoint, database, container, which, purpose)?;
                let versions = mutex.clone();
                let version = move || -> Reply<_> {
                    let mutex = versions.clone();
                    Box::pin(async move { mutex.version().await })
                };
                Ok(Self::new(mutex, Some(Box::new(version)), None, place, which))
            }
            #[cfg(feature = "blob")]
            Place::Blob { container_url, emulator } => {
                let mutex = blob(container_url, *emulator, which)?;
                let leases = mutex.clone();
                let break_lease = move |period| -> Reply<_> {
                    let mutex = leases.clone();
                    Box::pin(async move { mutex.break_lease(period).await })
                };
                Ok(Self::new(mutex, None, Some(Box::new(break_lease)), place, which))
            }
            #[allow(unreachable_patterns)]
            _ => Err(Failure::new(
                USAGE,
                format!("this `leader` was built without the store of {place}: install it with the default features"),
            )),
        }
    }

    fn new(
        mutex: impl DistributedMutex,
        version: Option<ReadVersion>,
        break_lease: Option<BreakLease>,
        place: Place,
        which: &Which,
    ) -> Self {
        Self { mutex: Arc::new(mutex), version, break_lease, place, election: which.election.clone() }
    }
}

#[cfg(feature = "blob")]
fn blob(
    container_url: &str,
    emulator: bool,
    which: &Which,
) -> Result<azure_leader_election::BlobDistributedMutex, Failure> {
    use azure_leader_election::BlobDistributedMutex;
    let signed = container_url.contains(['?', '&']) && container_url.contains("sig=");
    Ok(if emulator {
        BlobDistributedMutex::for_emulator(container_url, &which.election)?
    } else if signed {
        BlobDistributedMutex::from_sas_url(container_url, &which.election)?
    } else {
        BlobDistributedMutex::new(container_url, &which.election, crate::sign_in::sign_in(which.credential)?)?
    })
}

#[cfg(feature = "cosmos")]
fn cosmos(
    endpoint: &str,
    database: &str,
    container: &str,
    which: &Which,
    purpose: Purpose,
) -> Result<azure_leader_election::CosmosDistributedMutex, Failure> {
    use azure_leader_election::{CosmosDistributedMutex, CosmosMutexOptions};
    // An empty one is none: templates of deployments leave it so.
    Ok(match std::env::var("COSMOS_KEY").ok().filter(|key| !key.trim().is_empty()) {
        Some(key) => {
            let options = CosmosMutexOptions { create: purpose == Purpose::Contend, ..CosmosMutexOptions::default() };
            CosmosDistributedMutex::with_key(endpoint, database, container, &which.election, key.into())?
                .with_options(options)?
        }
        None => {
            let credential = crate::sign_in::sign_in(which.credential)?;
            CosmosDistributedMutex::new(endpoint, database, container, &which.election, credential)?
        }
    })
}
