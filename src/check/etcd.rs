//! What a check adds on etcd: that it leaves nothing.

use async_trait::async_trait;
use leader_election_etcd::{EtcdCluster, check};

use super::{Probes, side};
use leader_election::Result;

pub(crate) struct EtcdProbes(pub(crate) EtcdCluster);

#[async_trait]
impl Probes for EtcdProbes {
    async fn remove(&self, election: &str) -> Result<()> {
        check::remove(&self.0, election, side::written_beside(election)).await
    }
}
