//! Appending, by the blob's tag.

use azure_leader_election::ErrorKind;

use super::{Bench, assert_fenced, assert_kind, text};
use testbed::mischief::Fate;

#[tokio::test]
async fn an_older_leader_cannot_append_after_a_newer_one_has() {
    let bench = Bench::new().await;
    let (older, newer) = (bench.leader(6), bench.leader(7));
    assert_eq!(older.append("by 6;", None).await.unwrap(), 0);
    assert_eq!(newer.append("by 7;", None).await.unwrap(), 5);
    assert_fenced(older.append("late;", None).await, 7);
    assert_fenced(older.append("late;", Some(10)).await, 7);
    assert_fenced(bench.leader(5).append("later;", None).await, 7);
    assert_eq!(text(newer.read().await.unwrap()).unwrap(), "by 6;by 7;");
}

#[tokio::test]
async fn after_the_first_an_append_costs_one_request() {
    let bench = Bench::new().await;
    let leader = bench.leader(7);
    leader.append("one", None).await.unwrap();
    println!("first append to a new blob: {:?}", bench.mischief.take_sent());
    leader.append("two", None).await.unwrap();
    assert_eq!(bench.mischief.take_sent(), ["PUT appendblock"]);
}

#[tokio::test]
async fn a_block_whose_answer_was_lost_is_not_appended_twice_when_it_is_repeated_at_its_offset() {
    let bench = Bench::new().await;
    let leader = bench.leader(7);
    leader.append("one;", Some(0)).await.unwrap();
    bench.mischief.next([Fate::LoseAnswer]);
    assert!(leader.append("two;", Some(4)).await.unwrap_err().is_transient());
    assert_eq!(leader.append("two;", Some(4)).await.unwrap(), 4);
    assert_kind(leader.append("three;", Some(4)).await, ErrorKind::Conflict);
    assert_kind(leader.append("three;", Some(99)).await, ErrorKind::Conflict);
    assert_eq!(text(leader.read().await.unwrap()).unwrap(), "one;two;");
}

#[tokio::test]
async fn a_deleted_log_begins_anew_and_keeps_its_fence() {
    let bench = Bench::new().await;
    let (older, newer) = (bench.leader(6), bench.leader(7));
    older.append("by 6;", None).await.unwrap();
    newer.delete().await.unwrap();
    assert_fenced(older.append("late;", None).await, 7);
    assert_eq!(newer.append("by 7;", None).await.unwrap(), 0);
    assert_eq!(bench.leader(8).append("by 8;", None).await.unwrap(), 5);
    assert_eq!(text(newer.read().await.unwrap()).unwrap(), "by 7;by 8;");
}

#[tokio::test]
async fn nothing_is_appended_to_a_blob_of_another_type() {
    let bench = Bench::new().await;
    let leader = bench.leader(7);
    leader.overwrite("a block blob", None).await.unwrap();
    let message = assert_kind(leader.append("x", None).await, ErrorKind::InvalidSetting);
    assert!(message.contains("no append blob"), "{message}");
}
