//! Rounds of real processes on each store.
//!
//! `LEADER_ROUNDS=100` sets how many rounds of each kind, `LEADER_LANES=10` how many elections at once, `LEADER_SEED=<number>` when in
//! the leaders' rhythm they are harmed, and `LEADER_HARMS=Kill,Stop` which of the kinds.

#![cfg(unix)]
#![allow(clippy::expect_used)]

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use rounds::outcome::Outcome;
use rounds::{Harm, Plan, Service, run};
use testservers::etcd::Etcd;
use testservers::redis::Redis;

struct Files {
    directory: tempfile::TempDir,
    fence: &'static str,
}

impl Files {
    fn new(fence: &'static str) -> Self {
        Self { directory: tempfile::tempdir().expect("a directory"), fence }
    }
}

impl Service for Files {
    fn name(&self) -> &str {
        "files"
    }

    fn servers(&self) -> Vec<SocketAddr> {
        vec![]
    }

    fn store(&self, _: &[SocketAddr]) -> String {
        format!("file:{}", self.directory.path().display())
    }

    fn ledger(&self, addresses: &[SocketAddr]) -> String {
        format!("{}{}", self.fence, self.store(addresses))
    }
}

/// The rig itself, where no server is needed.
#[test]
fn on_files_no_stale_write_is_accepted() {
    let outcome = play(&Files::new(""), &[Harm::Kill, Harm::Stop, Harm::End], Duration::from_secs(1), 2);
    outcome.assert_safe();
    outcome.assert_that_it_bites();
}

/// The control: the rounds reach what a fence is for.
#[test]
fn without_a_fence_what_comes_late_is_accepted() {
    let outcome = play(&Files::new("unfenced+"), &[Harm::Stop], Duration::from_secs(1), 2);
    assert!(outcome.verdict.stale_accepted > 0, "{:?}", outcome.verdict);
}

const ALL: [Harm; 6] = [Harm::Kill, Harm::Stop, Harm::Cut, Harm::CutToServer, Harm::CutToClient, Harm::End];

/// One server.
struct OneRedis(Redis);

impl Service for OneRedis {
    fn name(&self) -> &str {
        "redis"
    }

    fn servers(&self) -> Vec<SocketAddr> {
        vec![self.0.address()]
    }

    fn store(&self, addresses: &[SocketAddr]) -> String {
        format!("redis://{}", addresses[0])
    }
}

#[test]
#[ignore = "needs redis-server: apt install redis-server"]
fn on_redis_no_stale_write_is_accepted() {
    let lease = Duration::from_secs(3);
    let redis = Redis::start(&[]);
    // A younger server makes no record.
    redis.wait_until_old(lease.as_secs() + 2);
    let outcome = play(&OneRedis(redis), &ALL, lease, 10);
    outcome.assert_safe();
    outcome.assert_that_it_bites();
}

/// Three members, of which the leader is frozen or killed in each third wave.
struct ThreeEtcd {
    cluster: Mutex<Etcd>,
    disturbed: Mutex<Option<Disturbed>>,
}

#[derive(Clone, Copy)]
enum Disturbed {
    Frozen(usize),
    Killed(usize),
}

impl Service for ThreeEtcd {
    fn name(&self) -> &str {
        "etcd"
    }

    fn servers(&self) -> Vec<SocketAddr> {
        self.cluster.lock().expect("not poisoned").addresses()
    }

    fn store(&self, addresses: &[SocketAddr]) -> String {
        testservers::etcd::url_of(addresses.iter().copied())
    }

    fn disturb(&self, wave: usize) -> bool {
        if wave % 3 != 0 {
            return false;
        }
        let mut cluster = self.cluster.lock().expect("not poisoned");
        let leader = cluster.leader();
        let disturbed = if wave % 2 == 0 {
            cluster.freeze(leader);
            Disturbed::Frozen(leader)
        } else {
            cluster.kill(leader);
            Disturbed::Killed(leader)
        };
        *self.disturbed.lock().expect("not poisoned") = Some(disturbed);
        true
    }

    fn repair(&self) {
        let mut cluster = self.cluster.lock().expect("not poisoned");
        match self.disturbed.lock().expect("not poisoned").take() {
            Some(Disturbed::Frozen(member)) => cluster.thaw(member),
            Some(Disturbed::Killed(member)) => cluster.restart(member),
            None => {}
        }
    }
}

#[test]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
fn on_etcd_no_stale_write_is_accepted() {
    let etcd = ThreeEtcd { cluster: Mutex::new(Etcd::three()), disturbed: Mutex::default() };
    let outcome = play(&etcd, &ALL, Duration::from_secs(3), 10);
    outcome.assert_safe();
    outcome.assert_that_it_bites();
}

/// What is played, at the pace of real clocks.
fn play(service: &dyn Service, harms: &[Harm], lease: Duration, rounds: usize) -> Outcome {
    let rounds = asked_for("LEADER_ROUNDS").unwrap_or(rounds);
    let lanes = asked_for("LEADER_LANES").unwrap_or(10).min(rounds);
    let seed = asked_for("LEADER_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let wanted: Option<String> = asked_for("LEADER_HARMS");
    let chosen =
        |harm: &&Harm| wanted.as_ref().is_none_or(|wanted| wanted.split(',').any(|word| word == format!("{harm:?}")));
    let harms: Vec<_> = harms.iter().filter(chosen).copied().collect();
    let plan = Plan {
        service,
        name: "rounds",
        worker: env!("CARGO_BIN_EXE_round-worker"),
        lease,
        poll: lease / 6,
        harms: &harms,
        rounds,
        lanes,
        seed,
    };
    let outcome = run(&plan);
    outcome.print();
    outcome
}

/// What the environment asks for.
fn asked_for<T: std::str::FromStr>(variable: &str) -> Option<T> {
    let asked = std::env::var(variable).ok()?;
    // What is misspelt must not run something else in silence.
    Some(asked.parse().unwrap_or_else(|_| panic!("{variable}={asked}")))
}
