//! The connection of one election, kept between its requests.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use leader_election::Result;
use leader_election::kit::{TARGET, patience, untrusted};
use redis::{Pipeline, Value};
use tracing::warn;

use crate::RedisServer;
use crate::connection::Connection;
use crate::errors;

/// At most one connection is kept. A request takes it, and gives it back when it was answered: so one that is dropped, or fails, drops the
/// connection too, and a second request at the same time opens its own and waits for nobody.
pub(crate) struct Line {
    pub(crate) server: RedisServer,
    /// For the log.
    name: String,
    kept: Mutex<Option<Connection>>,
    /// Whether the server was asked what it evicts.
    asked: AtomicBool,
    /// In milliseconds, the longest lease that was asked for here; 0 before the first.
    lease: AtomicU64,
}

impl Line {
    pub(crate) fn new(server: RedisServer, name: String) -> Self {
        let (kept, asked, lease) = (Mutex::default(), AtomicBool::new(false), AtomicU64::new(0));
        Self { server, name, kept, asked, lease }
    }

    /// Sends the commands in one go; a command that the server refuses is an error. No answer has more than `most` bytes.
    pub(crate) async fn ask(&self, doing: &str, requests: &Pipeline, most: usize) -> Result<Vec<Value>> {
        let secret = self.server.secret(self.patience()).await?;
        let kept = self.kept().take().filter(|connection| connection.is_good(secret.as_ref()));
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.open(secret).await?,
        };
        let answers = connection.ask(doing, &self.server, requests, most).await?;
        // After a failover a connection to the old primary would go on saying so.
        let refused = answers.iter().find_map(|answer| match answer {
            Value::ServerError(error) => Some(error),
            _ => None,
        });
        if let Some(error) = refused {
            return Err(errors::answered(doing, &self.server, error));
        }
        *self.kept() = Some(connection);
        Ok(answers)
    }

    /// Notes for how long a claim asks.
    pub(crate) fn note_lease(&self, lease: Duration) {
        self.lease.fetch_max(untrusted::millis(lease), Ordering::Relaxed);
    }

    /// The longest lease that was asked for here.
    pub(crate) fn longest_lease(&self) -> Duration {
        Duration::from_millis(self.lease.load(Ordering::Relaxed))
    }

    /// How long a request waits for its first token.
    pub(crate) fn patience(&self) -> Duration {
        match self.longest_lease() {
            Duration::ZERO => patience::OF_A_LOOK,
            lease => patience::within_an_attempt(lease),
        }
    }

    async fn open(&self, secret: Option<leader_election::kit::credential::Secret>) -> Result<Connection> {
        if self.asked.load(Ordering::Acquire) {
            return Ok(Connection::open(&self.server, secret, None).await?.0);
        }
        let mut memory = Pipeline::new();
        memory.cmd("INFO").arg("memory");
        let (connection, answers) = Connection::open(&self.server, secret, Some(&memory)).await?;
        self.asked.store(true, Ordering::Release);
        // Whoever may not ask is not told.
        if let Some(Value::BulkString(text)) = answers.first() {
            self.warn_of_eviction(&String::from_utf8_lossy(text));
        }
        Ok(connection)
    }

    fn warn_of_eviction(&self, memory: &str) {
        if let Some(policy) = evicts_all(memory) {
            warn!(
                target: TARGET,
                event = "record_can_be_evicted",
                election = self.name,
                server = %self.server,
                policy,
                "when its memory is full, this server evicts keys without an expiry, the leader's record among them: two workers can \
                 lead then. Set maxmemory-policy to noeviction or volatile-lru"
            );
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Option<Connection>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The policy, where it takes any key and there is a limit at which it does.
fn evicts_all(memory: &str) -> Option<&str> {
    let field = |name: &str| memory.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'));
    if field("maxmemory") == Some("0") {
        return None;
    }
    field("maxmemory_policy").filter(|policy| policy.starts_with("allkeys-") && policy.len() < 32)
}

#[cfg(test)]
mod tests {
    use super::evicts_all;

    #[test]
    fn a_policy_that_evicts_any_key_is_told_where_there_is_a_limit() {
        let memory =
            |limit: &str, policy: &str| format!("# Memory\r\nmaxmemory:{limit}\r\nmaxmemory_policy:{policy}\r\n");
        assert_eq!(evicts_all(&memory("1000", "allkeys-lru")), Some("allkeys-lru"));
        assert_eq!(evicts_all(&memory("0", "allkeys-lru")), None, "it evicts nothing");
        assert_eq!(evicts_all(&memory("1000", "volatile-lru")), None, "the record never expires");
        assert_eq!(evicts_all(&memory("1000", "noeviction")), None);
        assert_eq!(evicts_all(""), None);
    }
}
