//! The contract suite over the oracle, by both of its ways. No test waits: the oracle's clock is put forward.

use std::sync::Arc;
use std::time::Duration;

use azure_leader_election::contract::Fixture;
use azure_leader_election::{BlobDistributedMutex, BlobMutexOptions, DistributedMutex, async_trait};

use testbed::credential::signed_in;
use testbed::names;
use testbed::oracle::message::Request;
use testbed::oracle::network::Network;
use testbed::oracle::server::Server;

const BLOB: &str = "a folder/Größe 1";

/// By the SDK's transport, as in Azure: with a token, and the account in the host's name.
struct InMemory;

/// By HTTP, as with Azurite.
struct OverHttp(Server);

#[async_trait]
impl Fixture for InMemory {
    type Election = Network;

    async fn fresh(&self) -> Network {
        Network::new()
    }

    async fn open(&self, election: &Network) -> Arc<dyn DistributedMutex> {
        let options = BlobMutexOptions { transport: Some(election.transport()), ..Default::default() };
        let url = "https://acct.blob.core.windows.net/leases";
        let mutex = BlobDistributedMutex::new(url, BLOB, signed_in()).unwrap();
        Arc::new(mutex.with_options(options).unwrap())
    }

    async fn elapse(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn lease(&self) -> Duration {
        Duration::from_secs(15)
    }

    async fn delete_record(&self, election: &Network) -> bool {
        operate(election, "leases", "DELETE", "", &[]).await;
        true
    }

    async fn break_lease(&self, election: &Network) -> bool {
        operate(election, "leases", "PUT", "?comp=lease", &BREAK).await;
        true
    }
}

#[async_trait]
impl Fixture for OverHttp {
    /// A container that nobody has created yet.
    type Election = String;

    async fn fresh(&self) -> String {
        names::unique("leases")
    }

    async fn open(&self, election: &String) -> Arc<dyn DistributedMutex> {
        Arc::new(BlobDistributedMutex::for_emulator(&self.0.container_url(election), BLOB).unwrap())
    }

    async fn elapse(&self, time: Duration) {
        self.0.network.advance(time);
    }

    fn lease(&self) -> Duration {
        Duration::from_secs(15)
    }

    async fn delete_record(&self, election: &String) -> bool {
        operate(&self.0.network, election, "DELETE", "", &[]).await;
        true
    }

    async fn break_lease(&self, election: &String) -> bool {
        operate(&self.0.network, election, "PUT", "?comp=lease", &BREAK).await;
        true
    }
}

const BREAK: [(&str, &str); 2] = [("x-ms-lease-action", "break"), ("x-ms-lease-break-period", "0")];

/// What an operator does behind the store's back.
async fn operate(network: &Network, container: &str, method: &str, query: &str, headers: &[(&str, &str)]) {
    let url = format!("https://acct.blob.core.windows.net/{container}/{BLOB}{query}").parse().unwrap();
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let response = network.exchange(Request::new(method, &url, headers, "")).await.unwrap();
    assert!(response.is_success(), "{response:?}");
}

mod in_memory {
    azure_leader_election::contract_tests!(super::InMemory; start_paused = true);
}

mod over_http {
    azure_leader_election::contract_tests!(super::OverHttp(super::Server::start()); flavor = "multi_thread");
}
