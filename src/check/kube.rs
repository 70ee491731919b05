//! What a check adds on Kubernetes: that it leaves nothing.

use async_trait::async_trait;
use leader_election_kube::{KubernetesCluster, check};

use super::{Probes, side};
use leader_election::Result;

pub(crate) struct KubeProbes {
    pub(crate) cluster: KubernetesCluster,
    pub(crate) namespace: String,
}

#[async_trait]
impl Probes for KubeProbes {
    async fn remove(&self, election: &str) -> Result<()> {
        check::remove(&self.cluster, &self.namespace, election, side::written_beside(election)).await
    }
}
