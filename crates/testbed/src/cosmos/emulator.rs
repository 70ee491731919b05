//! Microsoft's in-memory emulator of Cosmos DB, served by this process to every process of this machine.

mod authorize;
mod content;
mod faults;
mod gateway;
mod in_process;
mod regions;
mod requests;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::Secret;
use azure_core::http::Url;
use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos_driver::in_memory_emulator::{
    ConsistencyLevel, EmulatorStore, InMemoryEmulatorHttpClient, ReplicationConfig, VirtualAccountConfig,
    VirtualRegion, WriteMode,
};
use tokio::runtime::{EnterGuard, Runtime};

use super::client;
use crate::http::{Threads, listen};
use faults::Faults;
use gateway::Gateway;
use requests::Requests;

pub use requests::Kind;

/// A running account without databases, that ends when this value is dropped.
///
/// It answers on threads of its own: it serves tests with paused time, and outlives each test's runtime. No function
/// here waits for longer than its work takes, so none is async.
#[derive(Debug)]
pub struct Emulator {
    account: Arc<Account>,
    endpoint: Url,
    threads: Threads,
}

#[derive(Debug, Clone, Copy)]
pub struct EmulatorOptions {
    /// Names as Azure spells them. The first takes the writes; the others follow it.
    pub regions: &'static [&'static str],
    /// Every region takes writes, and of two the later one stays: compare and swap proves nothing.
    pub multi_write: bool,
    /// What the account says. The emulator does not wait for it: what it does is up to `replication_delay`.
    pub consistency: ConsistencyLevel,
    /// How long until a write is in the other regions; with zero it is there before it is answered.
    pub replication_delay: Duration,
}

impl Default for EmulatorOptions {
    fn default() -> Self {
        Self {
            regions: &["East US"],
            multi_write: false,
            consistency: ConsistencyLevel::Session,
            replication_delay: Duration::ZERO,
        }
    }
}

/// What the gateways of one account share.
#[derive(Debug)]
struct Account {
    client: Arc<InMemoryEmulatorHttpClient>,
    faults: Faults,
    requests: Requests,
}

impl Emulator {
    /// An account of the caller's own; it takes a few milliseconds.
    pub fn start(options: EmulatorOptions) -> Self {
        super::assert_that_clients_stay_here();
        let threads = Threads::start("cosmos-emulator", 2);
        let ports: Vec<_> = options.regions.iter().map(|_| port()).collect();
        let account = Arc::new(Account {
            client: Arc::new(InMemoryEmulatorHttpClient::new(configuration(options, &ports))),
            faults: Faults::default(),
            requests: Requests::default(),
        });

        let (front, endpoint) = port();
        let gateway = Gateway::front(Arc::clone(&account));
        threads.serve(front, move |head, body| gateway.clone().answer(head, body));
        for (listener, url) in ports {
            let gateway = Gateway::region(Arc::clone(&account), url);
            threads.serve(listener, move |head, body| gateway.clone().answer(head, body));
        }
        Self { account, endpoint, threads }
    }

    /// The account's endpoint, plain http. It leads to the region that takes the writes, as the one of Azure does.
    pub fn endpoint(&self) -> String {
        self.endpoint.to_string()
    }

    /// The account's key; what is signed with another one gets 401.
    pub fn key(&self) -> &'static str {
        super::KEY
    }

    /// A client of that container with the SDK's own retries.
    pub async fn container(&self, database: &str, container: &str) -> ContainerClient {
        let key = Secret::new(self.key());
        client::container(&self.endpoint(), key, database, container).await.expect("connected")
    }

    /// How many requests of this method, in upper case, have arrived over http, also those answered with a fault.
    pub fn requests(&self, method: &str, kind: Kind) -> u64 {
        self.account.requests.count(method, kind)
    }

    /// All that Microsoft's emulator can do; what spawns tasks there must be called inside [`Emulator::enter`].
    pub fn store(&self) -> Arc<EmulatorStore> {
        self.account.client.store()
    }

    /// Until the guard is dropped, what this thread spawns runs on the emulator's threads.
    pub fn enter(&self) -> EnterGuard<'_> {
        self.runtime().enter()
    }

    fn runtime(&self) -> &Runtime {
        self.threads.runtime()
    }
}

fn configuration(options: EmulatorOptions, ports: &[(TcpListener, Url)]) -> VirtualAccountConfig {
    let regions = options.regions.iter().zip(ports);
    let regions = regions.map(|(name, (_, url))| VirtualRegion::new(name, url.clone())).collect();
    let mode = if options.multi_write { WriteMode::Multi } else { WriteMode::Single };
    VirtualAccountConfig::new(regions)
        .expect("a region")
        .with_write_mode(mode)
        .with_consistency(options.consistency)
        .with_replication_config(ReplicationConfig::fixed(options.replication_delay))
}

fn port() -> (TcpListener, Url) {
    let (listener, address) = listen();
    (listener, Url::parse(&format!("http://{address}/")).expect("a URL"))
}
