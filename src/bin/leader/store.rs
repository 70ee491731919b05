//! The store of an election, opened.

use std::sync::Arc;

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

/// A store, by its kind.
#[derive(Clone)]
pub enum Store {
    #[cfg(feature = "blob")]
    Blob(azure_leader_election::BlobDistributedMutex),
    #[cfg(feature = "cosmos")]
    Cosmos(azure_leader_election::CosmosDistributedMutex),
    #[cfg(feature = "file")]
    File(azure_leader_election::FileMutex),
}

/// An election in its store.
pub struct Opened {
    pub store: Store,
    pub place: Place,
    pub election: String,
}

impl Opened {
    /// Nothing is sent yet.
    pub fn open(which: &Which, purpose: Purpose) -> Result<Self, Failure> {
        let place: Place = which.store.parse().map_err(|refusal: String| Failure::new(USAGE, refusal))?;
        let store = Store::open(&place, which, purpose)?;
        Ok(Self { store, place, election: which.election.clone() })
    }

    pub fn mutex(&self) -> Arc<dyn DistributedMutex> {
        self.store.mutex()
    }
}

impl Store {
    #[cfg_attr(not(any(feature = "blob", feature = "cosmos", feature = "file")), allow(unused_variables))]
    fn open(place: &Place, which: &Which, purpose: Purpose) -> Result<Self, Failure> {
        match place {
            #[cfg(feature = "file")]
            Place::File(directory) => {
                Ok(Self::File(azure_leader_election::FileMutex::new(directory, &which.election)?))
            }
            #[cfg(feature = "blob")]
            Place::Blob { container_url, emulator } => blob(container_url, *emulator, which).map(Self::Blob),
            #[cfg(feature = "cosmos")]
            Place::Cosmos { endpoint, database, container } => {
                cosmos(endpoint, database, container, which, purpose).map(Self::Cosmos)
            }
            #[allow(unreachable_patterns)]
            _ => Err(Failure::new(
                USAGE,
                format!("this `leader` was built without the store of {place}: install it with the default features"),
            )),
        }
    }

    pub fn mutex(&self) -> Arc<dyn DistributedMutex> {
        match self.clone() {
            #[cfg(feature = "blob")]
            Self::Blob(mutex) => Arc::new(mutex),
            #[cfg(feature = "cosmos")]
            Self::Cosmos(mutex) => Arc::new(mutex),
            #[cfg(feature = "file")]
            Self::File(mutex) => Arc::new(mutex),
        }
    }

    /// Whether nobody but a candidate who watches can tell that a lease has run out.
    pub fn is_document(&self) -> bool {
        match self {
            #[cfg(feature = "blob")]
            Self::Blob(_) => false,
            #[cfg(feature = "cosmos")]
            Self::Cosmos(_) => true,
            #[cfg(feature = "file")]
            Self::File(_) => true,
        }
    }

    /// The version of a document store's record, which changes with every renewal.
    pub async fn version(&self) -> azure_leader_election::Result<Option<Version>> {
        match self {
            #[cfg(feature = "blob")]
            Self::Blob(_) => Ok(None),
            #[cfg(feature = "cosmos")]
            Self::Cosmos(mutex) => mutex.version().await,
            #[cfg(feature = "file")]
            Self::File(mutex) => mutex.version().await,
        }
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
    Ok(match std::env::var("COSMOS_KEY") {
        Ok(key) => {
            let options = CosmosMutexOptions { create: purpose == Purpose::Contend, ..CosmosMutexOptions::default() };
            CosmosDistributedMutex::with_key(endpoint, database, container, &which.election, key.into())?
                .with_options(options)?
        }
        Err(_) => {
            let credential = crate::sign_in::sign_in(which.credential)?;
            CosmosDistributedMutex::new(endpoint, database, container, &which.election, credential)?
        }
    })
}
