//! Any store, by its URL.

mod address;
mod advice;
mod blob;
mod cosmos;
mod etcd;
mod file;
mod given;
mod kube;
mod options;
mod quorum;
mod redis;
mod service_bus;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use leader_election::{DistributedMutex, Result};

pub use address::StoreUrl;
pub use options::StoreOptions;

/// An election in the store that a URL names: for programs whose users choose the store.
///
/// | URL | Store | Sign in by |
/// |---|---|---|
/// | `file:DIRECTORY` | a directory on a disk of this machine: [`FileMutex`](crate::FileMutex) | – |
/// | `https://ACCOUNT.blob.core.windows.net/CONTAINER` | a container of blobs: `BlobDistributedMutex` | `StoreOptions::credential`, or `?SIGNATURE` in the URL |
/// | `blob-document+https://ACCOUNT.blob.core.windows.net/CONTAINER` | the same, for leases from 1 s: `BlobDocumentMutex` | likewise |
/// | `https://ACCOUNT.documents.azure.com/DATABASE/CONTAINER` | a container of Cosmos DB: `CosmosDistributedMutex` | `StoreOptions::credential` or `cosmos_key` |
/// | `etcd://HOST:PORT;HOST:PORT/PREFIX` | a cluster of etcd, by its members: `EtcdDistributedMutex` (feature `etcd`) | `StoreOptions::etcd` |
/// | `kube:NAMESPACE`, or `kube:` for the pod's own | Leases of a Kubernetes cluster: `KubernetesLeaseMutex` (feature `kube`) | the pod's service account, or `StoreOptions::kube` |
/// | `http://127.0.0.1:10000/devstoreaccount1/CONTAINER` | the emulator Azurite on this machine | – (with `https://`, `StoreOptions::credential` if there is one) |
/// | `emulator+http://HOST:PORT/devstoreaccount1/CONTAINER` | Azurite on another host, for tests | – |
/// | `http://127.0.0.1:8081/DATABASE/CONTAINER` | the emulator of Cosmos DB on this machine | `StoreOptions::cosmos_key` |
/// | `redis://HOST[:6379][/DB]` | a Redis server, in plain text: on this machine, or with `?insecure` (feature `redis`) | `StoreOptions::redis_password`, if it has one |
/// | `rediss://[USER@]HOST[:10000][/DB]` | a Redis server by TLS, such as Azure Managed Redis (feature `redis`) | `StoreOptions::redis_password`, or in Azure `credential` |
/// | `sb://NAMESPACE.servicebus.windows.net/QUEUE` | a queue of Service Bus with sessions: `ServiceBusDistributedMutex` (feature `service-bus`) | `StoreOptions::credential` or `service_bus_connection_string` |
/// | `sb://127.0.0.1:5672/QUEUE` | an emulator of Service Bus on this machine (feature `service-bus`) | –, or `service_bus_connection_string` |
/// | `quorum:URL,URL,URL` | a majority of three or more other stores, each named by one of these: [`QuorumMutex`](crate::QuorumMutex) | as each member; a comma within one is `%2C` |
///
/// Where host and port do not tell blobs from Cosmos DB, the scheme does: `blob+https://…`, `cosmos+https://…`, `blob+http://…`,
/// `cosmos+http://…`. A container of Cosmos DB may also be written `/dbs/DATABASE/colls/CONTAINER`.
///
/// It is a [`DistributedMutex`] with all that the store behind it offers; clones share that. `Debug` and `Display` show no
/// signature and no key. No environment variable is read, but for the address
/// that the kubelet tells each pod, by `kube:` in a pod.
///
/// ```
/// use azure_leader_election::{LeaderHost, Store, StoreOptions};
///
/// # let directory = tempfile::tempdir()?;
/// let url = format!("file:{}", directory.path().display());
/// let store = Store::from_url(&url, "nightly-billing", StoreOptions::default())?;
/// assert_eq!(store.to_string(), url);
/// let host = LeaderHost::new(store);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Store {
    url: StoreUrl,
    mutex: Arc<dyn DistributedMutex>,
}

impl Store {
    /// The election of this name in the store at `url`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`InvalidSetting`](crate::ErrorKind::InvalidSetting), with what to write instead: for a text that is no URL of a store, an
    /// election that the store cannot name, a credential that is missing, and a store whose feature this program was built without.
    /// The text is not quoted, as a secret may stand anywhere in it.
    pub fn from_url(url: &str, election: &str, options: StoreOptions) -> Result<Self> {
        url.parse::<StoreUrl>()?.open(election, options)
    }

    /// The same election behind something of a test's.
    #[cfg(test)]
    pub(crate) fn behind(self, wrap: impl FnOnce(Arc<dyn DistributedMutex>) -> Arc<dyn DistributedMutex>) -> Self {
        Self { mutex: wrap(self.mutex), ..self }
    }

    /// Where the election is kept.
    #[must_use]
    pub fn url(&self) -> &StoreUrl {
        &self.url
    }
}

/// The URL, without its query.
impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.mutex).finish()
    }
}

leader_election::kit::delegate_mutex!(Store, mutex);
