//! Signing in to Azure, to etcd and to Kubernetes.

use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use azure_identity::{
    DeveloperToolsCredential, ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
    WorkloadIdentityCredential,
};
use azure_leader_election::SharedCredential;
use azure_leader_election::etcd::EtcdOptions;
use azure_leader_election::kube::{KubernetesAccess, KubernetesCluster, KubernetesToken};

use crate::arguments::Credential;
use crate::environment::environment;
use crate::exit::{CONFIG, DENIED, Failure};

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

/// What the environment says of a cluster of etcd. Certificates and keys are in files, as for `etcdctl`.
pub fn etcd_sign_in() -> Result<EtcdOptions, Failure> {
    Ok(EtcdOptions {
        user: environment("ETCD_USER"),
        password: environment("ETCD_PASSWORD"),
        certificate: file_in("ETCD_CERT")?,
        key: file_in("ETCD_KEY")?,
        authority: file_in("ETCD_CA")?,
    })
}

/// The cluster that the environment names; `None` for that of this pod.
pub fn kube_sign_in() -> Result<Option<KubernetesCluster>, Failure> {
    let Some(url) = environment("KUBE_URL") else { return Ok(None) };
    let access = KubernetesAccess {
        authorities: file_in("KUBE_CA")?,
        token: environment("KUBE_TOKEN").map(KubernetesToken::text),
    };
    Ok(Some(KubernetesCluster::new(&url, access)?))
}

/// The file that this variable names.
fn file_in(variable: &str) -> Result<Option<Vec<u8>>, Failure> {
    // The path is not shown: somebody may have put the key itself there.
    let read = |path| {
        std::fs::read(path)
            .map_err(|error| Failure::new(CONFIG, format!("{variable} names no file that can be read: {error}")))
    };
    environment(variable).map(read).transpose()
}
