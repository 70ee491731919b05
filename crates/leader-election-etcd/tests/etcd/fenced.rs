//! Keys that refuse older leaders, on a real etcd.

use std::time::Duration;

use leader_election::ErrorKind;
use leader_election_etcd::{FencedKeys, KeyBatch};
use testservers::etcd::{Etcd, url_of};
use testservers::{Direction, Link};

use crate::common::{self, token};

fn keys(etcd: &Etcd, number: u64) -> FencedKeys {
    FencedKeys::new(&common::cluster(&etcd.url()), "billing/", token(number)).expect("valid")
}

async fn text(keys: &FencedKeys, key: &str) -> Option<String> {
    keys.read(key).await.expect("an answer").map(|value| String::from_utf8(value).expect("text"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn once_a_newer_leader_has_written_an_older_one_cannot() {
    let etcd = Etcd::one();
    let (older, newer) = (keys(&etcd, 41), keys(&etcd, 42));
    older.put("until", "1").await.expect("alone");
    older.put("until", "2").await.expect("alone");
    newer.raise().await.expect("newer");
    let error = older.put("until", "3").await.expect_err("fenced");
    assert_eq!((error.kind(), error.fenced_by()), (ErrorKind::Fenced, Some(token(42))));
    assert_eq!(text(&newer, "until").await.as_deref(), Some("2"));
    newer.write(KeyBatch::new().put("until", "4").put("due", "x").delete("absent")).await.expect("newer");
    newer.delete("due").await.expect("newer");
    assert_eq!((text(&newer, "until").await.as_deref(), text(&newer, "due").await), (Some("4"), None));
    // One that has looked at nothing yet.
    assert_eq!(keys(&etcd, 41).delete("until").await.expect_err("fenced").kind(), ErrorKind::Fenced);
    assert_eq!(text(&newer, "until").await.as_deref(), Some("4"));
    // Another process of the same leader, and one with a later term.
    keys(&etcd, 42).put("until", "5").await.expect("the same term");
    newer.put("until", "6").await.expect("after a look");
    keys(&etcd, 43).put("until", "7").await.expect("the next term");
    assert_eq!(newer.put("until", "8").await.expect_err("fenced").fenced_by(), Some(token(43)));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn of_many_writes_at_once_each_is_carried_out_once() {
    let etcd = Etcd::three();
    let keys = keys(&etcd, 7);
    let writes: Vec<_> = (0..40)
        .map(|number| {
            let keys = keys.clone();
            tokio::spawn(async move { keys.put(&format!("n{number}"), number.to_string()).await })
        })
        .collect();
    for write in writes {
        write.await.expect("no panic").expect("written");
    }
    for number in 0..40 {
        assert_eq!(text(&keys, &format!("n{number}")).await, Some(number.to_string()));
    }
}

/// The answer is lost, and etcd carries the write out: at once, or after the client has given up.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn a_write_whose_answer_was_lost_is_found_and_not_repeated() {
    let etcd = Etcd::one();
    let link = Link::start(etcd.addresses()[0]);
    let cluster = common::cluster(&url_of([link.address()]));
    let keys = FencedKeys::new(&cluster, "billing/", token(7)).expect("valid").with_limit(Duration::from_secs(8));
    keys.put("count", "0").await.expect("written");
    for (number, direction) in [(1, Direction::ToClient), (2, Direction::ToServer)] {
        link.cut(direction);
        let write = tokio::spawn({
            let keys = keys.clone();
            async move { keys.put("count", number.to_string()).await }
        });
        // Longer than a request is waited for, and shorter than the operation.
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        link.mend();
        write.await.expect("no panic").expect("carried out once");
        let history = etcd.etcdctl(&["get", "billing/count", "-w", "fields"]);
        // The first one creates the key.
        assert!(history.contains(&format!("\"Version\" : {}", number + 1)), "{direction:?}: {history}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn a_dropped_write_that_is_carried_out_late_overwrites_nothing() {
    let etcd = Etcd::one();
    let link = Link::start(etcd.addresses()[0]);
    let late = FencedKeys::new(&common::cluster(&url_of([link.address()])), "billing/", token(7)).expect("valid");
    late.put("until", "1").await.expect("written");
    link.cut(Direction::ToServer);
    let dropped = tokio::time::timeout(Duration::from_millis(300), late.put("until", "late")).await;
    dropped.expect_err("dropped on its way");
    // The same leader writes on, by another way.
    keys(&etcd, 7).put("until", "2").await.expect("written");
    link.mend();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(text(&late, "until").await.as_deref(), Some("2"));
    late.put("until", "3").await.expect("after a look");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn a_write_goes_on_when_the_member_it_went_to_is_frozen() {
    let etcd = Etcd::three();
    etcd.move_leader_to(1);
    let keys = keys(&etcd, 7);
    keys.put("until", "1").await.expect("written");
    etcd.freeze(0);
    for number in 2..6 {
        keys.put("until", number.to_string()).await.expect("by another member");
    }
    etcd.thaw(0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(text(&keys, "until").await.as_deref(), Some("5"));
    let history = etcd.etcdctl(&["get", "billing/until", "-w", "fields"]);
    assert!(history.contains("\"Version\" : 5"), "each once: {history}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn a_fence_that_was_deleted_is_made_anew_by_whoever_writes_next() {
    let etcd = Etcd::one();
    let keys = keys(&etcd, 7);
    keys.put("until", "1").await.expect("written");
    etcd.etcdctl(&["del", "billing/leader-fence"]);
    keys.put("until", "2").await.expect("over an absent fence");
    assert!(etcd.etcdctl(&["get", "billing/leader-fence", "--print-value-only"]).starts_with("00000000000000000007-"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn an_operation_ends_within_its_limit_and_says_that_nothing_is_known() {
    let etcd = Etcd::one();
    let keys = keys(&etcd, 7).with_limit(Duration::from_millis(600));
    keys.put("until", "1").await.expect("written");
    etcd.freeze(0);
    let error = keys.put("until", "2").await.expect_err("frozen");
    assert!(error.is_transient(), "{error}");
    etcd.thaw(0);
}
