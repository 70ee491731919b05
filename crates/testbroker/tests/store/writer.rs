//! The state of a session as a document that older leaders cannot write.

use std::time::Duration;

use azure_leader_election::{ErrorKind, FencedSessionState, FencingToken};
use testbroker::Broker;
use testbroker::Fault;
use testbroker::faults::What;

use super::common::{QUEUE, broker, queue_at};

const LOCK: Duration = Duration::from_secs(60);

fn state(broker: &Broker, token: u64) -> FencedSessionState {
    let queue = queue_at(broker.address(), QUEUE);
    let token = FencingToken::new(token).expect("valid");
    FencedSessionState::with_connection_string(queue, "cursor", token, broker.connection_string().into())
        .expect("valid")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_leader_can_neither_read_nor_write_after_a_newer_one_was_there() {
    let broker = broker(LOCK);
    let (older, newer) = (state(&broker, 1), state(&broker, 2));
    assert_eq!(older.read().await.expect("the first"), None);
    older.overwrite("one").await.expect("it leads");
    assert_eq!(newer.read().await.expect("it leads").as_deref(), Some("one"));
    for refused in [older.overwrite("late").await.map(|()| None), older.read().await] {
        let refused = refused.expect_err("a newer one has read");
        assert_eq!((refused.kind(), refused.fenced_by().map(FencingToken::get)), (ErrorKind::Fenced, Some(2)));
    }
    newer.overwrite("two").await.expect("it leads");
    assert_eq!(newer.read().await.expect("it leads").as_deref(), Some("two"));
    assert!(!broker.world().is_locked(QUEUE, "cursor"), "nobody stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_each_waits_its_turn() {
    let broker = broker(LOCK);
    let writers: Vec<_> = (0..8).map(|_| state(&broker, 7)).collect();
    let writes = writers.iter().enumerate().map(|(number, writer)| {
        let writer = writer.clone();
        tokio::spawn(async move { writer.overwrite(&number.to_string()).await })
    });
    for write in writes.collect::<Vec<_>>() {
        write.await.expect("no panic").expect("written");
    }
    let last = writers[0].read().await.expect("it leads").expect("written");
    assert!(last.parse::<usize>().is_ok_and(|last| last < 8), "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_lost_under_a_write_is_told_as_unknown() {
    let broker = broker(LOCK);
    let writer = state(&broker, 1);
    broker.world().order(Fault::new("com.microsoft:set-session-state", What::Detach, 1));
    assert!(writer.overwrite("one").await.expect_err("lost").is_transient());
    writer.overwrite("two").await.expect("it leads");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_fenced_state_is_left_as_it_is() {
    let broker = broker(LOCK);
    broker.world().set_state(QUEUE, "cursor", Some(b"{}".to_vec()));
    assert_eq!(state(&broker, 1).overwrite("one").await.expect_err("another's").kind(), ErrorKind::CorruptRecord);
    assert_eq!(broker.world().state(QUEUE, "cursor").as_deref(), Some(&b"{}"[..]));
    assert_eq!(
        state(&broker, 1).overwrite(&"x".repeat(65_537)).await.expect_err("long").kind(),
        ErrorKind::InvalidSetting
    );
}
