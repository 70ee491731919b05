//! A replica is promoted after a partition: what the limits in the documentation say, and what the fence does about it.

use std::time::{Duration, Instant};

use leader_election::{CancellationToken, ErrorKind, FencingToken, LeaderHost, LeaderHostOptions, Leadership, Timing};
use leader_election_redis::{FencedKeys, RedisDistributedMutex, RedisServer};
use testservers::redis::Redis;
use testservers::{Direction, Link};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::common::rounds;

const LEASE: Duration = Duration::from_secs(2);

/// What the replica does not have when it is promoted, and where the leader is then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    /// It lacks the grant; the leader is led to it as all others are.
    GrantLost,
    /// It lacks the grant; the leader is cut off together with the old primary, which goes on to answer it.
    CutOffWithThePrimary,
    /// It has the grant, and lacks renewals.
    RenewalsLost,
}

/// What became of one round.
#[derive(Debug)]
struct Round {
    case: Case,
    /// For how long two led.
    two_led: Option<Duration>,
    token_rose: bool,
    /// Whether the older leader's write was refused by the fence, once the newer one had written.
    fenced: bool,
}

/// A worker: its terms, and its own way to the server.
struct Worker {
    link: Link,
    server: RedisServer,
    terms: UnboundedReceiver<Leadership>,
    stop: CancellationToken,
}

impl Worker {
    fn start(redis: &Redis) -> Self {
        let link = Link::start(redis.address());
        let server = RedisServer::new(&format!("redis://{}", link.address())).expect("valid");
        let mutex = RedisDistributedMutex::new(server.clone(), "nightly").expect("valid");
        let timing = Timing::for_lease(LEASE).expect("valid");
        let host = LeaderHost::new(mutex).with_options(LeaderHostOptions { timing, ..LeaderHostOptions::default() });
        let (term, terms) = unbounded_channel();
        let stop = CancellationToken::new();
        tokio::spawn(host.run(stop.clone(), move |leader: Leadership| {
            let term = term.clone();
            async move {
                let _ = term.send(leader.clone());
                leader.token().cancelled().await;
            }
        }));
        Self { link, server, terms, stop }
    }

    fn fence(&self, token: FencingToken) -> FencedKeys {
        FencedKeys::new(self.server.clone(), "work", token).expect("valid").with_limit(Duration::from_secs(4))
    }
}

async fn round(case: Case) -> Round {
    let mut primary = Redis::start(&[]);
    let replication = Link::start(primary.address());
    let replica = Redis::replica_of(replication.address(), &[]);
    // Both: the replica is asked for its age once it is promoted.
    for server in [&primary, &replica] {
        server.wait_until_old(4);
    }
    if case != Case::RenewalsLost {
        // It hears nothing any more, and is promoted with what it has.
        replication.cut(Direction::Both);
    }
    let mut older = Worker::start(&primary);
    let leader = older.terms.recv().await.expect("a term");
    let old_fence = older.fence(leader.fencing_token());
    old_fence.set("{work}:by", "older").await.expect("it leads");
    let mut newer = Worker::start(&primary);
    if case == Case::RenewalsLost {
        primary.wait_until("the replica has the grant", |_| {
            !replica.cli(&["GET", &crate::common::key("nightly")]).is_empty()
        });
        replication.cut(Direction::Both);
        tokio::time::sleep(LEASE / 2).await;
    }
    tokio::time::sleep(LEASE / 4).await;

    if case != Case::CutOffWithThePrimary {
        primary.kill();
    }
    replication.reset();
    assert_eq!(replica.cli(&["REPLICAOF", "NO", "ONE"]), "OK");
    newer.link.lead_to(replica.address());
    newer.link.reset();
    if case != Case::CutOffWithThePrimary {
        older.link.lead_to(replica.address());
        older.link.reset();
    }

    let second = tokio::time::timeout(LEASE * 2, newer.terms.recv()).await;
    let Ok(second) = second else {
        // Nobody else led, as the leader on record renewed.
        assert!(leader.ensure().is_ok(), "{case:?}: nobody leads");
        older.stop.cancel();
        newer.stop.cancel();
        return Round { case, two_led: None, token_rose: true, fenced: true };
    };
    let (second, began) = (second.expect("a term"), Instant::now());
    let newest = newer.fence(second.fencing_token());
    newest.raise().await.expect("it leads");
    let both = leader.ensure().is_ok();
    if case == Case::CutOffWithThePrimary {
        // It leads on for as long as the old primary answers it; here until that is taken away.
        tokio::time::sleep(LEASE).await;
        assert!(leader.ensure().is_ok(), "the old primary answers it");
        primary.kill();
        older.link.lead_to(replica.address());
        older.link.reset();
    }
    leader.token().cancelled().await;
    let two_led = both.then(|| began.elapsed());
    let refused = old_fence.set("{work}:by", "older").await;
    let fenced = refused.is_err_and(|error| error.kind() == ErrorKind::Fenced);
    let fenced = fenced && replica.cli(&["GET", "{work}:by"]) != "older";
    older.stop.cancel();
    newer.stop.cancel();
    Round { case, two_led, token_rose: second.fencing_token() > leader.fencing_token(), fenced }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs redis-server: apt install redis-server"]
async fn after_a_failover_two_may_lead_and_the_fence_refuses_the_older_one() {
    const AT_ONCE: usize = 6;
    let cases = [Case::GrantLost, Case::CutOffWithThePrimary, Case::RenewalsLost];
    let count = rounds(6);
    let mut done: Vec<Round> = Vec::new();
    for batch in (0..count).collect::<Vec<_>>().chunks(AT_ONCE) {
        let running: Vec<_> = batch.iter().map(|number| tokio::spawn(round(cases[number % 3]))).collect();
        for round in running {
            done.push(round.await.expect("no panic"));
        }
    }
    println!("{count} failovers, lease {LEASE:?}, renewals every {:?}", LEASE / 3);
    for case in cases {
        let of_case: Vec<_> = done.iter().filter(|round| round.case == case).collect();
        let mut times: Vec<_> = of_case.iter().filter_map(|round| round.two_led).collect();
        times.sort_unstable();
        println!(
            "{case:?}: {} rounds, two led in {}, for {:?} (median), {:?} (longest)",
            of_case.len(),
            times.len(),
            times.get(times.len() / 2).copied().unwrap_or_default(),
            times.last().copied().unwrap_or_default(),
        );
        if case == Case::GrantLost {
            // Its next renewal tells it, and a little for the machine to be slow in.
            assert!(times.iter().all(|time| *time < LEASE), "{times:?}");
        }
        if case == Case::RenewalsLost {
            assert!(times.is_empty(), "who has the grant leads alone: {times:?}");
        }
    }
    assert!(done.iter().all(|round| round.token_rose && round.fenced), "{done:#?}");
    println!("in all {count}: the newer token was the higher one, and the fence refused the older leader");
}
