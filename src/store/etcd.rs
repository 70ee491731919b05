//! Clusters of etcd.

use std::fmt;
use std::sync::Arc;

use leader_election::{DistributedMutex, Result};
#[cfg(feature = "etcd")]
use leader_election_etcd::EtcdAddress;

use super::StoreOptions;
use super::address::{FromUrl, Place};
use super::given::Given;

#[derive(PartialEq, Eq)]
pub(super) struct Cluster {
    #[cfg(feature = "etcd")]
    pub(super) address: EtcdAddress,
}

impl FromUrl for Cluster {
    const EXAMPLE: &'static str = "etcd://HOST:PORT;HOST:PORT/PREFIX";

    fn read(given: &Given<'_>) -> Result<Option<Self>> {
        if given.scheme != "etcd" {
            return Ok(None);
        }
        Ok(Some(Self {
            #[cfg(feature = "etcd")]
            address: EtcdAddress::new(&format!("etcd:{}", given.rest))?,
        }))
    }
}

impl Place for Cluster {
    #[cfg(feature = "etcd")]
    fn open(&self, election: &str, options: StoreOptions) -> Result<Arc<dyn DistributedMutex>> {
        use leader_election_etcd::{EtcdCluster, EtcdDistributedMutex};

        let cluster = EtcdCluster::new(self.address.clone(), options.etcd)?;
        Ok(Arc::new(EtcdDistributedMutex::new(&cluster, election)?))
    }

    #[cfg(feature = "etcd")]
    fn probes(&self, options: &StoreOptions) -> Result<Option<Box<dyn crate::check::Probes>>> {
        let cluster = leader_election_etcd::EtcdCluster::new(self.address.clone(), options.etcd.clone())?;
        Ok(Some(Box::new(crate::check::etcd::EtcdProbes(cluster))))
    }

    #[cfg(not(feature = "etcd"))]
    fn open(&self, _: &str, _: StoreOptions) -> Result<Arc<dyn DistributedMutex>> {
        Err(super::address::built_without("etcd", self))
    }
}

impl fmt::Display for Cluster {
    #[cfg(feature = "etcd")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }

    /// What is not read is not shown: a password may stand in it.
    #[cfg(not(feature = "etcd"))]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("etcd://")
    }
}
