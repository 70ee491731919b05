//! Members that freeze, end and come back: what an election on three of them goes through.

use std::time::{Duration, Instant};

use leader_election::{
    Acquire, CancellationToken, DistributedMutex, LeaderHost, LeaderHostOptions, Loss, Renew, Timing,
};
use leader_election_etcd::EtcdDistributedMutex;
use testservers::etcd::{Etcd, url_of};
use testservers::{Direction, Link};

use crate::common::{self, acquire, claim};

/// Its attempt timeout is 3 s.
const LEASE: Duration = Duration::from_secs(15);
const ATTEMPT: Duration = Duration::from_secs(3);

async fn renew_within_an_attempt(mutex: &EtcdDistributedMutex, claim: &leader_election::Claim) -> Option<Renew> {
    tokio::time::timeout(ATTEMPT, mutex.renew(claim)).await.ok().and_then(Result::ok)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn a_frozen_member_costs_no_attempt_and_is_not_asked_again() {
    let etcd = Etcd::three();
    etcd.move_leader_to(2);
    let (mutex, claim) = (common::mutex(&etcd, "nightly"), claim("worker-7", LEASE));
    acquire(&mutex, &claim).await;
    // The first one of the URL has answered so far.
    etcd.freeze(0);
    let began = Instant::now();
    assert_eq!(
        renew_within_an_attempt(&mutex, &claim).await,
        Some(Renew::Renewed),
        "the first attempt reaches another member"
    );
    let first = began.elapsed();
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(renew_within_an_attempt(&mutex, &claim).await, Some(Renew::Renewed));
    }
    let later = began.elapsed() / 20;
    println!("a frozen member: the first renewal took {first:?}, the next ones {later:?} each");
    assert!(later < first / 2, "only the first one waits for it: {first:?}, then {later:?}");
    etcd.thaw(0);
}

/// Too short an attempt for a second member within it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn an_attempt_that_is_dropped_before_a_second_member_was_asked_lets_the_next_one_begin_there() {
    let etcd = Etcd::three();
    let silent = Link::start(etcd.addresses()[0]);
    let url = url_of([silent.address(), etcd.addresses()[1], etcd.addresses()[2]]);
    let mutex = EtcdDistributedMutex::new(&common::cluster(&url), "nightly").expect("valid");
    let claim = claim("worker-7", Duration::from_secs(3_600));
    acquire(&mutex, &claim).await;
    silent.cut(Direction::Both);
    // It waits for a second, and the caller does not.
    tokio::time::timeout(Duration::from_millis(300), mutex.renew(&claim)).await.expect_err("dropped");
    assert_eq!(renew_within_an_attempt(&mutex, &claim).await, Some(Renew::Renewed));
    assert_eq!(renew_within_an_attempt(&mutex, &claim).await, Some(Renew::Renewed));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn the_renewal_of_an_older_leader_in_a_frozen_etcd_leader_does_not_go_over_a_newer_one() {
    for _ in 0..common::scale().min(10) {
        let etcd = Etcd::three();
        let leader = etcd.leader();
        let others = || (0..3).filter(|member| *member != leader).map(|member| etcd.addresses()[member]);
        let by = |url: &str| EtcdDistributedMutex::new(&common::cluster(url), "nightly").expect("valid");
        // A knows the leading member alone.
        let (a, b) = (by(&url_of([etcd.addresses()[leader]])), by(&url_of(others())));
        let (claim_a, claim_b) = (claim("a", LEASE), claim("b", LEASE));
        let token_a = acquire(&a, &claim_a).await;
        let seen = a.observe().await.expect("an answer").version.expect("a document has one");

        etcd.freeze(leader);
        let late = tokio::spawn({
            let (a, claim_a) = (a.clone(), claim_a.clone());
            async move { a.renew(&claim_a).await }
        });
        // B has watched the record for its lease, and takes it over through the new etcd leader.
        let began = Instant::now();
        let token_b = loop {
            let request = leader_election::AcquireRequest::new(&claim_b).with_lapsed(Some(&seen));
            if let Ok(Acquire::Granted(grant)) = b.try_acquire(request).await {
                break grant.fencing_token;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "no new etcd leader");
        };
        println!("taken over {:?} after the etcd leader froze", began.elapsed());
        etcd.thaw(leader);
        let late = late.await.expect("no panic");
        assert!(matches!(late, Ok(Renew::Lost(Loss::Taken)) | Err(_)), "{late:?}");
        assert!(late.as_ref().err().is_none_or(leader_election::Error::is_transient), "{late:?}");
        assert!(token_b > token_a);
        assert_eq!(b.renew(&claim_b).await.expect("an answer"), Renew::Renewed);
        assert_eq!(a.renew(&claim_a).await.expect("an answer"), Renew::Lost(Loss::Taken));
        assert!(b.observe().await.expect("an answer").leader().is_some_and(|leader| leader.fencing_token == token_b));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn a_dropped_renewal_that_is_carried_out_late_harms_nobody() {
    let etcd = Etcd::one();
    let link = Link::start(etcd.addresses()[0]);
    let late = EtcdDistributedMutex::new(&common::cluster(&url_of([link.address()])), "nightly").expect("valid");
    let (old, new) = (claim("old", LEASE), claim("new", LEASE));
    for dropped in ["renewal", "acquire"] {
        let token = acquire(&late, &old).await;
        link.cut(Direction::ToServer);
        let lost = async {
            match dropped {
                "renewal" => drop(late.renew(&old).await),
                _ => drop(late.try_acquire((&old).into()).await),
            }
        };
        tokio::time::timeout(Duration::from_millis(300), lost).await.expect_err("dropped on its way");
        // Somebody breaks the lease, and another one leads.
        let other = common::mutex(&etcd, "nightly");
        other.operator().expect("has one").break_lease(Some(Duration::ZERO)).await.expect("broken");
        let newer = acquire(&other, &new).await;
        assert!(newer > token);
        link.mend();
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(other.renew(&new).await.expect("an answer"), Renew::Renewed, "after a late {dropped}");
        assert_eq!(late.renew(&old).await.expect("an answer"), Renew::Lost(Loss::Taken));
        other.release(&new).await.expect("released");
    }
}

/// A host keeps leading while each member in turn is frozen, the etcd leader among them.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn a_term_goes_on_while_one_member_after_the_other_is_frozen() {
    let etcd = Etcd::three();
    let mutex = common::mutex(&etcd, "nightly");
    let options =
        LeaderHostOptions { timing: Timing::for_lease(LEASE).expect("valid"), ..LeaderHostOptions::default() };
    let host = LeaderHost::new(mutex.clone()).with_options(options);
    let (led, mut terms) = tokio::sync::mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let stop = stop.clone();
        async move {
            host.run(stop, move |leader: leader_election::Leadership| {
                let led = led.clone();
                async move {
                    let _ = led.send(leader.fencing_token());
                    leader.token().cancelled().await;
                    Ok::<_, leader_election::TaskError>(())
                }
            })
            .await
        }
    });
    terms.recv().await.expect("elected");
    for member in 0..3 {
        etcd.freeze(member);
        // Longer than a renewal and its retries.
        tokio::time::sleep(Duration::from_secs(7)).await;
        etcd.thaw(member);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(terms.try_recv().is_err(), "one term through all of it");
    assert!(mutex.observe().await.expect("an answer").is_held());
    stop.cancel();
    running.await.expect("no panic").expect("a clean end");
}
