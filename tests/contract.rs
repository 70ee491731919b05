//! Every store passes the contract suite.

#![cfg(feature = "contract")]
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod memory {
    use std::sync::Arc;
    use std::time::Duration;

    use azure_leader_election::contract::Fixture;
    use azure_leader_election::{DistributedMutex, MemoryMutex, async_trait};

    struct Memory;

    #[async_trait]
    impl Fixture for Memory {
        type Election = MemoryMutex;

        async fn fresh(&self) -> MemoryMutex {
            MemoryMutex::new()
        }

        async fn open(&self, election: &MemoryMutex) -> Arc<dyn DistributedMutex> {
            Arc::new(election.clone())
        }

        async fn elapse(&self, time: Duration) {
            tokio::time::sleep(time).await;
        }

        fn lease(&self) -> Duration {
            Duration::from_secs(1)
        }
    }

    azure_leader_election::contract_tests!(Memory; start_paused = true);
}
