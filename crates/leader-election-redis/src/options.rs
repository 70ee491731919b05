//! Settings that are rarely needed.

use std::time::Duration;

use leader_election::{Error, Result};

/// Settings of a [`RedisDistributedMutex`](crate::RedisDistributedMutex) that are rarely needed.
///
/// ```
/// use leader_election_redis::{RedisDistributedMutex, RedisMutexOptions, RedisServer};
///
/// let server = RedisServer::new("redis://127.0.0.1:6379")?;
/// let options = RedisMutexOptions { wait_for_replica: true, ..RedisMutexOptions::default() };
/// let mutex = RedisDistributedMutex::new(server, "nightly-billing")?.with_options(options)?;
/// # Ok::<(), leader_election::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisMutexOptions {
    /// What the keys begin with, in braces, so that all are in one hash slot: `{leader-election}:nightly-billing`. The elections of one prefix
    /// are listed together. 1 to 128 ASCII letters, digits, `.`, `-`, `_`, `:` and `/`. Default: `leader-election`.
    pub prefix: String,
    /// Whether a grant and a renewal count only when a replica has acknowledged them
    /// ([`WAIT 1`](https://redis.io/docs/latest/commands/wait/), for a tenth of the lease at the most). Without an acknowledgement the call fails with
    /// [`Unavailable`](leader_election::ErrorKind::Unavailable), which is transient. Default: `false`.
    ///
    /// It makes it rarer that a failover loses the record, and does not rule it out: the replica that has acknowledged need not be
    /// the one that is promoted. A server without a replica then elects nobody, and a replica's maintenance can end a term. The user needs the right
    /// to `WAIT`.
    pub wait_for_replica: bool,
    /// The longest lease that any worker of this election asks for; an hour at the most. A server grants nothing before it has been up
    /// for this and a second more, or for the longest lease that this worker knows of: it may have come back without the record of a leader that
    /// still leads. Default: zero, which is enough where all workers ask for the same lease.
    pub longest_lease: Duration,
    /// Whether a standby keeps a second connection open, on which the server tells it of a release, so that a hand-over takes
    /// no poll. Default: `true`.
    pub push: bool,
}

impl Default for RedisMutexOptions {
    fn default() -> Self {
        Self {
            prefix: "leader-election".to_owned(),
            wait_for_replica: false,
            longest_lease: Duration::ZERO,
            push: true,
        }
    }
}

impl RedisMutexOptions {
    pub(crate) fn check(&self) -> Result<()> {
        if self.longest_lease > Duration::from_secs(3_600) {
            return Err(Error::setting("longest_lease must be an hour at the most, as no lease is longer"));
        }
        Ok(())
    }
}
