//! The contract of the port: on the fake with each change, and on a real server, signed in as a service account with the Role that the
//! documentation gives, where one is named.

#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use leader_election::contract::Fixture;
use leader_election::{DistributedMutex, async_trait};
use leader_election_kube::KubernetesLeaseMutex;
use reqwest::Method;
use testservers::kube_fake::{ADMIN, KubeFake};

use common::{Server, fresh, leases, minimal_role};

struct Election {
    name: String,
    /// As the worker is signed in.
    server: Server,
    admin: Server,
    _fake: Option<KubeFake>,
}

fn mutex(election: &Election) -> Arc<dyn DistributedMutex> {
    let mutex = KubernetesLeaseMutex::new(&election.server.cluster(), "default", &election.name);
    Arc::new(mutex.expect("a name of a Lease"))
}

async fn delete(election: &Election) -> bool {
    let path = format!("{}/{}", leases("default"), election.name);
    election.admin.done(Method::DELETE, &path, None).await;
    true
}

struct OnTheFake;

#[async_trait]
impl Fixture for OnTheFake {
    type Election = Election;

    async fn fresh(&self) -> Election {
        let fake = KubeFake::start();
        let admin = Server { url: fake.url(), authorities: None, token: ADMIN.to_owned() };
        Election { name: "nightly".to_owned(), server: admin.clone(), admin, _fake: Some(fake) }
    }

    async fn open(&self, election: &Election) -> Arc<dyn DistributedMutex> {
        mutex(election)
    }

    async fn elapse(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn lease(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn delete_record(&self, election: &Election) -> bool {
        delete(election).await
    }
}

mod on_the_fake {
    leader_election::contract_tests!(super::OnTheFake; flavor = "multi_thread");
}

struct OnAServer(Server);

#[async_trait]
impl Fixture for OnAServer {
    type Election = Election;

    async fn fresh(&self) -> Election {
        let name = fresh("contract");
        let server = self.0.account("default", &name, minimal_role(&name, &["contractone", "contracttwo"])).await;
        Election { name, server, admin: self.0.clone(), _fake: None }
    }

    async fn open(&self, election: &Election) -> Arc<dyn DistributedMutex> {
        mutex(election)
    }

    async fn elapse(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn lease(&self) -> Duration {
        Duration::from_secs(2)
    }

    async fn delete_record(&self, election: &Election) -> bool {
        delete(election).await
    }
}

mod on_a_server {
    use super::{OnAServer, Server};

    leader_election::contract_tests!(
        ignore = "needs a Kubernetes API server: set KUBE_URL, KUBE_CA and KUBE_TOKEN";
        OnAServer(Server::given());
        flavor = "multi_thread"
    );
}
