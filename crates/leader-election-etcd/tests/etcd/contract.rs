//! The store passes the contract suite: on one node and on three, over TLS with client certificates, and as a user who has the documented rights
//! and no others.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use leader_election::contract::Fixture;
use leader_election::{DistributedMutex, async_trait};
use leader_election_etcd::{EtcdCluster, EtcdDistributedMutex, EtcdOptions};
use testservers::etcd::{Etcd, Options};

use crate::common;

/// A cluster, and how to reach it.
struct Way {
    etcd: Etcd,
    options: EtcdOptions,
    /// One for all: etcd 3.4 answers nobody while it checks a password, and the suite takes a late answer for a fault.
    signed_in: Option<EtcdCluster>,
}

struct Keys(fn() -> &'static Way);

#[async_trait]
impl Fixture for Keys {
    type Election = String;

    async fn fresh(&self) -> String {
        common::unique("election")
    }

    async fn open(&self, election: &String) -> Arc<dyn DistributedMutex> {
        let way = (self.0)();
        let cluster =
            way.signed_in.clone().unwrap_or_else(|| common::cluster_with(&way.etcd.url(), way.options.clone()));
        Arc::new(EtcdDistributedMutex::new(&cluster, election).expect("valid"))
    }

    async fn elapse(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn lease(&self) -> Duration {
        Duration::from_secs(3)
    }

    async fn delete_record(&self, election: &String) -> bool {
        (self.0)().etcd.etcdctl(&["del", &format!("elections/{election}")]).trim() == "1"
    }
}

impl Way {
    fn one_node() -> Self {
        Self { etcd: Etcd::one(), options: EtcdOptions::default(), signed_in: None }
    }

    fn three_nodes() -> Self {
        Self { etcd: Etcd::three(), options: EtcdOptions::default(), signed_in: None }
    }

    fn certificates() -> Self {
        let etcd = Etcd::start(Options { tls: true, client_certificates: true, ..Options::default() });
        let options = common::certificates(&etcd, true);
        Self { etcd, options, signed_in: None }
    }

    fn user() -> Self {
        let mut etcd = Etcd::one();
        etcd.switch_authentication_on("elections/", common::PASSWORD);
        let signed_in = common::cluster_with(&etcd.url(), common::as_worker());
        Self { etcd, options: common::as_worker(), signed_in: Some(signed_in) }
    }
}

macro_rules! suite {
    ($name:ident, $start:ident) => {
        mod $name {
            use super::{Keys, OnceLock, Way};

            fn way() -> &'static Way {
                static WAY: OnceLock<Way> = OnceLock::new();
                WAY.get_or_init(Way::$start)
            }

            leader_election::contract_tests!(
                ignore = "needs etcd: apt install etcd-server etcd-client";
                Keys(way); flavor = "multi_thread"
            );
        }
    };
}

suite!(on_one_node, one_node);
suite!(on_three_nodes, three_nodes);
suite!(by_client_certificates, certificates);
suite!(as_a_user_with_the_documented_rights, user);
