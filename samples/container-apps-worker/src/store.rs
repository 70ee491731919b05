//! Where the leader is elected.

use std::sync::{Arc, OnceLock};

use azure_core::credentials::{Secret, TokenCredential};
use azure_identity::{
    DeveloperToolsCredential, ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
};
use azure_leader_election::{
    BlobDistributedMutex, BlobMutexOptions, CosmosAddress, CosmosDistributedMutex, CosmosMutexOptions, Create,
    DistributedMutex, Error, ErrorKind, Result, SharedCredential,
};

use crate::config::{Config, Place};
use crate::emulator;

/// The lease that all workers contend for; nothing is sent yet.
pub fn open_lease(config: &Config) -> Result<Arc<dyn DistributedMutex>> {
    let mutex = open(&config.lease_place, config)?;
    // Blob leases take 15 to 60 s, for one: better refused before the worker starts.
    mutex.check_lease(config.timing.lease())?;
    Ok(mutex)
}

/// Whether the address can be that of a container, and whether there is a way to sign in. The clients that the state is
/// written with find out only when they are used, and then in each term anew; a lease's looks at all of it before anything is
/// sent, and the same rules hold for both.
pub fn check(place: &Place, config: &Config) -> Result<()> {
    open(place, config).map(drop)
}

fn open(place: &Place, config: &Config) -> Result<Arc<dyn DistributedMutex>> {
    let election = config.election.as_str();
    Ok(match place {
        Place::Blob { url } if place.is_emulator() => Arc::new(BlobDistributedMutex::for_emulator(url, election)?),
        Place::Blob { url } => {
            // The deployment made the container, and the identity has no right to.
            let options = BlobMutexOptions { create: Create::Blob, ..BlobMutexOptions::default() };
            Arc::new(BlobDistributedMutex::new(url, election, sign_in(config)?)?.with_options(options)?)
        }
        Place::Cosmos { endpoint, database, container } if place.is_emulator() => {
            let key = Secret::new(emulator::cosmos_key());
            let options = CosmosMutexOptions { create: true, ..CosmosMutexOptions::default() };
            let leaders = CosmosAddress::new(endpoint, database, container)?;
            let mutex = CosmosDistributedMutex::with_key(leaders, election, key)?;
            Arc::new(mutex.with_options(options)?)
        }
        Place::Cosmos { endpoint, database, container } => {
            let leaders = CosmosAddress::new(endpoint, database, container)?;
            Arc::new(CosmosDistributedMutex::new(leaders, election, sign_in(config)?)?)
        }
    })
}

/// One for the lease and the state: it signs in apart from the requests of both, once for each service.
pub fn sign_in(config: &Config) -> Result<SharedCredential> {
    static SHARED: OnceLock<SharedCredential> = OnceLock::new();
    if let Some(shared) = SHARED.get() {
        return Ok(shared.clone());
    }
    let opened: azure_core::Result<Arc<dyn TokenCredential>> = match &config.client_id {
        Some(id) => {
            let user_assigned_id = Some(UserAssignedId::ClientId(id.clone()));
            let options = ManagedIdentityCredentialOptions { user_assigned_id, ..Default::default() };
            ManagedIdentityCredential::new(Some(options)).map(|credential| credential as _)
        }
        None => DeveloperToolsCredential::new(None).map(|credential| credential as _),
    };
    let opened = opened
        .map_err(|error| Error::new(ErrorKind::Credential, format!("signing in to Azure cannot work: {error}")))?;
    Ok(SHARED.get_or_init(|| SharedCredential::new(opened)).clone())
}
