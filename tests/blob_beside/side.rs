//! Records beside the election's.

use std::sync::Arc;

use azure_core::http::RequestContent;
use azure_leader_election::{
    BlobDistributedMutex, BlobMutexOptions, Create, DistributedMutex, ErrorKind, SideContent, SideName, SideRecord,
    Version, document::Written,
};
use azure_storage_blob::models::{BlobClientGetPropertiesResultHeaders, BlobClientUploadOptions};

use super::{Place, claim, granted, on_both};

on_both!(a_record_changes_by_compare_and_swap_and_its_content_comes_back, crate::side::swaps);
on_both!(of_two_that_write_over_the_same_version_one_has_a_conflict, crate::side::conflict);
on_both!(what_is_written_beside_touches_neither_the_lease_nor_the_term, crate::side::beside);
on_both!(a_blob_that_is_no_record_is_corrupt_and_stays_as_it_is, crate::side::corrupt);
on_both!(a_side_record_is_no_election_and_an_election_no_side_record, crate::side::apart);
on_both!(the_container_is_created_for_a_record_where_it_may_be, crate::side::no_container);

fn wish(mutex: &BlobDistributedMutex) -> Arc<dyn SideRecord> {
    mutex.side(SideName::new("wish").unwrap()).unwrap()
}

fn done(written: Written) -> Version {
    match written {
        Written::Done(version) => version,
        Written::Conflict => panic!("nobody else writes"),
    }
}

pub async fn swaps(place: Place) {
    let mutex = place.election("a folder/Größe 1");
    let record = wish(&mutex);
    assert_eq!(record.read().await.unwrap(), None);
    let mut seen = done(record.create("").await.unwrap());
    assert_eq!(record.read().await.unwrap(), Some(SideContent::new(seen.clone(), "")));
    assert_eq!(record.create("again").await.unwrap(), Written::Conflict);
    for text in ["2026-11-27T02:00:00Z", "Größe\n🦀\0", &"ü".repeat(SideContent::MAX / 2), "", "x"] {
        let next = done(record.replace(&seen, text).await.unwrap());
        assert_ne!(next, seen);
        assert_eq!(record.replace(&seen, "stale").await.unwrap(), Written::Conflict);
        assert_eq!(record.read().await.unwrap(), Some(SideContent::new(next.clone(), text)));
        seen = next;
    }
    for version in ["*", "\"0x0\"", "no version", "\"a\", \"b\""] {
        assert_eq!(record.replace(&Version::new(version).unwrap(), "y").await.unwrap(), Written::Conflict, "{version}");
    }
    let long = "x".repeat(SideContent::MAX + 1);
    assert_eq!(record.replace(&seen, &long).await.unwrap_err().kind(), ErrorKind::InvalidSetting);
    assert_eq!(record.create(&long).await.unwrap_err().kind(), ErrorKind::InvalidSetting);
    assert_eq!(record.read().await.unwrap(), Some(SideContent::new(seen, "x")), "all that was refused changed nothing");
}

pub async fn conflict(place: Place) {
    let [one, other] = [place.election("nightly"), place.election("nightly")].map(|mutex| wish(&mutex));
    let (first, second) = tokio::join!(one.create("same"), other.create("same"));
    let is_done = |written: &Written| matches!(written, Written::Done(_));
    let created = [first.unwrap(), second.unwrap()];
    assert_eq!(created.iter().filter(|written| is_done(written)).count(), 1, "equal content is another's all the same");
    for round in 0..10 {
        let seen = one.read().await.unwrap().unwrap().version;
        let text = round.to_string();
        let (first, second) = tokio::join!(one.replace(&seen, &text), other.replace(&seen, &text));
        let replaced = [first.unwrap(), second.unwrap()];
        assert_eq!(replaced.iter().filter(|written| is_done(written)).count(), 1);
    }
    assert_eq!(place.election("other").side(SideName::new("wish").unwrap()).unwrap().read().await.unwrap(), None);
    assert_eq!(place.election("nightly").side(SideName::new("runs").unwrap()).unwrap().read().await.unwrap(), None);
}

pub async fn beside(place: Place) {
    let mutex = place.election("nightly");
    let leader = claim("leader");
    let token = granted(&mutex, (&leader).into()).await;
    let blob = place.stranger.blob_client("nightly");
    let version = || async { blob.get_properties(None).await.unwrap().etag().unwrap() };
    let before = (version().await, mutex.observe().await.unwrap());
    let seen = done(wish(&mutex).create("soon").await.unwrap());
    done(wish(&mutex).replace(&seen, "later").await.unwrap());
    assert_eq!((version().await, mutex.observe().await.unwrap()), before);
    mutex.release(&leader).await.unwrap();
    blob.delete(None).await.unwrap();
    assert_eq!(wish(&mutex).read().await.unwrap().unwrap().text, "later", "it has a life of its own");
    assert!(granted(&mutex, (&claim("next")).into()).await >= token);
}

pub async fn corrupt(place: Place) {
    let mutex = place.election("nightly");
    let record = wish(&mutex);
    done(record.create("soon").await.unwrap());
    let blob = place.stranger.blob_client("nightly.wish");
    let mark = blob.get_properties(None).await.unwrap().metadata().unwrap();
    assert_eq!(mark.keys().collect::<Vec<_>>(), ["leaderside"]);
    for (content, metadata, said) in [
        (vec![b'x'; SideContent::MAX + 1], Some(mark.clone()), "8,192"),
        (vec![b'x'; 1_000_000], Some(mark.clone()), "8,192"),
        (vec![0xff], Some(mark.clone()), "UTF-8"),
        (b"no mark".to_vec(), None, "leaderside"),
    ] {
        let options = BlobClientUploadOptions { metadata, ..Default::default() };
        blob.upload(RequestContent::from(content.clone()), Some(options)).await.unwrap();
        let error = record.read().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CorruptRecord);
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(record.create("anew").await.unwrap(), Written::Conflict);
        assert_eq!(blob.get_properties(None).await.unwrap().content_length().unwrap(), Some(content.len() as u64));
    }
}

pub async fn apart(place: Place) {
    for name in ["nightly.wish", "nightly.runs", "nightly.terms", "nightly.Wish", ".wish"] {
        let refused = BlobDistributedMutex::for_emulator(&place.url, name).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidSetting);
        assert!(refused.to_string().contains("election name"), "{refused}");
        let azure = BlobDistributedMutex::from_sas_url("https://acct.blob.core.windows.net/leases?sig=x", name);
        assert_eq!(azure.unwrap_err().kind(), ErrorKind::InvalidSetting);
    }
    // Any other name of a record could be an election's too.
    let side = place.election("nightly").side(SideName::new("mine").unwrap()).unwrap();
    done(side.create("soon").await.unwrap());
    let taken = place.election("nightly.mine");
    let error = taken.try_acquire((&claim("leader")).into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CorruptRecord);
    assert!(error.to_string().contains("leaderside"), "{error}");
    assert_eq!(side.read().await.unwrap().unwrap().text, "soon");

    granted(&place.election("nightly.yours"), (&claim("leader")).into()).await;
    let side = place.election("nightly").side(SideName::new("yours").unwrap()).unwrap();
    assert_eq!(side.read().await.unwrap_err().kind(), ErrorKind::CorruptRecord);
    assert_eq!(side.create("soon").await.unwrap(), Written::Conflict);

    let longest = place.election(&"x".repeat(1_024));
    let error = wish(&longest).read().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidSetting, "{error}");
}

pub async fn no_container(place: Place) {
    let options = BlobMutexOptions { create: Create::Blob, ..Default::default() };
    let strict = place.election("nightly").with_options(options).unwrap();
    assert_eq!(wish(&strict).read().await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(wish(&strict).create("soon").await.unwrap_err().kind(), ErrorKind::NotFound);
    let record = wish(&place.election("nightly"));
    assert_eq!(record.replace(&Version::new("\"0x0\"").unwrap(), "soon").await.unwrap(), Written::Conflict);
    done(record.create("soon").await.unwrap());
    assert_eq!(wish(&strict).read().await.unwrap().unwrap().text, "soon");
}
