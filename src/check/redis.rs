//! What a check adds on Redis.

use std::sync::Arc;

use async_trait::async_trait;
use leader_election_redis::RedisServer;
use leader_election_redis::check::{Facts, RedisCheck};

use super::ground::within;
use super::{Probes, Seen, Step, Verdict, side};
use leader_election::{ErrorKind, Result};

pub(crate) struct RedisProbes(Arc<RedisCheck>);

impl RedisProbes {
    pub(crate) fn new(server: RedisServer) -> Result<Self> {
        Ok(Self(Arc::new(RedisCheck::new(server)?)))
    }

    fn step(&self, number: &'static str, says: &'static str, judge: fn(&Facts) -> Seen) -> Step {
        let check = Arc::clone(&self.0);
        Step::new(number, says, move |_| async move {
            match within(check.facts()).await {
                Err(error) if error.kind() == ErrorKind::Denied => {
                    Ok(Seen::not_checked("this user may not ask by INFO, so it is not known"))
                }
                facts => facts.map(|facts| judge(&facts)),
            }
        })
    }
}

#[async_trait]
impl Probes for RedisProbes {
    fn steps(&self) -> Vec<Step> {
        vec![
            self.step("R1", "The server evicts no key that has no expiry, as an election's record", eviction),
            self.step("R7", "The server is Redis 7.0 or later, and tells how long it has been up", version),
            self.step("R8", "The server is a primary; with replicas, a failover can lose the latest record", role),
        ]
    }

    async fn remove(&self, election: &str) -> Result<()> {
        self.0.remove(election, side::written_beside(election)).await
    }
}

fn eviction(facts: &Facts) -> Seen {
    let Some(policy) = facts.get("maxmemory_policy") else {
        return Seen::not_checked("the server does not tell its policy");
    };
    let limit = facts.get("maxmemory").unwrap_or("unknown");
    let text = format!("maxmemory-policy {policy}, maxmemory {limit}");
    match policy.starts_with("allkeys-") && limit != "0" {
        true => Seen::new(
            Verdict::Unfit,
            format!("{text}: two workers can lead once memory is full; set the policy to noeviction or volatile-lru"),
        ),
        false => Seen::is_so(true, text),
    }
}

fn version(facts: &Facts) -> Seen {
    let Some(version) = facts.get("redis_version") else {
        return Seen::not_checked("the server does not tell its version");
    };
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    let up = facts.get("uptime_in_seconds").and_then(|up| up.parse::<u64>().ok());
    let text = match up {
        Some(up) => format!("version {version}, up for {up} s"),
        None => format!("version {version}, uptime not told"),
    };
    Seen::is_so(major.is_some_and(|major| major >= 7) && up.is_some(), text)
}

fn role(facts: &Facts) -> Seen {
    let Some(role) = facts.get("role") else { return Seen::not_checked("the server does not tell its role") };
    let replicas = facts.get("connected_slaves").unwrap_or("0");
    match (role, replicas) {
        ("master", "0") => Seen::is_so(
            true,
            "a primary without replicas: it loses its records with its memory, unless it persists them",
        ),
        ("master", replicas) => Seen::is_so(true, format!("a primary with {replicas} replicas: fence what you write")),
        (role, _) => Seen::new(Verdict::Unfit, format!("a {role}: name the primary")),
    }
}
