//! The suite of `contract` on the broker: rule by rule.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use azure_leader_election::contract::Fixture;
use azure_leader_election::{DistributedMutex, async_trait, contract_tests};
use testbroker::Broker;

use super::common::{QUEUE, broker, mutex};

struct Sessions;

/// One for all rules, each of which has sessions of its own.
static BROKER: LazyLock<Broker> = LazyLock::new(|| broker(Duration::from_secs(5)));

#[async_trait]
impl Fixture for Sessions {
    type Election = String;

    async fn fresh(&self) -> String {
        format!("election-{}", uuid::Uuid::new_v4())
    }

    async fn open(&self, election: &String) -> Arc<dyn DistributedMutex> {
        Arc::new(mutex(&BROKER, election))
    }

    async fn elapse(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn lease(&self) -> Duration {
        Duration::from_secs(2)
    }

    async fn delete_record(&self, election: &String) -> bool {
        BROKER.world().wipe(QUEUE, election);
        true
    }

    /// It cannot be broken from outside: only who has the session can write its state.
    async fn break_lease(&self, _: &String) -> bool {
        false
    }
}

contract_tests!(Sessions; flavor = "multi_thread");
