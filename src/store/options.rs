//! By what right a store is opened.

use std::fmt;

#[cfg(any(feature = "cosmos", feature = "redis", feature = "service-bus"))]
use azure_core::credentials::Secret;

#[cfg(any(feature = "blob", feature = "cosmos", feature = "redis", feature = "service-bus"))]
use crate::shared_credential::SharedCredential;

/// What a URL does not say of a store: by what right to open it, and what to create.
///
/// All is absent by default, which is enough for a directory, an emulator of blobs, and a URL with a signature. `Debug` tells of
/// each secret only whether there is one.
///
/// ```
/// use azure_leader_election::{Store, StoreOptions};
///
/// let url = "https://myaccount.documents.azure.com/workers/leaders";
/// let refusal = Store::from_url(url, "nightly-billing", StoreOptions::default()).unwrap_err();
/// assert!(refusal.to_string().contains("StoreOptions::credential"));
///
/// let by_key = StoreOptions { cosmos_key: Some("a2V5".into()), ..StoreOptions::default() };
/// assert!(!format!("{by_key:?}").contains("a2V5"));
/// let store = Store::from_url(url, "nightly-billing", by_key)?;
/// # Ok::<(), azure_leader_election::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct StoreOptions {
    /// Signs in with Entra ID: to blobs, unless the URL carries a signature; to Cosmos DB, unless there is a `cosmos_key`; to Redis in Azure,
    /// unless there is a `redis_password`; and to Service Bus, unless there is a `service_bus_connection_string`. Share one among all stores of a process. Default: none.
    #[cfg(any(feature = "blob", feature = "cosmos", feature = "redis", feature = "service-bus"))]
    #[cfg_attr(
        docsrs,
        doc(cfg(any(feature = "blob", feature = "cosmos", feature = "redis", feature = "service-bus")))
    )]
    pub credential: Option<SharedCredential>,
    /// The account key of Cosmos DB, without anything round it; it comes before the [credential](Self::credential). Other stores
    /// ignore it. Default: none.
    #[cfg(feature = "cosmos")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cosmos")))]
    pub cosmos_key: Option<Secret>,
    /// How to sign in to etcd: user and password, a client certificate, an authority of one's own. Other stores ignore it. Default: none of
    /// them.
    #[cfg(feature = "etcd")]
    #[cfg_attr(docsrs, doc(cfg(feature = "etcd")))]
    pub etcd: leader_election_etcd::EtcdOptions,
    /// The Kubernetes cluster and how to sign in to it, where this is no pod of it. Other stores ignore it. Default: the pod's own, by its
    /// service account.
    #[cfg(feature = "kube")]
    #[cfg_attr(docsrs, doc(cfg(feature = "kube")))]
    pub kube: Option<leader_election_kube::KubernetesCluster>,
    /// The password of a Redis server, or an access key of Azure Managed Redis, for the user in the URL if there is one; it comes before the
    /// [credential](Self::credential). Other stores ignore it. Default: none.
    #[cfg(feature = "redis")]
    #[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
    pub redis_password: Option<Secret>,
    /// The connection string of Service Bus, whole, as the portal shows it, of the namespace or of the queue; it comes before the
    /// [credential](Self::credential). Other stores ignore it. Default: none.
    #[cfg(feature = "service-bus")]
    #[cfg_attr(docsrs, doc(cfg(feature = "service-bus")))]
    pub service_bus_connection_string: Option<Secret>,
    /// Whether whoever contends creates the container of blobs when it is absent, and by key the database and container of Cosmos
    /// DB. An election's own blob, document or directory is created in any case. Default: `false`.
    pub create: bool,
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("StoreOptions");
        #[cfg(any(feature = "blob", feature = "cosmos", feature = "redis", feature = "service-bus"))]
        shown.field("credential", &self.credential.is_some());
        #[cfg(feature = "cosmos")]
        shown.field("cosmos_key", &self.cosmos_key.is_some());
        #[cfg(feature = "etcd")]
        shown.field("etcd", &self.etcd);
        #[cfg(feature = "kube")]
        shown.field("kube", &self.kube);
        #[cfg(feature = "redis")]
        shown.field("redis_password", &self.redis_password.is_some());
        #[cfg(feature = "service-bus")]
        shown.field("service_bus_connection_string", &self.service_bus_connection_string.is_some());
        shown.field("create", &self.create).finish()
    }
}
