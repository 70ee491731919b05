//! 200 renewals each against a server that is frozen, restarts again and again, or is out of reach: each has its error, and nothing outlives an
//! attempt.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use leader_election::{DistributedMutex, ErrorKind, Renew};
use leader_election_etcd::{EtcdDistributedMutex, EtcdOptions};
use testservers::etcd::{Etcd, url_of};
use testservers::{Direction, Link};

use crate::common::{self, acquire, claim};

const LEASE: Duration = Duration::from_secs(15);
/// Of which an attempt takes 200 ms, and the store's own limit is 180 ms.
const SHORT: Duration = Duration::from_secs(1);
/// A host's attempt with the short lease, with what a busy machine needs to notice.
const ATTEMPT: Duration = Duration::from_millis(400);

/// How many renewals where each takes its whole time: 200 with `LEADER_ETCD_SCALE=5`.
fn count() -> usize {
    (40 * common::scale()).min(200)
}

/// What became of renewals, by the error's kind.
#[derive(Debug, Default)]
struct Tally {
    outcomes: BTreeMap<String, usize>,
    longest: Duration,
}

/// So many renewals, each within an attempt of this length, as a host bounds them.
async fn renew_often(
    mutex: &EtcdDistributedMutex,
    claim: &leader_election::Claim,
    count: usize,
    attempt: Duration,
) -> Tally {
    let mut tally = Tally::default();
    for _ in 0..count {
        let began = Instant::now();
        let outcome = match tokio::time::timeout(attempt, mutex.renew(claim)).await {
            Err(_) => "dropped".to_owned(),
            Ok(Ok(renewed)) => {
                assert_eq!(renewed, Renew::Renewed, "nobody else contends");
                "renewed".to_owned()
            }
            Ok(Err(error)) => {
                let told = format!("{error} {error:?}");
                assert!(error.is_transient(), "{told}");
                assert!(!told.contains(common::PASSWORD), "{told}");
                // Else a renewal that fails at once would be tried 200 times in no time.
                tokio::time::sleep(Duration::from_millis(5)).await;
                format!("{:?}", error.kind())
            }
        };
        *tally.outcomes.entry(outcome).or_default() += 1;
        tally.longest = tally.longest.max(began.elapsed());
    }
    tally
}

/// The connections to this server that this process has open.
fn connections(etcd: &Etcd) -> usize {
    let ports: Vec<_> = etcd.addresses().iter().map(|address| format!(":{:04X}", address.port())).collect();
    let table = std::fs::read_to_string("/proc/self/net/tcp").expect("Linux");
    let is_to = |line: &&str| {
        let mut fields = line.split_whitespace().skip(2);
        let (remote, state) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        state == "01" && ports.iter().any(|port| remote.ends_with(port.as_str()))
    };
    table.lines().filter(is_to).count()
}

/// Waits until no more connections than before are left: what was dropped closes its own in a moment.
async fn nothing_is_left(etcd: &Etcd, before: usize) {
    let began = Instant::now();
    while connections(etcd) > before {
        assert!(began.elapsed() < Duration::from_secs(30), "{} connections are left", connections(etcd));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn as_worker(etcd: &Etcd) -> EtcdDistributedMutex {
    EtcdDistributedMutex::new(&common::cluster_with(&etcd.url(), common::as_worker()), "nightly").expect("valid")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn renewals_against_a_frozen_server() {
    let mut etcd = Etcd::one();
    etcd.switch_authentication_on("elections/", common::PASSWORD);
    let (mutex, claim) = (as_worker(&etcd), claim("worker-7", SHORT));
    // To sign in costs etcd a tenth of a second of computing, and more on a busy machine.
    mutex.observe().await.expect("signed in");
    acquire(&mutex, &claim).await;
    let before = connections(&etcd);
    etcd.freeze(0);
    let tally = renew_often(&mutex, &claim, count(), ATTEMPT).await;
    println!("frozen server: {tally:?}");
    assert_eq!(
        tally.outcomes.get("Timeout"),
        Some(&count()),
        "each has its error, and none has to be dropped: {tally:?}"
    );
    // Dropped by its caller, as by a host with a shorter attempt.
    let tally = renew_often(&mutex, &claim, 50, Duration::from_millis(20)).await;
    assert_eq!(tally.outcomes.get("dropped"), Some(&50), "{tally:?}");
    // The server's system still counts what it has not accepted; of ours nothing is under way.
    nothing_is_left(&etcd, before).await;
    etcd.thaw(0);
    assert_eq!(mutex.renew(&claim).await.expect("an answer"), Renew::Renewed, "whatever was carried out late");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn renewals_against_a_frozen_cluster() {
    let mut etcd = Etcd::three();
    etcd.switch_authentication_on("elections/", common::PASSWORD);
    let (mutex, claim) = (as_worker(&etcd), claim("worker-7", SHORT));
    // To sign in costs etcd a tenth of a second of computing, and more on a busy machine.
    mutex.observe().await.expect("signed in");
    acquire(&mutex, &claim).await;
    // Of a majority: the one that is left finds that it has no leader, and says so.
    etcd.freeze(0);
    etcd.freeze(1);
    tokio::time::sleep(Duration::from_secs(4)).await;
    let told = mutex.renew(&claim).await.expect_err("no majority").to_string();
    println!("{told}");
    assert!(told.contains("has no leader") && told.matches("gave no answer").count() == 2, "{told}");
    let tally = renew_often(&mutex, &claim, count(), ATTEMPT).await;
    println!("frozen majority: {tally:?}");
    assert!(!tally.outcomes.contains_key("renewed") && !tally.outcomes.contains_key("dropped"), "{tally:?}");
    etcd.thaw(0);
    etcd.thaw(1);
    let began = Instant::now();
    while mutex.renew(&claim).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(60), "the cluster is not back");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn renewals_against_a_server_that_restarts() {
    let mut etcd = Etcd::one();
    etcd.switch_authentication_on("elections/", common::PASSWORD);
    let (mutex, claim) = (as_worker(&etcd), claim("worker-7", LEASE));
    acquire(&mutex, &claim).await;
    let over = Arc::new(AtomicBool::new(false));
    let restarting = std::thread::spawn({
        let over = Arc::clone(&over);
        move || {
            let mut restarts = 0;
            while !over.load(Ordering::Relaxed) {
                etcd.kill(0);
                etcd.restart(0);
                restarts += 1;
                std::thread::sleep(Duration::from_millis(300));
            }
            (etcd, restarts)
        }
    });
    let tally = renew_often(&mutex, &claim, 200 * common::scale(), Duration::from_secs(3)).await;
    over.store(true, Ordering::Relaxed);
    let (_etcd, restarts) = tokio::task::spawn_blocking(|| restarting.join()).await.expect("joined").expect("no panic");
    println!("{restarts} restarts: {tally:?}");
    assert!(tally.outcomes.contains_key("renewed"), "{tally:?}");
    assert_eq!(mutex.renew(&claim).await.expect("an answer"), Renew::Renewed);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn renewals_into_a_black_hole() {
    let mut etcd = Etcd::one();
    etcd.switch_authentication_on("elections/", common::PASSWORD);
    let link = Link::start(etcd.addresses()[0]);
    let cluster = common::cluster_with(&url_of([link.address()]), common::as_worker());
    let (mutex, claim) = (EtcdDistributedMutex::new(&cluster, "nightly").expect("valid"), claim("worker-7", SHORT));
    // To sign in costs etcd a tenth of a second of computing, and more on a busy machine.
    mutex.observe().await.expect("signed in");
    acquire(&mutex, &claim).await;
    for direction in [Direction::ToServer, Direction::ToClient, Direction::Both] {
        link.cut(direction);
        let tally = renew_often(&mutex, &claim, count(), ATTEMPT).await;
        println!("{direction:?} cut: {tally:?}");
        assert_eq!(tally.outcomes.get("Timeout"), Some(&count()), "{tally:?}");
        link.mend();
        link.reset();
        let began = Instant::now();
        // What was on its way may still come between.
        while mutex.renew(&claim).await.is_err() {
            assert!(began.elapsed() < Duration::from_secs(60), "it does not come back");
        }
    }
}

/// Outside of a host nobody drops a call: it ends by itself, and says what it waited for.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn a_call_outside_of_a_host_ends_by_itself() {
    let etcd = Etcd::one();
    let link = Link::start(etcd.addresses()[0]);
    link.cut(Direction::Both);
    let mutex = EtcdDistributedMutex::new(&common::cluster(&url_of([link.address()])), "nightly").expect("valid");
    let error = mutex.observe().await.expect_err("no answer");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(error.to_string().contains(&link.address().to_string()), "{error}");
}

/// A runtime of the user's that is blocked holds up nothing: requests and connections are on threads of the crate's own.
#[test]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
fn a_blocked_runtime_of_the_users_does_not_hold_up_a_renewal() {
    let etcd = Etcd::one();
    let cluster = common::cluster_with(&etcd.url(), EtcdOptions::default());
    let (mutex, claim) = (EtcdDistributedMutex::new(&cluster, "nightly").expect("valid"), claim("worker-7", LEASE));
    let users = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    // The connection is made while the user's runtime is the one that calls.
    users.block_on(acquire(&mutex, &claim));
    let (blocked, others) = (Arc::new(AtomicBool::new(true)), tokio::runtime::Runtime::new().expect("a runtime"));
    let blocking = std::thread::spawn({
        let blocked = Arc::clone(&blocked);
        move || {
            users.block_on(async {
                while blocked.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
        }
    });
    for _ in 0..20 {
        let renewed =
            others.block_on(async { tokio::time::timeout(Duration::from_secs(3), mutex.renew(&claim)).await });
        assert_eq!(renewed.expect("in time").expect("an answer"), Renew::Renewed);
    }
    blocked.store(false, Ordering::Relaxed);
    blocking.join().expect("no panic");
}
