//! Namespaces of a Kubernetes cluster.

use std::fmt;
use std::sync::Arc;

use leader_election::{DistributedMutex, Error, Result};

use super::StoreOptions;
use super::address::{FromUrl, Place};
use super::given::Given;

/// A namespace; `None` for the one that this pod runs in.
#[derive(PartialEq, Eq)]
pub(super) struct Namespace(pub(super) Option<String>);

impl FromUrl for Namespace {
    const EXAMPLE: &'static str = "kube:NAMESPACE";

    fn read(given: &Given<'_>) -> Result<Option<Self>> {
        if given.scheme != "kube" {
            return Ok(None);
        }
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if given.rest.len() > 63 || !given.rest.bytes().all(allowed) {
            return Err(Error::setting(
                "a Kubernetes store is named by its namespace alone: write kube:NAMESPACE, or kube: for the pod's own. The API server \
                 is the pod's; from elsewhere name it to the command `leader` by KUBE_URL, to the library by `StoreOptions::kube`",
            ));
        }
        Ok(Some(Self(Some(given.rest.to_owned()).filter(|namespace| !namespace.is_empty()))))
    }
}

impl Place for Namespace {
    #[cfg(feature = "kube")]
    fn open(&self, election: &str, options: StoreOptions) -> Result<Arc<dyn DistributedMutex>> {
        use leader_election_kube::{KubernetesCluster, KubernetesLeaseMutex};

        let cluster = options.kube.map_or_else(KubernetesCluster::of_this_pod, Ok)?;
        let namespace = self.0.as_deref().or(cluster.namespace()).ok_or_else(|| {
            Error::setting(
                "kube: is the namespace of a pod, and the API server was named by its URL: write kube:NAMESPACE",
            )
        })?;
        Ok(Arc::new(KubernetesLeaseMutex::new(&cluster, namespace, election)?))
    }

    #[cfg(not(feature = "kube"))]
    fn open(&self, _: &str, _: StoreOptions) -> Result<Arc<dyn DistributedMutex>> {
        Err(super::address::built_without("kube", self))
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kube:{}", self.0.as_deref().unwrap_or_default())
    }
}
