//! A release is told to the standbys.

use std::time::{Duration, Instant};

use leader_election::{
    AcquireRequest, CancellationToken, DistributedMutex, LeaderHost, LeaderHostOptions, Leadership, Timing,
    TimingOptions,
};
use leader_election_redis::{RedisDistributedMutex, RedisMutexOptions};
use testservers::redis::Redis;

use crate::common::{claim, mutex, rounds, server};
use crate::faults::round_trip;

const LEASE: Duration = Duration::from_secs(2);

/// Whether it resolves before long.
async fn told(mutex: &RedisDistributedMutex, limit: Duration) -> bool {
    tokio::time::timeout(limit, mutex.changed()).await.is_ok()
}

fn subscribers(redis: &Redis, election: &str) -> bool {
    redis.cli(&["PUBSUB", "NUMSUB", &crate::common::key(election)]).lines().last() == Some("1")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: apt install redis-server"]
async fn a_standby_is_told_of_a_release_and_of_nothing_else() {
    let redis = Redis::start(&[]);
    redis.wait_until_old(4);
    let (election, standby) = (mutex(&redis, "nightly"), mutex(&redis, "nightly"));
    let leader = claim("leader", LEASE);
    election.try_acquire(AcquireRequest::new(&leader)).await.expect("granted");
    let listening = {
        let standby = standby.clone();
        tokio::spawn(async move { standby.changed().await })
    };
    redis.wait_until("it is subscribed", |redis| subscribers(redis, "nightly"));
    for _ in 0..3 {
        election.renew(&leader).await.expect("renewed");
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!listening.is_finished(), "a renewal is no news");
    election.release(&leader).await.expect("released");
    tokio::time::timeout(Duration::from_secs(10), listening).await.expect("told").expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: apt install redis-server"]
async fn a_broken_subscription_is_told_once_and_made_anew_after_a_pause() {
    let mut redis = Redis::start(&[]);
    let standby = mutex(&redis, "nightly");
    let listening = {
        let standby = standby.clone();
        tokio::spawn(async move { standby.changed().await })
    };
    redis.wait_until("it is subscribed", |redis| subscribers(redis, "nightly"));
    redis.kill();
    tokio::time::timeout(Duration::from_secs(10), listening).await.expect("told once").expect("no panic");
    assert!(!told(&standby, Duration::from_millis(500)).await, "it is not told again while the server is down");
    redis.up();
    let listening = {
        let standby = standby.clone();
        tokio::spawn(async move { standby.changed().await })
    };
    redis.wait_until("it is subscribed again", |redis| subscribers(redis, "nightly"));
    redis.cli(&["PUBLISH", &crate::common::key("nightly"), "free"]);
    tokio::time::timeout(Duration::from_secs(10), listening).await.expect("told").expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: apt install redis-server"]
async fn without_push_and_for_a_leader_there_is_no_subscription() {
    let redis = Redis::start(&[]);
    redis.wait_until_old(4);
    let options = RedisMutexOptions { push: false, ..RedisMutexOptions::default() };
    let quiet = RedisDistributedMutex::new(server(&redis), "nightly").and_then(|mutex| mutex.with_options(options));
    assert!(!told(&quiet.expect("valid"), Duration::from_millis(300)).await);
    let election = mutex(&redis, "nightly");
    let _ = told(&election, Duration::from_millis(300)).await;
    redis.wait_until("whoever listens no more has closed it", |redis| !subscribers(redis, "nightly"));
    redis.cli(&["SET", "x", "1"]);
    // A message leaves the subscription open for the next time; to lead closes it.
    let publishing = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        redis.cli(&["PUBLISH", &crate::common::key("nightly"), "free"]);
    };
    let (told, ()) = tokio::join!(told(&election, Duration::from_secs(10)), publishing);
    assert!(told && subscribers(&redis, "nightly"));
    election.try_acquire(AcquireRequest::new(&claim("leader", LEASE))).await.expect("granted");
    redis.wait_until("the leader has closed it", |redis| !subscribers(redis, "nightly"));
}

/// From the leader's release to the standby's grant, without a host's pauses.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: apt install redis-server"]
async fn a_release_is_heard_within_a_few_round_trips() {
    let redis = Redis::start(&[]);
    redis.wait_until_old(4);
    let workers = [mutex(&redis, "nightly"), mutex(&redis, "nightly")];
    let claims = [claim("first", LEASE), claim("second", LEASE)];
    workers[0].try_acquire(AcquireRequest::new(&claims[0])).await.expect("granted");
    let mut gaps = Vec::new();
    for round in 0..rounds(20).max(20) {
        let (leader, next) = (round % 2, (round + 1) % 2);
        let standby = {
            let (standby, claim) = (workers[next].clone(), claims[next].clone());
            tokio::spawn(async move {
                standby.changed().await;
                let granted = standby.try_acquire(AcquireRequest::new(&claim)).await.expect("an answer");
                assert!(matches!(granted, leader_election::Acquire::Granted(_)), "{granted:?}");
                Instant::now()
            })
        };
        redis.wait_until("it is subscribed", |redis| subscribers(redis, "nightly"));
        let began = Instant::now();
        workers[leader].release(&claims[leader]).await.expect("released");
        gaps.push(standby.await.expect("told") - began);
    }
    gaps.sort_unstable();
    let trip = round_trip(&redis).await;
    let at = |percent: usize| gaps[(gaps.len() - 1) * percent / 100];
    println!(
        "{} releases heard and followed by a grant: p50 {:?}, p99 {:?}; one round trip {trip:?}",
        gaps.len(),
        at(50),
        at(99)
    );
    assert!(at(50) < LEASE / 15, "{gaps:?}");
}

/// With a poll of half a second, hand-overs that take far less were told.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: apt install redis-server"]
async fn a_hand_over_takes_no_poll() {
    const POLL: Duration = Duration::from_millis(500);
    let redis = Redis::start(&[]);
    redis.wait_until_old(5);
    let (term, mut terms) = tokio::sync::mpsc::unbounded_channel::<(Leadership, Instant)>();
    let shutdown = CancellationToken::new();
    let timing = Timing::new(TimingOptions { poll_every: POLL, ..TimingOptions::for_lease(Duration::from_secs(3)) });
    let timing = timing.expect("valid");
    let mut hosts = Vec::new();
    for _ in 0..2 {
        let options = LeaderHostOptions { timing: timing.clone(), ..LeaderHostOptions::default() };
        let host = LeaderHost::new(mutex(&redis, "nightly")).with_options(options);
        let term = term.clone();
        hosts.push(tokio::spawn(host.run(shutdown.clone(), move |leader: Leadership| {
            let term = term.clone();
            async move {
                let _ = term.send((leader.clone(), Instant::now()));
                leader.token().cancelled().await;
            }
        })));
    }
    let mut gaps = Vec::new();
    for _ in 0..rounds(20) {
        let (leader, _) = terms.recv().await.expect("a leader");
        // The other one is subscribed by then.
        tokio::time::sleep(Duration::from_millis(150)).await;
        let began = Instant::now();
        leader.step_down();
        let (next, at) = terms.recv().await.expect("another leader");
        assert_ne!(next.holder(), leader.holder());
        gaps.push(at - began);
        next.step_down();
    }
    shutdown.cancel();
    for host in hosts {
        host.await.expect("no panic").expect("a clean end");
    }
    gaps.sort_unstable();
    let at = |percent: usize| gaps[(gaps.len() - 1) * percent / 100];
    let trip = round_trip(&redis).await;
    println!(
        "{} hand-overs with a poll of {POLL:?}: p50 {:?}, p99 {:?}; one round trip {trip:?}",
        gaps.len(),
        at(50),
        at(99)
    );
    assert!(at(50) < POLL / 4, "{gaps:?}");
}
