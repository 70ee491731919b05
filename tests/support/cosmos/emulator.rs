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

use azure_core::http::Url;
use azure_data_cosmos_driver::in_memory_emulator::{
    ConsistencyLevel, EmulatorStore, InMemoryEmulatorHttpClient, ReplicationConfig, VirtualAccountConfig,
    VirtualRegion, WriteMode,
};
use tokio::runtime::{EnterGuard, Runtime};

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
    // None only while it is dropped.
    runtime: Option<Runtime>,
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
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("cosmos-emulator")
            .enable_all()
            .build()
            .expect("threads");

        let ports: Vec<_> = options.regions.iter().map(|_| listen()).collect();
        let account = Arc::new(Account {
            client: Arc::new(InMemoryEmulatorHttpClient::new(configuration(options, &ports))),
            faults: Faults::default(),
            requests: Requests::default(),
        });

        let (front, endpoint) = listen();
        runtime.spawn(Gateway::front(Arc::clone(&account)).serve(front));
        for (listener, url) in ports {
            runtime.spawn(Gateway::region(Arc::clone(&account), url).serve(listener));
        }
        Self { account, endpoint, runtime: Some(runtime) }
    }

    /// The account's endpoint, plain http. It leads to the region that takes the writes, as the one of Azure does.
    pub fn endpoint(&self) -> String {
        self.endpoint.to_string()
    }

    /// The account's key; what is signed with another one gets 401.
    pub fn key(&self) -> &'static str {
        super::KEY
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
        self.runtime.as_ref().expect("there until it is dropped")
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // A test's own runtime does not allow to wait for these threads.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
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

/// A free port; nobody can take it in between.
fn listen() -> (TcpListener, Url) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a socket that does not block");
    let address = listener.local_addr().expect("an address");
    (listener, Url::parse(&format!("http://{address}/")).expect("a URL"))
}
