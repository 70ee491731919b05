//! A snapshot that is restored: an older record, at a revision that another one had.

use std::time::Duration;

use leader_election::{Acquire, AcquireRequest, DistributedMutex, Loss, Renew};
use leader_election_etcd::FencedKeys;
use testservers::etcd::Etcd;

use crate::common::{self, acquire, claim};

const LEASE: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn after_a_restore_nobody_goes_on_over_a_record_that_was_not_seen_and_tokens_rise() {
    let mut etcd = Etcd::one();
    let (old, new) = (common::mutex(&etcd, "nightly"), common::mutex(&etcd, "nightly"));
    let (claim_old, claim_new) = (claim("old", LEASE), claim("new", LEASE));
    let first = acquire(&old, &claim_old).await;
    let snapshot = etcd.save("before");

    // After the snapshot the lease goes to another one, who renews.
    old.release(&claim_old).await.expect("released");
    let second = acquire(&new, &claim_new).await;
    assert_eq!(new.renew(&claim_new).await.expect("an answer"), Renew::Renewed);
    etcd.restore(&snapshot);

    let old = common::mutex(&etcd, "nightly");
    // On record is the older leader again. As many writes as there were since, so the store has the revision that the newer leader last saw.
    for _ in 0..3 {
        assert_eq!(old.renew(&claim_old).await.expect("an answer"), Renew::Renewed, "the record says that it leads");
    }
    assert_eq!(new.renew(&claim_new).await.expect("an answer"), Renew::Lost(Loss::Taken), "and not this one");

    // The one that did not lead at the time of the snapshot is granted a token above both.
    let seen = new.observe().await.expect("an answer").version.expect("a document has one");
    let request = AcquireRequest::new(&claim_new).with_lapsed(Some(&seen));
    let Acquire::Granted(grant) = new.try_acquire(request).await.expect("an answer") else { panic!("it has lapsed") };
    assert!(grant.fencing_token > second && second > first, "{first} {second} {}", grant.fencing_token);
    assert_eq!(old.renew(&claim_old).await.expect("an answer"), Renew::Lost(Loss::Taken));
}

/// The newer leader's fence is gone with its writes; the older leader's next write is over an older value, and the newer one raises it again.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn after_a_restore_a_fence_holds_again_from_the_newer_leaders_next_write_on() {
    let mut etcd = Etcd::one();
    let cluster = common::cluster(&etcd.url());
    let keys = |number| FencedKeys::new(&cluster, "billing/", common::token(number)).expect("valid");
    let (older, newer) = (keys(41), keys(42));
    older.put("until", "1").await.expect("written");
    let snapshot = etcd.save("before");
    newer.put("until", "2").await.expect("written");
    etcd.restore(&snapshot);

    assert_eq!(newer.read("until").await.expect("an answer"), Some(b"1".to_vec()), "as the documentation says");
    newer.put("until", "3").await.expect("over the fence that stands there now");
    assert_eq!(older.put("until", "4").await.expect_err("fenced").fenced_by(), Some(common::token(42)));
    assert_eq!(newer.read("until").await.expect("an answer"), Some(b"3".to_vec()));
}

/// A record that was deleted, while its leader renews: nobody's success is false, and the next token is above the last.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn a_record_that_is_deleted_under_its_leader_is_lost_to_it() {
    let etcd = Etcd::one();
    let (mutex, first) = (common::mutex(&etcd, "nightly"), claim("worker-7", LEASE));
    let token = acquire(&mutex, &first).await;
    etcd.etcdctl(&["del", "elections/nightly"]);
    assert_eq!(mutex.renew(&first).await.expect("an answer"), Renew::Lost(Loss::Missing));
    assert!(acquire(&common::mutex(&etcd, "nightly"), &claim("another", LEASE)).await > token);
}
