//! What a leader tells others, and the floor of its token.

use std::collections::HashMap;

use azure_leader_election::{
    Acquire, AcquireRequest, DistributedMutex, ErrorKind, FencingToken, LeaderData, LeaseState,
};
use azure_storage_blob::models::{BlobClientGetPropertiesResultHeaders, BlobClientSetMetadataOptions};

use super::{Place, claim, granted, on_both};

on_both!(any_data_comes_back_whole_and_a_grant_without_leaves_none, crate::data::comes_back);
on_both!(a_repeated_acquire_keeps_its_token_and_may_tell_something_else, crate::data::repeated);
on_both!(plain_data_can_be_read_in_the_metadata_and_no_other_stands_there_as_it_is, crate::data::readable);
on_both!(a_grant_is_above_the_floor_also_when_the_holder_asks_again, crate::data::floor);
on_both!(data_for_which_the_metadata_has_no_room_costs_nobody_a_lease, crate::data::no_room);
on_both!(data_that_no_leader_has_written_is_a_corrupt_record, crate::data::corrupt);

pub async fn comes_back(place: Place) {
    let (leader, standby) = (place.election("nightly"), place.election("nightly"));
    for text in [
        "http://10.0.0.7:8080".to_owned(),
        "a, b; <c> & \"d\" ?e=f".to_owned(),
        " two  spaces\tand a line\nfeed ".to_owned(),
        "Größe 🦀 \u{0}".to_owned(),
        "base64:YQ==".to_owned(),
        "~".repeat(LeaderData::MAX),
        "🦀".repeat(LeaderData::MAX / 4),
    ] {
        let (claim, data) = (claim("leader"), LeaderData::new(text).unwrap());
        granted(&leader, AcquireRequest::new(&claim).with_data(Some(&data))).await;
        let seen = standby.observe().await.unwrap();
        assert_eq!((seen.state, &seen.version), (LeaseState::Held, &None));
        assert_eq!(seen.leader().unwrap().data.as_ref(), Some(&data));
        let Acquire::Held(held) = standby.try_acquire((&super::claim("standby")).into()).await.unwrap() else {
            panic!("the lease is held")
        };
        assert_eq!(held.leader.unwrap().data.as_ref(), Some(&data));
        leader.release(&claim).await.unwrap();
        let seen = standby.observe().await.unwrap();
        assert_eq!((seen.state, seen.latest.unwrap().data.as_ref()), (LeaseState::Free, Some(&data)));
    }
    granted(&leader, (&claim("silent")).into()).await;
    assert_eq!(standby.observe().await.unwrap().latest.unwrap().data, None);
}

pub async fn repeated(place: Place) {
    let mutex = place.election("nightly");
    let claim = claim("leader");
    let [first, second] = ["first", "second"].map(|text| LeaderData::new(text).unwrap());
    let token = granted(&mutex, AcquireRequest::new(&claim).with_data(Some(&first))).await;
    for data in [Some(&first), Some(&second), None] {
        for unsettled in [true, false] {
            let again = AcquireRequest::new(&claim).with_data(data).with_unsettled(unsettled);
            assert_eq!(granted(&mutex, again).await, token);
            assert_eq!(mutex.observe().await.unwrap().latest.unwrap().data.as_ref(), data);
        }
    }
}

pub async fn readable(place: Place) {
    let mutex = place.election("nightly");
    for (text, written) in [("http://10.0.0.7:8080", "http://10.0.0.7:8080"), ("ü", "base64:w7w=")] {
        let (claim, data) = (claim("leader"), LeaderData::new(text).unwrap());
        granted(&mutex, AcquireRequest::new(&claim).with_data(Some(&data))).await;
        assert_eq!(metadata(&place).await["leaderdata"], written);
        mutex.release(&claim).await.unwrap();
    }
}

pub async fn floor(place: Place) {
    let mutex = place.election("nightly");
    let leader = claim("leader");
    let before = granted(&mutex, (&leader).into()).await;
    let floor = FencingToken::new(before.get() + 1_000_000).unwrap();
    for unsettled in [true, false] {
        let request = AcquireRequest::new(&leader).with_unsettled(unsettled).with_floor(Some(floor));
        let raised = granted(&mutex, request).await;
        assert!(raised > floor);
        assert_eq!(
            mutex.observe().await.unwrap().latest.unwrap().fencing_token,
            raised,
            "on record before it is granted"
        );
        assert_eq!(granted(&mutex, request).await, raised, "above the floor, it stays");
    }
    mutex.release(&leader).await.unwrap();
    let next = granted(&mutex, AcquireRequest::new(&claim("next")).with_floor(Some(before))).await;
    assert!(next > floor, "the record counts as much as the floor");
}

pub async fn no_room(place: Place) {
    let mutex = place.election("nightly");
    let leader = claim("leader");
    granted(&mutex, (&leader).into()).await;
    mutex.release(&leader).await.unwrap();
    let mut strangers = metadata(&place).await;
    strangers.insert("team".to_owned(), "x".repeat(4_000));
    place.stranger.blob_client("nightly").set_metadata(&strangers, None).await.unwrap();

    let data = LeaderData::new("x".repeat(LeaderData::MAX)).unwrap();
    let error = mutex.try_acquire(AcquireRequest::new(&claim("talker")).with_data(Some(&data))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidSetting, "{error}");
    granted(&mutex, (&claim("silent")).into()).await;
}

pub async fn corrupt(place: Place) {
    let mutex = place.election("nightly");
    let leader = claim("leader");
    granted(&mutex, (&leader).into()).await;
    let mut edited = metadata(&place).await;
    edited.insert("leaderdata".to_owned(), "base64:no".to_owned() + "?");
    let options = BlobClientSetMetadataOptions { lease_id: Some(leader.id.expose()), ..Default::default() };
    place.stranger.blob_client("nightly").set_metadata(&edited, Some(options)).await.unwrap();
    let error = mutex.observe().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CorruptRecord);
    assert!(error.to_string().contains("leaderdata"), "{error}");
}

async fn metadata(place: &Place) -> HashMap<String, String> {
    place.stranger.blob_client("nightly").get_properties(None).await.unwrap().metadata().unwrap()
}
