//! The file store passes the contract suite, on the disk that holds the temporary files.

use std::sync::Arc;
use std::time::Duration;

use leader_election::contract::Fixture;
use leader_election::{DistributedMutex, FileMutex, async_trait};
use tempfile::TempDir;

struct Files;

/// An election is a directory of its own, in which there is no record yet.
#[async_trait]
impl Fixture for Files {
    type Election = TempDir;

    async fn fresh(&self) -> TempDir {
        tempfile::tempdir().expect("a directory")
    }

    async fn open(&self, directory: &TempDir) -> Arc<dyn DistributedMutex> {
        Arc::new(FileMutex::new(directory.path(), "nightly").expect("valid"))
    }

    async fn elapse(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// The shortest. A third of it is no whole number of milliseconds, in which the record counts.
    fn lease(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn delete_record(&self, directory: &TempDir) -> bool {
        std::fs::remove_file(directory.path().join("nightly.json")).expect("there is one");
        true
    }

    /// As an operator does with an editor.
    async fn break_lease(&self, directory: &TempDir) -> bool {
        let path = directory.path().join("nightly.json");
        let mut record: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).expect("there is one")).expect("JSON");
        record["holder"] = "".into();
        std::fs::write(path, record.to_string()).expect("written");
        true
    }
}

leader_election::contract_tests!(Files; flavor = "multi_thread");
