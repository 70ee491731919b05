//! Signing in to Azure.

use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use azure_identity::{
    DeveloperToolsCredential, ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
    WorkloadIdentityCredential,
};
use azure_leader_election::SharedCredential;

use crate::arguments::Credential;
use crate::environment::environment;
use crate::exit::{DENIED, Failure};

/// A credential of this process's own, which signs in apart from the requests to the store; nothing is sent yet.
pub fn sign_in(credential: Credential) -> Result<SharedCredential, Failure> {
    let opened: azure_core::Result<Arc<dyn TokenCredential>> = match credential {
        Credential::DeveloperTools => DeveloperToolsCredential::new(None).map(|credential| credential as _),
        Credential::ManagedIdentity => managed_identity().map(|credential| credential as _),
        Credential::WorkloadIdentity => WorkloadIdentityCredential::new(None).map(|credential| credential as _),
    };
    opened
        .map(SharedCredential::new)
        .map_err(|error| Failure::new(DENIED, format!("signing in to Azure cannot work: {error}")))
}

fn managed_identity() -> azure_core::Result<Arc<ManagedIdentityCredential>> {
    let user_assigned_id = environment("AZURE_CLIENT_ID").map(UserAssignedId::ClientId);
    ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions { user_assigned_id, ..Default::default() }))
}
