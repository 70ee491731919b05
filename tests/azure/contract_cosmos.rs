//! The Cosmos DB store passes the contract suite, on Microsoft's emulator and on a server of other people, over HTTP.
//!
//! With `LEADER_COSMOS_ENDPOINT` and `LEADER_COSMOS_KEY` set, the tests `with_a_key` run on that account instead of the
//! in-memory emulator: on the emulator's Docker image, for one.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use azure_core::credentials::Secret;
use azure_leader_election::contract::Fixture;
use azure_leader_election::{CosmosAddress, CosmosDistributedMutex, CosmosMutexOptions, DistributedMutex, async_trait};
use testbed::cosmos::{Emulator, EmulatorOptions, EmulatorToken, KEY, VercelServer};
use testbed::names;

/// Which account, and by what right.
#[derive(Clone, Copy)]
enum Account {
    EmulatorByKey,
    EmulatorByToken,
    /// By a client of the caller's, with the SDK's own retries.
    EmulatorByClient,
    Vercel,
}

struct Cosmos(Account);

const DATABASE: &str = "workers";
const CONTAINER: &str = "leaders";

/// An account that somebody else runs.
fn external() -> Option<(String, String)> {
    Some((std::env::var("LEADER_COSMOS_ENDPOINT").ok()?, std::env::var("LEADER_COSMOS_KEY").ok()?))
}

fn create() -> CosmosMutexOptions {
    CosmosMutexOptions { create: true, ..Default::default() }
}

fn emulator() -> &'static Emulator {
    static EMULATOR: OnceLock<Emulator> = OnceLock::new();
    EMULATOR.get_or_init(|| {
        let emulator = Emulator::start(EmulatorOptions::default());
        emulator.create_container(DATABASE, CONTAINER);
        emulator
    })
}

/// An election is a document of its own, which does not exist yet; a mutex and its connection are one process's.
#[async_trait]
impl Fixture for Cosmos {
    type Election = String;

    async fn fresh(&self) -> String {
        names::unique("an election: größer")
    }

    async fn open(&self, election: &String) -> Arc<dyn DistributedMutex> {
        let leaders = |endpoint: &str| CosmosAddress::new(endpoint, DATABASE, CONTAINER).expect("valid");
        let with_key = |endpoint: &str| {
            CosmosDistributedMutex::with_key(leaders(endpoint), election, Secret::new(KEY)).expect("valid")
        };
        let mutex = match self.0 {
            Account::EmulatorByKey => match external() {
                Some((endpoint, key)) => {
                    CosmosDistributedMutex::with_key(leaders(&endpoint), election, Secret::new(key))
                        .and_then(|mutex| mutex.with_options(create()))
                        .expect("valid")
                }
                None => with_key(&emulator().endpoint()),
            },
            Account::EmulatorByToken => {
                let credential = Arc::new(EmulatorToken::DataContributor);
                CosmosDistributedMutex::new(leaders(&emulator().endpoint()), election, credential).expect("valid")
            }
            Account::EmulatorByClient => {
                let client = emulator().container(DATABASE, CONTAINER).await;
                CosmosDistributedMutex::from_container_client(client, election).expect("valid")
            }
            Account::Vercel => {
                with_key(&VercelServer::shared().await.endpoint()).with_options(create()).expect("valid")
            }
        };
        // Connected here, as the suite bounds some calls to milliseconds.
        for _ in 0..20 {
            if mutex.observe().await.is_ok() {
                break;
            }
        }
        Arc::new(mutex)
    }

    async fn elapse(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn lease(&self) -> Duration {
        Duration::from_secs(3)
    }

    async fn delete_record(&self, election: &String) -> bool {
        if matches!(self.0, Account::Vercel) || external().is_some() {
            return false;
        }
        emulator().delete_document(DATABASE, CONTAINER, election);
        true
    }
}

mod on_the_emulator_with_a_key {
    azure_leader_election::contract_tests!(super::Cosmos(super::Account::EmulatorByKey); flavor = "multi_thread");
}

mod on_the_emulator_with_a_client_of_the_callers {
    azure_leader_election::contract_tests!(super::Cosmos(super::Account::EmulatorByClient); flavor = "multi_thread");
}

mod on_the_emulator_with_a_token {
    azure_leader_election::contract_tests!(super::Cosmos(super::Account::EmulatorByToken); flavor = "multi_thread");
}

mod on_a_server_of_other_people {
    azure_leader_election::contract_tests!(super::Cosmos(super::Account::Vercel); flavor = "multi_thread");
}
