//! What an operator does and sees.

use std::time::Duration;

use azure_core::http::RequestContent;
use azure_leader_election::{
    BlobDistributedMutex, BlobMutexOptions, Create, DistributedMutex, ErrorKind, LeaseState, SideName,
};
use testbed::azurite::Azurite;
use testbed::{names, sas};

use super::{Place, claim, granted, on_both};

on_both!(a_broken_lease_is_seen_to_run_out_and_an_endless_one_to_be_no_workers, crate::operator::states);
on_both!(the_elections_of_a_container_are_those_that_somebody_led_from_in_order, crate::operator::elections);
on_both!(a_container_of_many_blobs_is_listed_page_by_page, crate::operator::pages);
on_both!(a_container_that_is_absent_has_no_elections_unless_it_must_exist, crate::operator::no_container);

pub async fn states(place: Place) {
    let mutex = place.election("nightly");
    let operator = mutex.operator().unwrap();
    assert_eq!(mutex.observe().await.unwrap().state, LeaseState::Free);
    assert_eq!(operator.break_lease(None).await.unwrap(), Duration::ZERO, "there is not even a blob");

    granted(&mutex, (&claim("leader")).into()).await;
    assert_eq!(mutex.observe().await.unwrap().state, LeaseState::Held);
    let free_in = operator.break_lease(None).await.unwrap();
    assert!(free_in > Duration::ZERO && free_in <= Duration::from_secs(15), "{free_in:?}");
    let seen = mutex.observe().await.unwrap();
    assert_eq!(seen.state, LeaseState::Breaking);
    assert_eq!(seen.leader().unwrap().holder.as_str(), "leader", "it may lead until then");
    assert_eq!(operator.break_lease(Some(Duration::ZERO)).await.unwrap(), Duration::ZERO);
    assert_eq!(mutex.observe().await.unwrap().state, LeaseState::Free);

    place.stranger.blob_client("nightly").acquire_lease(-1, None).await.unwrap();
    let seen = mutex.observe().await.unwrap();
    assert_eq!((seen.state, seen.leader()), (LeaseState::Foreign, None));
    operator.break_lease(None).await.unwrap();
    assert_eq!(mutex.observe().await.unwrap().state, LeaseState::Free);

    // Somebody leases a blob that nobody led from.
    let unled = place.election("unled");
    place.stranger.blob_client("unled").upload(RequestContent::from(Vec::new()), None).await.unwrap();
    place.stranger.blob_client("unled").acquire_lease(15, None).await.unwrap();
    assert_eq!(unled.observe().await.unwrap().state, LeaseState::Foreign);
}

pub async fn elections(place: Place) {
    let names = ["z", "a folder/Größe & <1>", "b%41 c", "a.wishes"];
    for name in names {
        let mutex = place.election(name);
        granted(&mutex, (&claim("leader")).into()).await;
        mutex.side(SideName::new("wish").unwrap()).unwrap().create("soon").await.unwrap();
    }
    place.stranger.blob_client("a-strangers").upload(RequestContent::from(b"content".to_vec()), None).await.unwrap();
    let mut expected = names.map(str::to_owned).to_vec();
    expected.sort();
    assert_eq!(place.election("z").operator().unwrap().elections().await.unwrap(), expected);
    assert_eq!(
        place.election("unled").operator().unwrap().elections().await.unwrap(),
        expected,
        "wherever it is asked"
    );
}

/// Three pages: of an empty blob's metadata the election's record is found on each.
pub async fn pages(place: Place) {
    granted(&place.election("0"), (&claim("leader")).into()).await;
    for blob in 0..1_010 {
        let blob = place.stranger.blob_client(&format!("b{blob:04}"));
        blob.upload(RequestContent::from(Vec::new()), None).await.unwrap();
    }
    for name in ["b0500x", "z"] {
        granted(&place.election(name), (&claim("leader")).into()).await;
    }
    let found = place.election("0").operator().unwrap().elections().await.unwrap();
    assert_eq!(found, ["0", "b0500x", "z"]);
}

pub async fn no_container(place: Place) {
    let mutex = place.election("nightly");
    assert!(mutex.operator().unwrap().elections().await.unwrap().is_empty());
    let options = BlobMutexOptions { create: Create::Nothing, ..Default::default() };
    let strict = mutex.with_options(options).unwrap();
    let error = strict.operator().unwrap().elections().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

/// On Azurite alone: the oracle believes every signature.
#[tokio::test(flavor = "multi_thread")]
async fn a_signature_that_may_lead_but_not_list_is_told_which_permission_it_lacks() {
    let azurite = Azurite::http().await;
    let container = names::unique("beside");
    let url = azurite.container_url(&container);
    granted(&BlobDistributedMutex::for_emulator(&url, "nightly").unwrap(), (&claim("leader")).into()).await;
    let signed = |permissions| {
        let url = format!("{url}?{}", sas::container_sas(&container, permissions));
        BlobDistributedMutex::for_emulator(&url, "other").unwrap()
    };
    let mutex = signed("rcw");
    granted(&mutex, (&claim("leader")).into()).await;
    mutex.side(SideName::new("wish").unwrap()).unwrap().create("soon").await.unwrap();
    let error = mutex.operator().unwrap().elections().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("permission list (l)") && !error.to_string().contains("sig="), "{error}");
    assert_eq!(signed("rcwl").operator().unwrap().elections().await.unwrap(), ["nightly", "other"]);
}
