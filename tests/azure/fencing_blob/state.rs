//! The way without tags, by the blob's ETag.

use azure_core::http::RequestContent;
use azure_leader_election::{ErrorKind, FencedStateBlob};
use azure_storage_blob::models::BlockBlobClientUploadOptions;

use super::{Bench, assert_fenced, assert_kind, text, token};
use testbed::mischief::Fate;

async fn open(bench: &Bench, number: u64) -> azure_leader_election::Result<FencedStateBlob> {
    FencedStateBlob::open(&bench.container, "state", token(number)).await
}

#[tokio::test]
async fn an_older_leader_is_refused_from_the_moment_a_newer_one_has_opened_it() {
    let bench = Bench::new().await;
    let mut older = open(&bench, 6).await.unwrap();
    assert_eq!(older.read().await.unwrap(), None);
    older.overwrite("by 6", None).await.unwrap();
    let mut newer = open(&bench, 7).await.unwrap();
    assert_fenced(older.overwrite("late", None).await, 7);
    assert_fenced(older.delete().await, 7);
    assert_fenced(older.read().await, 7);
    assert_fenced(open(&bench, 6).await, 7);
    assert_eq!(text(newer.read().await.unwrap()).unwrap(), "by 6");
    newer.overwrite("by 7", None).await.unwrap();
    assert_fenced(older.overwrite("late", None).await, 7);
    assert_eq!(text(newer.read().await.unwrap()).unwrap(), "by 7");
}

#[tokio::test]
async fn a_fenced_write_costs_one_request_and_no_tags_are_touched() {
    let bench = Bench::new().await;
    let mut state = open(&bench, 7).await.unwrap();
    println!("opening a new blob: {:?}", bench.mischief.take_sent());
    state.overwrite("one", None).await.unwrap();
    assert_eq!(bench.mischief.take_sent(), ["PUT"]);
    state.overwrite("two", None).await.unwrap();
    assert_eq!(bench.mischief.take_sent(), ["PUT"]);
    let mut next = open(&bench, 8).await.unwrap();
    assert_eq!(bench.mischief.take_sent(), ["HEAD", "PUT metadata"], "taking it over");
    next.overwrite("three", None).await.unwrap();
    assert_eq!(bench.mischief.take_sent(), ["PUT"]);
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_recognised() {
    let bench = Bench::new().await;
    let mut state = open(&bench, 7).await.unwrap();
    bench.mischief.next([Fate::LoseAnswer]);
    assert!(state.overwrite("one", None).await.unwrap_err().is_transient());
    assert_eq!(text(state.read().await.unwrap()).unwrap(), "one");
    bench.mischief.next([Fate::LoseAnswer]);
    assert!(state.overwrite("two", None).await.unwrap_err().is_transient());
    state.overwrite("three", None).await.unwrap();
    assert_eq!(text(state.read().await.unwrap()).unwrap(), "three");
    assert_fenced(open(&bench, 6).await, 7);
}

#[tokio::test]
async fn a_late_duplicate_of_a_leaders_own_write_changes_nothing() {
    let bench = Bench::new().await;
    let mut state = open(&bench, 7).await.unwrap();
    bench.mischief.next([Fate::Delay]);
    state.overwrite("one", None).await.unwrap_err();
    state.overwrite("two", None).await.unwrap();
    bench.mischief.deliver();
    assert_eq!(text(state.read().await.unwrap()).unwrap(), "two");
    assert_eq!(bench.mischief.delivered(), [412], "refused by the service itself");
}

#[tokio::test]
async fn a_late_write_that_arrives_before_the_next_one_is_written_over() {
    let bench = Bench::new().await;
    let mut state = open(&bench, 7).await.unwrap();
    bench.mischief.next([Fate::Delay]);
    state.overwrite("one", None).await.unwrap_err();
    bench.mischief.deliver();
    state.overwrite("two", None).await.unwrap();
    assert_eq!(bench.mischief.delivered(), [201]);
    assert_eq!(text(state.read().await.unwrap()).unwrap(), "two");
}

#[tokio::test]
async fn who_writes_without_a_fence_is_noticed_and_not_written_over() {
    let bench = Bench::new().await;
    let mut state = open(&bench, 7).await.unwrap();
    state.overwrite("fenced", None).await.unwrap();
    bench.plain().upload(RequestContent::from(b"a stranger's".to_vec()), None).await.unwrap();
    assert_kind(state.overwrite("x", None).await, ErrorKind::Conflict);
    assert_kind(state.read().await, ErrorKind::Conflict);
    let mut again = open(&bench, 7).await.unwrap();
    assert_eq!(text(again.read().await.unwrap()).unwrap(), "a stranger's", "and one without a fence gets one");
    again.overwrite("fenced again", None).await.unwrap();
    assert_kind(state.overwrite("x", None).await, ErrorKind::Conflict);
}

#[tokio::test]
async fn of_many_leaders_that_open_it_at_once_the_newest_stays() {
    let bench = Bench::new().await;
    let opened = futures::future::join_all((1..=8).map(|number| open(&bench, number))).await;
    let mut wrote = Vec::new();
    for (number, state) in (1_u64..).zip(opened) {
        match state {
            Ok(mut state) => wrote.push((number, state.overwrite(format!("by {number}"), None).await.is_ok())),
            Err(error) => assert!(matches!(error.kind(), ErrorKind::Fenced | ErrorKind::Conflict), "{error}"),
        }
    }
    assert!(wrote.iter().filter(|(_, wrote)| *wrote).count() <= 1, "one at the most: {wrote:?}");
}

#[tokio::test]
async fn a_deleted_state_keeps_its_fence() {
    let bench = Bench::new().await;
    let mut older = open(&bench, 6).await.unwrap();
    older.overwrite("by 6", None).await.unwrap();
    let mut newer = open(&bench, 7).await.unwrap();
    newer.delete().await.unwrap();
    assert_eq!(newer.read().await.unwrap(), None);
    assert_fenced(open(&bench, 6).await, 7);
    newer.overwrite("back", None).await.unwrap();
    assert_eq!(text(newer.read().await.unwrap()).unwrap(), "back");
}

#[tokio::test]
async fn metadata_that_is_no_token_is_an_error_and_is_left_as_it_is() {
    let bench = Bench::new().await;
    let metadata = std::collections::HashMap::from([("fence".to_owned(), "many".to_owned())]);
    let options = BlockBlobClientUploadOptions { metadata: Some(metadata), ..Default::default() };
    bench.plain().upload(RequestContent::from(b"x".to_vec()), Some(options)).await.unwrap();
    assert_kind(open(&bench, 7).await, ErrorKind::CorruptRecord);
}
