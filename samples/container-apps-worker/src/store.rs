//! Where the leader is elected.

use std::sync::{Arc, OnceLock};

use azure_core::credentials::TokenCredential;
use azure_identity::{
    DeveloperToolsCredential, ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
};
use azure_leader_election::{
    DistributedMutex, Error, ErrorKind, Result, SharedCredential, Store, StoreOptions, StoreUrl,
};

use crate::config::{Config, Place, is_emulator};
use crate::emulator;

/// The election that all workers contend in; nothing is sent yet.
pub fn open_lease(config: &Config) -> Result<Store> {
    let store = open(&config.store, config)?;
    // Blob leases take 15 to 60 s, for one: better refused before the worker starts.
    store.check_lease(config.timing.lease())?;
    Ok(store)
}

/// Whether the address can be that of a container, and whether there is a way to sign in. The clients that the state is
/// written with find out only when they are used, and then in each term anew; a lease's looks at all of it before anything is
/// sent, and the same rules hold for both.
pub fn check(place: &Place, config: &Config) -> Result<()> {
    open(&place.store_url().parse()?, config).map(drop)
}

fn open(url: &StoreUrl, config: &Config) -> Result<Store> {
    let text = url.to_string();
    let is_emulator = is_emulator(&text);
    // Azure's containers were made by the deployment, and the identity has no right to.
    let mut options = StoreOptions { create: is_emulator, ..StoreOptions::default() };
    if is_emulator {
        options.cosmos_key = Some(emulator::cosmos_key().into());
    }
    // An emulator that speaks HTTPS takes tokens, too.
    if url.needs_credential(&options) || text.contains("https://") {
        options.credential = Some(sign_in(config)?);
    }
    url.open(&config.election, options)
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
