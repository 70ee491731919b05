//! Servers that hang, restart or cannot be heard: each renewal gets its error, and nothing of it outlives the attempt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use leader_election::{AcquireRequest, DistributedMutex, ErrorKind, Renew};
use leader_election_redis::{RedisDistributedMutex, RedisServer};
use testservers::redis::Redis;
use testservers::{Direction, Link};

use crate::common::{claim, connections_to, mutex, rounds, server};

const LEASE: Duration = Duration::from_secs(2);
const ATTEMPT: Duration = Duration::from_millis(60);

async fn led(mutex: &RedisDistributedMutex) -> leader_election::Claim {
    let leader = claim("leader", LEASE);
    mutex.try_acquire(AcquireRequest::new(&leader)).await.expect("granted");
    leader
}

/// Soon: what was dropped is closed by the thread that drove it.
async fn is_closed(port: u16) -> bool {
    let closed = async {
        while connections_to(port) > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), closed).await.is_ok()
}

/// As a host does: each attempt is dropped at its limit.
async fn renew_in_vain(mutex: &RedisDistributedMutex, port: u16) {
    let leader = claim("leader", LEASE);
    for round in 0..rounds(40) {
        let attempt = tokio::time::timeout(ATTEMPT, mutex.renew(&leader)).await;
        assert!(attempt.is_err(), "round {round}: {attempt:?}");
        assert!(is_closed(port).await, "round {round}: a connection outlives its attempt");
    }
    // Whoever bounds nothing is told in ten seconds.
    let error = mutex.renew(&leader).await.expect_err("there is no answer");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(is_closed(port).await, "a connection outlives its call");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: apt install redis-server"]
async fn renewals_on_a_frozen_server_end_with_their_attempts() {
    let redis = Redis::start(&[]);
    redis.wait_until_old(4);
    let election = mutex(&redis, "nightly");
    let leader = led(&election).await;
    redis.freeze();
    renew_in_vain(&election, redis.address().port()).await;
    redis.thaw();
    // What the server has got meanwhile it carries out now, and none of it harms.
    let renewed = election.renew(&leader).await.expect("it answers again");
    assert_eq!(renewed, Renew::Renewed);
    assert!(election.observe().await.expect("read").is_held());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: apt install redis-server"]
async fn renewals_into_a_black_hole_end_with_their_attempts() {
    let redis = Redis::start(&[]);
    redis.wait_until_old(4);
    let link = Link::start(redis.address());
    let far = RedisServer::new(&format!("redis://{}", link.address())).expect("valid");
    let election = RedisDistributedMutex::new(far, "nightly").expect("valid");
    let leader = led(&election).await;
    link.cut(Direction::Both);
    renew_in_vain(&election, link.address().port()).await;
    link.mend();
    assert_eq!(election.renew(&leader).await.expect("it answers again"), Renew::Renewed);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: apt install redis-server"]
async fn renewals_on_a_server_that_restarts_are_renewed_or_unreachable_and_never_lost() {
    let mut redis = Redis::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    redis.wait_until_old(4);
    let election = mutex(&redis, "nightly");
    let leader = led(&election).await;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let restarting = std::thread::spawn(move || {
        let mut restarts = 0;
        while !stopped.load(Ordering::Relaxed) {
            redis.kill();
            std::thread::sleep(Duration::from_millis(30));
            redis.up();
            restarts += 1;
            std::thread::sleep(Duration::from_millis(100));
        }
        (redis, restarts)
    });
    let (mut renewed, mut failed) = (0, 0);
    for round in 0..rounds(40).max(40) {
        match tokio::time::timeout(Duration::from_secs(5), election.renew(&leader)).await.expect("an end") {
            Ok(Renew::Renewed) => renewed += 1,
            Ok(lost) => panic!("round {round}: {lost:?}"),
            Err(error) => {
                let known = matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Unavailable);
                assert!(known, "round {round}: {error:?}");
                failed += 1;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.store(true, Ordering::Relaxed);
    let (redis, restarts) = restarting.join().expect("no panic");
    println!("over {restarts} restarts: {renewed} renewed, {failed} unanswered, none lost");
    assert!(renewed > 0 && failed > 0, "{renewed} {failed}");
    assert_eq!(election.renew(&leader).await.expect("it is up"), Renew::Renewed);
    drop(redis);
}

/// A connection that the server has closed meanwhile costs no attempt.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: apt install redis-server"]
async fn a_connection_that_was_closed_meanwhile_is_replaced_within_the_attempt() {
    let redis = Redis::start(&[]);
    redis.wait_until_old(4);
    let election = mutex(&redis, "nightly");
    let leader = led(&election).await;
    for _ in 0..20 {
        assert!(!redis.cli(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).is_empty());
        redis.wait_until("it is closed here too", |redis| connections_to(redis.address().port()) == 0);
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(election.renew(&leader).await.expect("by a new connection"), Renew::Renewed);
    }
}

/// What was sent before a leader was replaced, and is carried out after that.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: apt install redis-server"]
async fn a_dropped_renewal_and_release_that_are_carried_out_late_harm_nobody() {
    let redis = Redis::start(&[]);
    redis.wait_until_old(4);
    let link = Link::start(redis.address());
    let far = RedisServer::new(&format!("redis://{}", link.address())).expect("valid");
    for release in [false, true] {
        let name = if release { "released" } else { "renewed" };
        let election = RedisDistributedMutex::new(far.clone(), name).expect("valid");
        let leader = led(&election).await;
        link.cut(Direction::Both);
        let late = async {
            if release {
                election.release(&leader).await.map(|()| None)
            } else {
                election.renew(&leader).await.map(Some)
            }
        };
        assert!(tokio::time::timeout(ATTEMPT * 4, late).await.is_err(), "a black hole does not answer");
        // Another one watches the record stand still for a lease, and takes over.
        let nearby = mutex(&redis, name);
        let seen = nearby.observe().await.expect("read").version;
        tokio::time::sleep(LEASE).await;
        let next = claim("next", LEASE);
        let request = AcquireRequest::new(&next).with_lapsed(seen.as_ref());
        assert!(matches!(nearby.try_acquire(request).await.expect("read"), leader_election::Acquire::Granted(_)));
        let granted = nearby.observe().await.expect("read");
        link.mend();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(nearby.observe().await.expect("read"), granted, "{name}");
        assert_eq!(nearby.renew(&next).await.expect("it leads"), Renew::Renewed);
    }
}

#[test]
#[ignore = "needs redis-server: apt install redis-server"]
fn a_runtime_that_is_blocked_holds_up_no_renewal() {
    let redis = Redis::start(&[]);
    redis.wait_until_old(4);
    let election = mutex(&redis, "nightly");
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let leader = runtime().block_on(led(&election));
    let blocked = Duration::from_secs(3);
    // It opens the connection that is kept, and then blocks its thread.
    let blocking = {
        let election = RedisDistributedMutex::clone(&election);
        std::thread::spawn(move || {
            runtime().block_on(async {
                election.observe().await.expect("read");
                std::thread::sleep(blocked);
            });
        })
    };
    std::thread::sleep(Duration::from_millis(300));
    for _ in 0..5 {
        assert_eq!(runtime().block_on(election.renew(&leader)).expect("answered"), Renew::Renewed);
    }
    assert!(!blocking.is_finished(), "the renewals did not wait for it");
    blocking.join().expect("no panic");
}

/// For the numbers in the documentation: what one request takes on this machine.
pub async fn round_trip(redis: &Redis) -> Duration {
    let election = RedisDistributedMutex::new(server(redis), "round-trip").expect("valid");
    let mut taken = Vec::new();
    for _ in 0..51 {
        let began = Instant::now();
        election.observe().await.expect("read");
        taken.push(began.elapsed());
    }
    taken.sort_unstable();
    taken[25]
}
