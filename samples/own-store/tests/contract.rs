//! The whole contract, on a database file in a temporary folder.

#![allow(clippy::expect_used, reason = "a fixture may panic as its tests do")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use leader_election::contract::Fixture;
use leader_election::{DistributedMutex, async_trait};
use tempfile::TempDir;

struct Sqlite;

/// A folder with the database of one election. It is removed with it.
struct Folder(TempDir);

impl Folder {
    fn database(&self) -> PathBuf {
        self.0.path().join("app.db")
    }
}

#[async_trait]
impl Fixture for Sqlite {
    type Election = Folder;

    async fn fresh(&self) -> Folder {
        Folder(tempfile::tempdir().expect("a temporary folder"))
    }

    async fn open(&self, election: &Folder) -> Arc<dyn DistributedMutex> {
        Arc::new(own_store::elect(election.database(), "nightly").expect("a valid name"))
    }

    async fn elapse(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn lease(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn delete_record(&self, election: &Folder) -> bool {
        let connection = rusqlite::Connection::open(election.database()).expect("the database opens");
        connection.execute("DELETE FROM leader_election", []).expect("the table is there") > 0
    }
}

leader_election::contract_tests!(Sqlite; flavor = "multi_thread");
