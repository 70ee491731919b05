//! Every store passes the contract suite.

mod wrong;

/// The part that all document stores share, on a record in memory.
mod document {
    use std::sync::Arc;
    use std::time::Duration;

    use leader_election::contract::Fixture;
    use leader_election::document::DocumentMutex;
    use leader_election::{DistributedMutex, async_trait};

    use testkit::store::MemoryDocument;

    /// How often the transport repeats a write that was carried out, and is refused.
    struct Document {
        phantom_every: usize,
    }

    #[async_trait]
    impl Fixture for Document {
        type Election = MemoryDocument;

        async fn fresh(&self) -> MemoryDocument {
            MemoryDocument::new(self.phantom_every)
        }

        async fn open(&self, election: &MemoryDocument) -> Arc<dyn DistributedMutex> {
            Arc::new(DocumentMutex::new(election.clone()))
        }

        async fn elapse(&self, time: Duration) {
            tokio::time::sleep(time).await;
        }

        fn lease(&self) -> Duration {
            Duration::from_secs(1)
        }

        async fn delete_record(&self, election: &MemoryDocument) -> bool {
            election.delete();
            true
        }
    }

    mod plain {
        leader_election::contract_tests!(super::Document { phantom_every: usize::MAX }; start_paused = true);
    }

    mod with_every_write_refused_although_carried_out {
        leader_election::contract_tests!(super::Document { phantom_every: 1 }; start_paused = true);
    }

    mod with_every_third_write_refused_although_carried_out {
        leader_election::contract_tests!(super::Document { phantom_every: 3 }; start_paused = true);
    }
}

mod memory {
    use std::sync::Arc;
    use std::time::Duration;

    use leader_election::contract::Fixture;
    use leader_election::{DistributedMutex, MemoryMutex, async_trait};

    struct Memory;

    #[async_trait]
    impl Fixture for Memory {
        type Election = MemoryMutex;

        async fn fresh(&self) -> MemoryMutex {
            MemoryMutex::named("nightly")
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

    leader_election::contract_tests!(Memory; start_paused = true);
}

/// The store for users' tests, as long as its script says nothing.
mod scripted {
    use std::sync::Arc;
    use std::time::Duration;

    use leader_election::contract::Fixture;
    use leader_election::test_util::ScriptedMutex;
    use leader_election::{DistributedMutex, async_trait};

    struct Scripted;

    #[async_trait]
    impl Fixture for Scripted {
        type Election = ScriptedMutex;

        async fn fresh(&self) -> ScriptedMutex {
            ScriptedMutex::named("nightly")
        }

        async fn open(&self, election: &ScriptedMutex) -> Arc<dyn DistributedMutex> {
            Arc::new(election.clone())
        }

        async fn elapse(&self, time: Duration) {
            tokio::time::sleep(time).await;
        }

        fn lease(&self) -> Duration {
            Duration::from_secs(1)
        }
    }

    leader_election::contract_tests!(Scripted; start_paused = true);
}
