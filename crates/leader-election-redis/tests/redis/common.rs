//! What several tests need.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use leader_election::{Claim, HolderId};
use leader_election_redis::{RedisDistributedMutex, RedisServer};
use testservers::redis::Redis;

/// A name that no other test has.
pub fn unique(name: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The rules of the access control list that the documentation gives.
pub fn documented_rights() -> Vec<String> {
    let source = include_str!("../../src/mutex.rs");
    let (_, after) = source.split_once("ACL SETUSER leases on >PASSWORD ").expect("documented");
    let (rules, _) = after.split_once("```").expect("a block");
    rules.split_whitespace().filter(|word| *word != "///").map(str::to_owned).collect()
}

pub fn server(redis: &Redis) -> RedisServer {
    RedisServer::new(&redis.url()).expect("valid")
}

pub fn mutex(redis: &Redis, election: &str) -> RedisDistributedMutex {
    RedisDistributedMutex::new(server(redis), election).expect("valid")
}

pub fn claim(holder: &str, lease: Duration) -> Claim {
    Claim::new(HolderId::new(holder).expect("valid"), lease)
}

/// Where the record of an election is.
pub fn key(election: &str) -> String {
    format!("{{leader-election}}:{election}")
}
