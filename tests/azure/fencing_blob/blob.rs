//! Overwriting and deleting, by the blob's tag.

use std::num::NonZero;

use azure_core::http::{Body, RequestContent, RetryOptions};
use azure_core::stream::BytesStream;
use azure_leader_election::{ErrorKind, FencedBlob};
use azure_storage_blob::models::{BlobTag, BlobTags, BlockBlobClientUploadOptions};

use super::{Bench, assert_fenced, assert_kind, text, token};
use testbed::azurite::Azurite;
use testbed::mischief::Fate;

#[tokio::test]
async fn an_older_leader_can_neither_overwrite_nor_delete_nor_raise_what_a_newer_one_has_written() {
    let bench = Bench::new().await;
    let (older, newer) = (bench.leader(6), bench.leader(7));
    older.overwrite("by 6", None).await.unwrap();
    newer.overwrite("by 7", None).await.unwrap();
    assert_fenced(older.overwrite("late", None).await, 7);
    assert_fenced(older.delete().await, 7);
    assert_fenced(older.purge().await, 7);
    assert_fenced(older.raise().await, 7);
    assert_eq!(text(older.read().await.unwrap()).unwrap(), "by 7");
    newer.overwrite("by 7 again", None).await.unwrap();
}

#[tokio::test]
async fn a_raised_fence_refuses_an_older_leader_before_anything_is_written() {
    let bench = Bench::new().await;
    let (older, newer) = (bench.leader(6), bench.leader(7));
    older.overwrite("by 6", None).await.unwrap();
    newer.raise().await.unwrap();
    assert_eq!(text(newer.read().await.unwrap()).unwrap(), "by 6");
    assert_fenced(older.overwrite("late", None).await, 7);
    newer.overwrite("by 7", None).await.unwrap();
}

#[tokio::test]
async fn the_fence_of_an_absent_blob_can_be_raised_too() {
    let bench = Bench::new().await;
    bench.leader(7).raise().await.unwrap();
    assert_fenced(bench.leader(6).overwrite("late", None).await, 7);
    assert_eq!(bench.leader(7).read().await.unwrap(), None);
    bench.leader(7).overwrite("by 7", None).await.unwrap();
    assert_eq!(text(bench.leader(7).read().await.unwrap()).unwrap(), "by 7");
}

#[tokio::test]
async fn a_fenced_write_costs_one_request() {
    let bench = Bench::new().await;
    let leader = bench.leader(7);
    leader.overwrite("first", None).await.unwrap();
    println!("first write to a new blob: {:?}", bench.mischief.take_sent());
    leader.overwrite("second", None).await.unwrap();
    assert_eq!(bench.mischief.take_sent(), ["PUT"], "a write");
    bench.leader(8).overwrite("third", None).await.unwrap();
    assert_eq!(bench.mischief.take_sent(), ["PUT"], "the first write of a new leader");
    leader.overwrite("late", None).await.unwrap_err();
    assert_eq!(bench.mischief.take_sent(), ["PUT", "GET tags"], "a refused one, which learns by whom");
}

#[tokio::test]
async fn a_stream_in_blocks_is_fenced_by_its_last_request() {
    let bench = Bench::new().await;
    let blocks = || {
        let content: Vec<u8> = (0..5_000_u32).map(|number| number as u8).collect();
        let options = BlockBlobClientUploadOptions { partition_size: NonZero::new(1_024), ..Default::default() };
        (Body::SeekableStream(Box::new(BytesStream::new(content))), Some(options))
    };
    let (stream, options) = blocks();
    bench.leader(7).overwrite(stream, options).await.unwrap();
    assert!(bench.mischief.take_sent().iter().filter(|sent| *sent == "PUT block").count() >= 4, "it went in blocks");
    let whole = bench.leader(7).read().await.unwrap().unwrap();
    assert_eq!(whole.bytes.len(), 5_000);

    let (stream, options) = blocks();
    assert_fenced(bench.leader(6).overwrite(stream, options).await, 7);
    assert_eq!(bench.leader(7).read().await.unwrap().unwrap(), whole, "nothing of it is to be seen");
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_an_error_that_says_so_and_can_be_written_over() {
    let bench = Bench::new().await;
    let leader = bench.leader(7);
    leader.overwrite("first", None).await.unwrap();
    bench.mischief.next([Fate::LoseAnswer]);
    let error = leader.overwrite("second", None).await.unwrap_err();
    assert!(error.is_transient(), "nobody knows: {error}");
    leader.overwrite("third", None).await.unwrap();
    assert_eq!(text(leader.read().await.unwrap()).unwrap(), "third");
}

#[tokio::test]
async fn a_late_duplicate_of_a_leaders_own_write_changes_nothing() {
    let bench = Bench::new().await;
    let leader = bench.leader(7);
    leader.overwrite("first", None).await.unwrap();
    bench.mischief.next([Fate::Delay]);
    leader.overwrite("second", None).await.unwrap_err();
    leader.overwrite("third", None).await.unwrap();
    bench.mischief.deliver();
    assert_eq!(text(leader.read().await.unwrap()).unwrap(), "third");
    assert_eq!(bench.mischief.delivered(), [412], "refused by the service itself");
}

#[tokio::test]
async fn the_clients_own_repetition_of_a_write_that_was_carried_out_is_no_conflict() {
    let bench = Bench::new().await;
    let retrying = bench.mischief.client_with(Azurite::http().await, &bench.name, RetryOptions::default());
    let leader = FencedBlob::new(&retrying, "state", token(7)).unwrap();
    leader.overwrite("first", None).await.unwrap();
    bench.mischief.take_sent();
    bench.mischief.next([Fate::LoseAnswer]);
    let etag = leader.overwrite("second", None).await.unwrap();
    assert_eq!(bench.mischief.take_sent(), ["PUT", "PUT", "GET tags", "HEAD"], "the client sent it twice");
    let stands = leader.read().await.unwrap().unwrap();
    assert_eq!((stands.etag.clone(), text(Some(stands)).unwrap()), (etag, "second".to_owned()));
}

#[tokio::test]
async fn a_write_over_a_version_that_is_gone_is_a_conflict_and_not_a_fence() {
    let bench = Bench::new().await;
    let (older, newer) = (bench.leader(6), bench.leader(7));
    older.overwrite("by 6", None).await.unwrap();
    let seen = newer.read().await.unwrap().unwrap();
    // The older leader's last write goes through before the newer one's first: it must not be lost.
    older.overwrite("by 6 again", None).await.unwrap();
    let over = |etag| Some(BlockBlobClientUploadOptions { if_match: Some(etag), ..Default::default() });
    let message = assert_kind(newer.overwrite("by 7", over(seen.etag)).await, ErrorKind::Conflict);
    assert!(message.contains("changed since it was read"), "{message}");
    let seen = newer.read().await.unwrap().unwrap();
    newer.overwrite("by 7", over(seen.etag)).await.unwrap();
    assert_fenced(older.overwrite("late", None).await, 7);
}

#[tokio::test]
async fn a_deleted_blob_keeps_its_fence_and_a_purged_one_does_not() {
    let bench = Bench::new().await;
    let (older, newer) = (bench.leader(6), bench.leader(7));
    older.overwrite("by 6", None).await.unwrap();
    newer.delete().await.unwrap();
    assert_eq!(newer.read().await.unwrap(), None);
    assert_fenced(older.overwrite("late", None).await, 7);
    newer.overwrite("back again", None).await.unwrap();
    newer.purge().await.unwrap();
    newer.purge().await.unwrap();
    assert_eq!(newer.read().await.unwrap(), None);
    older.overwrite("what its documentation warns of", None).await.unwrap();
}

#[tokio::test]
async fn other_tags_and_all_options_are_kept() {
    let bench = Bench::new().await;
    let options = BlockBlobClientUploadOptions {
        blob_tags_string: Some("project=x%20y".to_owned()),
        blob_content_type: Some("text/plain".to_owned()),
        ..Default::default()
    };
    bench.leader(6).overwrite("by 6", Some(options)).await.unwrap();
    bench.leader(7).raise().await.unwrap();
    let tags = bench.plain().get_tags(None).await.unwrap().into_model().unwrap().blob_tag_set.unwrap();
    let project = tags.iter().find(|tag| tag.key.as_deref() == Some("project"));
    assert_eq!(project.and_then(|tag| tag.value.as_deref()), Some("x y"));
    let properties = bench.plain().download(None).await.unwrap().properties;
    assert_eq!(properties.content_type.as_deref(), Some("text/plain"));
    for options in [
        BlockBlobClientUploadOptions { if_tags: Some("\"a\" = 'b'".to_owned()), ..Default::default() },
        BlockBlobClientUploadOptions::default().if_not_exists(),
    ] {
        assert_kind(bench.leader(7).overwrite("x", Some(options)).await, ErrorKind::InvalidSetting);
    }
}

#[tokio::test]
async fn a_fence_that_another_program_set_without_a_number_holds_as_well() {
    let bench = Bench::new().await;
    bench.leader(1).overwrite("first", None).await.unwrap();
    set_tag(&bench, "00000000000000000007").await;
    assert_fenced(bench.leader(6).overwrite("late", None).await, 7);
    bench.leader(7).overwrite("by 7", None).await.unwrap();
}

#[tokio::test]
async fn a_tag_that_is_no_token_and_a_blob_without_one_are_errors_that_say_what_to_do() {
    let bench = Bench::new().await;
    bench.plain().upload(RequestContent::from(b"unfenced".to_vec()), None).await.unwrap();
    let message = assert_kind(bench.leader(7).overwrite("x", None).await, ErrorKind::InvalidSetting);
    assert!(message.contains("az storage blob tag set"), "{message}");
    assert_kind(bench.leader(7).raise().await, ErrorKind::InvalidSetting);

    // All of them are above the leader's own as texts, so the service refuses the write, and the reason is looked for.
    for malformed in ["zzz", "7", "00009007199254740992", "00000000000000000008-1"] {
        set_tag(&bench, malformed).await;
        assert_kind(bench.leader(7).overwrite("x", None).await, ErrorKind::CorruptRecord);
    }
    assert_eq!(text(bench.leader(7).read().await.unwrap()).unwrap(), "unfenced");
}

#[tokio::test]
async fn an_account_without_tags_is_sent_to_the_other_way_and_a_missing_right_is_named() {
    let bench = Bench::new().await;
    for (status, code, kind, part) in [
        (409, "FeatureNotYetSupportedForHierarchicalNamespaceAccounts", ErrorKind::InvalidSetting, "FencedStateBlob"),
        (400, "BlobTagsNotSupportedForAccountType", ErrorKind::InvalidSetting, "FencedStateBlob"),
        (403, "AuthorizationPermissionMismatch", ErrorKind::Denied, "Storage Blob Data Owner"),
    ] {
        bench.mischief.next([Fate::Refuse(status, code)]);
        let message = assert_kind(bench.leader(7).overwrite("x", None).await, kind);
        assert!(message.contains(part) && !message.contains("sig="), "{message}");
    }
}

#[tokio::test]
async fn an_absent_container_is_named() {
    let bench = Bench::new().await;
    bench.container.delete(None).await.unwrap();
    let message = assert_kind(bench.leader(7).overwrite("x", None).await, ErrorKind::NotFound);
    assert!(message.contains("create the container"), "{message}");
}

async fn set_tag(bench: &Bench, value: &str) {
    let tag = BlobTag { key: Some("fence".to_owned()), value: Some(value.to_owned()) };
    let tags = RequestContent::try_from(BlobTags { blob_tag_set: Some(vec![tag]) }).unwrap();
    bench.plain().set_tags(tags, None).await.unwrap();
}
