//! A standby hears of a release by its watch, long before its next poll.

#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use leader_election::{Claim, DistributedMutex, HolderId, TimingOptions};
use leader_election_kube::KubernetesLeaseMutex;
use reqwest::Method;
use testservers::kube_fake::{ADMIN, KubeFake};
use tokio::time::timeout;

use common::worker::Worker;
use common::{Server, fresh, leases, minimal_role};

const LEASE: Duration = Duration::from_secs(15);

/// The leader ends, the standby leads: from the end of the first task to the beginning of the second, `rounds` times.
async fn hand_overs(server: &Server, election: &str, rounds: usize, poll_every: Duration) -> Vec<Duration> {
    let timing = TimingOptions { poll_every, ..TimingOptions::for_lease(LEASE) };
    let mut gaps = Vec::new();
    let mut leader = Worker::start(server, election, "worker-0", timing.clone());
    leader.leads_after(0).await;
    for round in 1..=rounds {
        let standby = Worker::start(server, election, &format!("worker-{round}"), timing.clone());
        // Its first poll has found the Lease held, and its watch has begun.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let ended = Instant::now();
        leader.stop().await;
        gaps.push(standby.leads_after(0).await.began.saturating_duration_since(ended));
        leader = standby;
    }
    leader.stop().await;
    gaps.sort_unstable();
    gaps
}

/// A host waits for a tenth of a poll after what it hears. By polls alone the half of all would take more than half of one.
fn report(place: &str, gaps: &[Duration], poll: Duration) {
    let at = |share: usize| gaps[(gaps.len() * share / 100).min(gaps.len() - 1)].as_secs_f64() * 1e3;
    println!(
        "{place}: hand-over by watch, {} of them: p50 {:.0} ms, p99 {:.0} ms (poll {poll:?})",
        gaps.len(),
        at(50),
        at(99)
    );
    assert!(gaps[gaps.len() / 2] < poll / 3, "as late as by a poll: {gaps:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_fake_a_release_is_heard_of_at_once() {
    let fake = KubeFake::start();
    let server = Server { url: fake.url(), authorities: None, token: ADMIN.to_owned() };
    let poll = Duration::from_secs(5);
    report("fake", &hand_overs(&server, "nightly", 5, poll).await, poll);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes API server: set KUBE_URL, KUBE_CA and KUBE_TOKEN"]
async fn on_a_server_a_release_is_heard_of_at_once() {
    let election = fresh("watching");
    let server = Server::given().account("default", &election, minimal_role(&election, &[])).await;
    let poll = TimingOptions::for_lease(LEASE).poll_every;
    report("API server", &hand_overs(&server, &election, 50, poll).await, poll);
}

#[tokio::test]
async fn a_renewal_wakes_nobody_and_a_version_that_is_forgotten_wakes_once() {
    let fake = KubeFake::start();
    let server = Server { url: fake.url(), authorities: None, token: ADMIN.to_owned() };
    let mutex = || KubernetesLeaseMutex::new(&server.cluster(), "default", "nightly").expect("valid");
    let (leader, standby) = (mutex(), mutex());
    let claim = Claim::new(HolderId::new("a").expect("valid"), LEASE);
    leader.try_acquire((&claim).into()).await.expect("granted");
    standby.observe().await.expect("read");
    {
        let changed = standby.changed();
        tokio::pin!(changed);
        let a_while = Duration::from_millis(500);
        assert!(timeout(a_while, &mut changed).await.is_err(), "nothing has happened");
        leader.renew(&claim).await.expect("renewed");
        assert!(timeout(a_while, &mut changed).await.is_err(), "the leader lives");
    }
    leader.renew(&claim).await.expect("renewed");
    fake.compact();
    standby.changed().await;
    standby.observe().await.expect("read, as a host does");
    {
        let changed = standby.changed();
        tokio::pin!(changed);
        assert!(timeout(Duration::from_millis(300), &mut changed).await.is_err(), "it knows the present version");
        leader.release(&claim).await.expect("released");
        changed.await;
    }
    server.done(Method::DELETE, &format!("{}/nightly", leases("default")), None).await;
    standby.changed().await;
    let watches = fake.requests().iter().filter(|line| line.as_str() == format!("GET {}", leases("default"))).count();
    assert!(watches < 10, "{watches} watches");
}
