//! What several tests need.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
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

/// How often a long test repeats: `LEADER_REDIS_ROUNDS`, or so often.
pub fn rounds(fewest: usize) -> usize {
    std::env::var("LEADER_REDIS_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(fewest)
}

/// What was logged in this process, by all tests, at the finest level.
pub fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        let written = log.clone();
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || written.clone())
            .init();
        log
    })
}

#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("not poisoned")).into_owned()
    }

    /// How many lines have all of this.
    pub fn lines_with(&self, parts: &[&str]) -> usize {
        self.text().lines().filter(|line| parts.iter().all(|part| line.contains(part))).count()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// How many connections this process has open to that port of loopback.
pub fn connections_to(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
    let remote = format!("0100007F:{port:04X}");
    let open = |line: &&str| {
        let mut fields = line.split_whitespace().skip(2);
        fields.next() == Some(&remote) && fields.next() == Some("01")
    };
    table.lines().filter(open).count()
}
