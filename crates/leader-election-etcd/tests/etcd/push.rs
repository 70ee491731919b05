//! The watch: it tells of a release at once, and of nothing else; whatever befalls it costs no more than polls.

use std::time::{Duration, Instant};

use leader_election::{DistributedMutex, Renew};
use leader_election_etcd::{EtcdDistributedMutex, EtcdOptions};
use testservers::etcd::{Etcd, url_of};
use testservers::{Direction, Link};

use crate::common::{self, acquire, claim};

const LEASE: Duration = Duration::from_secs(15);
/// For what comes at once on a machine that does other things too.
const SOON: Duration = Duration::from_secs(20);

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() - 1) * percent / 100]
}

/// Listens as a host does, after a look; the sender hears of it when the watch resolves.
async fn listen(mutex: &EtcdDistributedMutex) -> tokio::task::JoinHandle<Instant> {
    mutex.observe().await.expect("a look");
    let mutex = mutex.clone();
    let listening = tokio::spawn(async move {
        mutex.changed().await;
        Instant::now()
    });
    // The watch begins at the revision of the look, so nothing is missed however late it is.
    tokio::time::sleep(Duration::from_millis(50)).await;
    listening
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn a_release_is_told_within_some_round_trips() {
    let etcd = Etcd::three();
    let (leader, standby) = (common::mutex(&etcd, "nightly"), common::mutex(&etcd, "nightly"));
    let (mut pushes, mut trips) = (Vec::new(), Vec::new());
    for round in 0..50 * common::scale() {
        let claim = claim(&format!("worker-{round}"), LEASE);
        acquire(&leader, &claim).await;
        let listening = listen(&standby).await;
        let began = Instant::now();
        leader.release(&claim).await.expect("released");
        trips.push(began.elapsed());
        let told = tokio::time::timeout(SOON, listening).await.expect("told").expect("no panic");
        pushes.push(told.saturating_duration_since(began));
    }
    pushes.sort();
    trips.sort();
    println!(
        "push of a release, from before it was sent: p50 {:?}, p99 {:?}; the release itself, one round trip: p50 {:?}, p99 {:?}",
        percentile(&pushes, 50),
        percentile(&pushes, 99),
        percentile(&trips, 50),
        percentile(&trips, 99)
    );
    assert!(
        percentile(&pushes, 50) < percentile(&trips, 50) * 10 + Duration::from_millis(20),
        "by push, and not by chance"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn renewals_side_records_and_other_elections_wake_nobody() {
    let etcd = Etcd::one();
    let (leader, standby) = (common::mutex(&etcd, "nightly"), common::mutex(&etcd, "nightly"));
    let claim = claim("worker-7", LEASE);
    acquire(&leader, &claim).await;
    let listening = listen(&standby).await;
    for _ in 0..20 {
        assert_eq!(leader.renew(&claim).await.expect("an answer"), Renew::Renewed);
    }
    let side = leader.side(leader_election::SideName::new("wish").expect("valid")).expect("kept");
    side.create("x").await.expect("created");
    let (other, another) = (common::mutex(&etcd, "nightly2"), common::claim("another", LEASE));
    acquire(&other, &another).await;
    other.release(&another).await.expect("released");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!listening.is_finished(), "the lease was held all the time");
    etcd.etcdctl(&["del", "elections/nightly"]);
    tokio::time::timeout(SOON, listening).await.expect("a deletion is told").expect("no panic");
}

/// What happened between the look and the watch is told too, unless etcd has compacted it: then a look is asked for.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn a_release_before_the_watch_began_is_told_and_so_is_a_compaction_over_it() {
    let etcd = Etcd::one();
    let (leader, standby) = (common::mutex(&etcd, "nightly"), common::mutex(&etcd, "nightly"));
    for compacted in [false, true] {
        let claim = claim("worker-7", LEASE);
        acquire(&leader, &claim).await;
        standby.observe().await.expect("a look");
        leader.release(&claim).await.expect("released");
        acquire(&leader, &claim).await;
        if compacted {
            let status = etcd.etcdctl(&["get", "elections/nightly", "-w", "fields"]);
            let (_, revision) = status.split_once("\"Revision\" : ").expect("a revision");
            let revision: String = revision.chars().take_while(char::is_ascii_digit).collect();
            etcd.etcdctl(&["compact", &revision]);
        }
        tokio::time::timeout(SOON, standby.changed()).await.expect("told");
        // And the next one waits for what comes next.
        let listening = listen(&standby).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!listening.is_finished(), "compacted: {compacted}");
        leader.release(&claim).await.expect("released");
        tokio::time::timeout(SOON, listening).await.expect("told").expect("no panic");
    }
}

/// A compaction under a watch that runs does it no harm.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn a_watch_survives_a_compaction_and_comes_back_after_a_restart_of_its_member() {
    let mut etcd = Etcd::one();
    let (leader, standby) = (common::mutex(&etcd, "nightly"), common::mutex(&etcd, "nightly"));
    let claim = claim("worker-7", LEASE);
    acquire(&leader, &claim).await;
    let listening = listen(&standby).await;
    for _ in 0..5 {
        leader.renew(&claim).await.expect("renewed");
    }
    let status = etcd.etcdctl(&["get", "elections/nightly", "-w", "fields"]);
    let (_, revision) = status.split_once("\"Revision\" : ").expect("a revision");
    let revision: String = revision.chars().take_while(char::is_ascii_digit).collect();
    etcd.etcdctl(&["compact", &revision]);
    etcd.kill(0);
    etcd.restart(0);
    leader.release(&claim).await.expect("released");
    tokio::time::timeout(SOON, listening).await.expect("told after the restart").expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn a_watch_moves_on_from_a_member_that_says_nothing() {
    let etcd = Etcd::three();
    let silent = Link::start(etcd.addresses()[0]);
    silent.cut(Direction::ToClient);
    let url = url_of([silent.address(), etcd.addresses()[1], etcd.addresses()[2]]);
    let standby = EtcdDistributedMutex::new(&common::cluster(&url), "nightly").expect("valid");
    let (leader, claim) = (common::mutex(&etcd, "nightly"), claim("worker-7", LEASE));
    acquire(&leader, &claim).await;
    // No look has told it which member answers.
    let listening = tokio::spawn({
        let standby = standby.clone();
        async move { standby.changed().await }
    });
    tokio::time::sleep(Duration::from_secs(7)).await;
    leader.release(&claim).await.expect("released");
    tokio::time::timeout(SOON, listening).await.expect("told by another member").expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn a_user_who_may_not_watch_hears_nothing_and_is_not_hammered() {
    let mut etcd = Etcd::one();
    etcd.switch_authentication_on("others/", common::PASSWORD);
    for options in [common::as_worker(), EtcdOptions::default()] {
        let standby = EtcdDistributedMutex::new(&common::cluster_with(&etcd.url(), options), "nightly").expect("valid");
        tokio::time::timeout(Duration::from_secs(2), standby.changed()).await.expect_err("it has nothing to tell");
    }
}

/// With authentication on, and after the token was forgotten.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn a_watch_signs_in_again_when_its_token_was_forgotten() {
    let mut etcd = Etcd::one();
    etcd.switch_authentication_on("elections/", common::PASSWORD);
    let by_user = |etcd: &Etcd| {
        EtcdDistributedMutex::new(&common::cluster_with(&etcd.url(), common::as_worker()), "nightly").expect("valid")
    };
    let (leader, standby, claim) = (by_user(&etcd), by_user(&etcd), claim("worker-7", LEASE));
    acquire(&leader, &claim).await;
    let listening = listen(&standby).await;
    etcd.kill(0);
    etcd.restart(0);
    leader.release(&claim).await.expect("released");
    tokio::time::timeout(SOON, listening).await.expect("told").expect("no panic");
}
