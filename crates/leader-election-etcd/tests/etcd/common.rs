//! What several tests need.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use leader_election::{Acquire, Claim, DistributedMutex, FencingToken, HolderId};
use leader_election_etcd::{EtcdAddress, EtcdCluster, EtcdDistributedMutex, EtcdOptions};
use testservers::etcd::{Certificates, Etcd};

pub const PASSWORD: &str = "hunter2-canary";

/// A name that no other test has.
pub fn unique(name: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// How much longer than in the gate the long tests run.
pub fn scale() -> usize {
    std::env::var("LEADER_ETCD_SCALE").map_or(1, |scale| scale.parse().expect("a number"))
}

pub fn cluster(url: &str) -> EtcdCluster {
    cluster_with(url, EtcdOptions::default())
}

pub fn cluster_with(url: &str, options: EtcdOptions) -> EtcdCluster {
    EtcdCluster::new(EtcdAddress::new(url).expect("valid"), options).expect("valid")
}

pub fn as_worker() -> EtcdOptions {
    EtcdOptions { user: Some("worker".to_owned()), password: Some(PASSWORD.to_owned()), ..EtcdOptions::default() }
}

/// The cluster's authority, and with `identity` a client certificate.
pub fn certificates(etcd: &Etcd, identity: bool) -> EtcdOptions {
    of(&etcd.certificates(), identity)
}

/// As [`certificates`], with one that has no common name.
pub fn nameless_certificates(etcd: &Etcd) -> EtcdOptions {
    of(&etcd.nameless_certificates(), true)
}

fn of(files: &Certificates, identity: bool) -> EtcdOptions {
    let read = |path: &std::path::Path| std::fs::read(path).expect("written");
    EtcdOptions {
        authority: Some(read(&files.authority)),
        certificate: identity.then(|| read(&files.certificate)),
        key: identity.then(|| read(&files.key)),
        ..EtcdOptions::default()
    }
}

pub fn mutex(etcd: &Etcd, election: &str) -> EtcdDistributedMutex {
    EtcdDistributedMutex::new(&cluster(&etcd.url()), election).expect("valid")
}

pub fn claim(holder: &str, lease: Duration) -> Claim {
    Claim::new(HolderId::new(holder).expect("valid"), lease)
}

/// The token of a lease that is free.
pub async fn acquire(mutex: &impl DistributedMutex, claim: &Claim) -> FencingToken {
    match mutex.try_acquire(claim.into()).await.expect("an answer") {
        Acquire::Granted(grant) => grant.fencing_token,
        Acquire::Held(held) => panic!("held: {held:?}"),
    }
}

pub fn token(number: u64) -> FencingToken {
    FencingToken::new(number).expect("in range")
}
