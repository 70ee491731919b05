//! Tokens of real elections.

use azure_core::http::RequestContent;
use azure_leader_election::{Acquire, AcquireRequest, ErrorKind};
use azure_leader_election::{BlobDistributedMutex, Claim, DistributedMutex, FencedBlob, FencingToken, HolderId};
use std::time::Duration;

use super::{Bench, assert_fenced, names};
use testbed::azurite::Azurite;
use testbed::operator;

/// Elects somebody, and lets go again.
async fn elect(mutex: &dyn DistributedMutex) -> FencingToken {
    let claim = Claim::new(HolderId::new("somebody").unwrap(), Duration::from_secs(15));
    let mut lapsed = None;
    loop {
        match mutex.try_acquire(AcquireRequest::new(&claim).with_lapsed(lapsed.as_ref())).await.unwrap() {
            Acquire::Granted(grant) => {
                mutex.release(&claim).await.unwrap();
                return grant.fencing_token;
            }
            Acquire::Held(held) => lapsed = held.version,
        }
    }
}

#[tokio::test]
async fn invariant_2_the_token_after_a_deleted_and_recreated_lease_blob_fences_the_older_ones_out() {
    let bench = Bench::new().await;
    let azurite = Azurite::http().await;
    let leases = names::unique("leases");
    let mutex = BlobDistributedMutex::for_emulator(&azurite.container_url(&leases), "nightly").unwrap();
    let before = elect(&mutex).await;
    let older = FencedBlob::new(&bench.container, "state", before).unwrap();
    older.overwrite("before", None).await.unwrap();

    operator::blob_client(azurite, &leases, "nightly").delete(None).await.unwrap();
    let after = elect(&mutex).await;
    FencedBlob::new(&bench.container, "state", after).unwrap().overwrite("after", None).await.unwrap();
    assert_fenced(older.overwrite("late", None).await, after.get());
}

/// An election that moves to another store: both count by their service's clock.
#[tokio::test(flavor = "multi_thread")]
async fn invariant_2_the_token_of_a_second_election_store_fences_the_older_ones_out() {
    use testbed::cosmos::{EmulatorOptions, election};

    let bench = Bench::new().await;
    let azurite = Azurite::http().await;
    let blob = BlobDistributedMutex::for_emulator(&azurite.container_url(&names::unique("leases")), "nightly").unwrap();
    let emulator = election::emulator(EmulatorOptions::default());
    let cosmos = election::mutex(&emulator);

    let mut last: Option<FencedBlob> = None;
    for mutex in [&blob as &dyn DistributedMutex, &cosmos, &blob, &cosmos] {
        // Of Cosmos DB's clock only whole seconds are known.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let token = elect(mutex).await;
        let state = FencedBlob::new(&bench.container, "state", token).unwrap();
        state.overwrite("by the newer", None).await.unwrap();
        if let Some(older) = last.replace(state) {
            assert_fenced(older.overwrite("late", None).await, token.get());
        }
    }
}

#[tokio::test]
async fn a_term_in_the_lease_blob_above_2_to_the_53_or_malformed_elects_nobody() {
    let azurite = Azurite::http().await;
    let leases = names::unique("leases");
    let mutex = BlobDistributedMutex::for_emulator(&azurite.container_url(&leases), "nightly").unwrap();
    elect(&mutex).await;
    let blob = operator::blob_client(azurite, &leases, "nightly");
    let properties = blob.download(None).await.unwrap().properties;
    let key = properties.metadata.keys().find(|key| key.contains("term") || key.contains("token")).unwrap().clone();
    for value in ["9007199254740992", "18446744073709551616", "-1", "0", "7x", ""] {
        let mut metadata = properties.metadata.clone();
        metadata.insert(key.clone(), value.to_owned());
        let options =
            azure_storage_blob::models::BlockBlobClientUploadOptions { metadata: Some(metadata), ..Default::default() };
        blob.upload(RequestContent::from(Vec::new()), Some(options)).await.unwrap();
        let claim = Claim::new(HolderId::new("somebody").unwrap(), Duration::from_secs(15));
        let error = mutex.try_acquire((&claim).into()).await.expect_err(value);
        assert_eq!(error.kind(), ErrorKind::CorruptRecord, "{value:?}: {error}");
    }
}
