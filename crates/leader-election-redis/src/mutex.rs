//! The mutex that users take.

use std::fmt;

use leader_election::Result;
use leader_election::document::DocumentMutex;
use leader_election::kit::{OnRequestThreads, delegate_mutex};

use crate::RedisServer;
use crate::line::Line;
use crate::options::RedisMutexOptions;
use crate::record::RedisRecord;
use crate::wire::{self, Keys};

/// Elects on a record in Redis 7.0 or later, under compare-and-swap.
///
/// There is one string for each election, `{leader-election}:ELECTION`, without an expiry: a standby reads it once per poll and takes over when it has stood
/// still for a whole lease on the standby's own clock. Each write is one script that compares what was read. The server's clock makes fencing tokens
/// and nothing else; a step of it moves no lease. That is why it is not `SET NX PX`: such a key goes by the server's clock, is evicted
/// under memory pressure, and is taken twice when the clock steps forward or a replica with a faster one is promoted. Leases take 1 s to an hour.
///
/// # Limits
///
/// - **A failover can lose the record.** Replication is asynchronous: a replica that is promoted may not know of the latest grant, and then
///   another worker leads beside the older one until that one's next renewal, which tells it; or, if it is cut off together with the old
///   primary, for as long as that answers it. [`wait_for_replica`](RedisMutexOptions::wait_for_replica) makes this rarer. So fence what you
///   write, by [`FencedKeys`](crate::FencedKeys) or by another resource's fence.
/// - **A server that restarts without its data** has no record either. So none grants a lease before it has been up for the lease and a second
///   ([`longest_lease`](RedisMutexOptions::longest_lease)). Uptime follows the wall clock, and a step forward defeats this.
/// - **Eviction.** `allkeys-*` can evict the record: never elect there. `volatile-*`, Azure's default, and `noeviction` cannot; a warning tells
///   (`record_can_be_evicted`).
/// - **Active geo-replication** accepts writes in two regions: two leaders, by design. Never elect on it.
/// - **Clustering policy OSS** is refused (`MOVED`): choose Enterprise or Non-clustered in Azure Managed Redis.
///
/// # Rights
///
/// Of an access control list, for one prefix:
///
/// ```text
/// ACL SETUSER leases on >PASSWORD resetkeys ~{leader-election}* resetchannels &{leader-election}* nocommands
///     +auth +select +eval +get +set +exists +strlen +sadd +scard +smembers +time +publish +subscribe +unsubscribe +ping +info +wait
/// ```
///
/// Without `+info` it elects all the same, and warns that it cannot know the server's age.
///
/// Its [operator](leader_election::DistributedMutex::operator) lists the elections of the prefix, 5,000 at the most, from a set that each write keeps. Its [side
/// records](leader_election::DistributedMutex::side) are the keys `{leader-election}:ELECTION.NAME`. A release is
/// [told](RedisMutexOptions::push) to the standbys.
///
/// Requests are sent from threads of the crate's own, on a connection that no other election uses, and which is thrown away with
/// every error and every call that was dropped. Each call gives up after ten seconds, if whoever made it has not before. No secret is in `Debug`,
/// errors or traces.
///
/// ```no_run
/// use leader_election::LeaderHost;
/// use leader_election_redis::{RedisDistributedMutex, RedisServer};
///
/// let server = RedisServer::new("rediss://mycache.westeurope.redis.azure.net")?.with_password("an access key");
/// let host = LeaderHost::new(RedisDistributedMutex::new(server, "nightly-billing")?);
/// # Ok::<(), leader_election::Error>(())
/// ```
#[derive(Clone)]
pub struct RedisDistributedMutex {
    server: RedisServer,
    name: String,
    election: OnRequestThreads<DocumentMutex<RedisRecord>>,
}

delegate_mutex!(RedisDistributedMutex, election);

impl RedisDistributedMutex {
    /// The election of this name on the server. Nothing is sent yet.
    ///
    /// # Errors
    /// [`InvalidSetting`](leader_election::ErrorKind::InvalidSetting) for a name other than 1 to 128 of the ASCII letters, digits, `.`, `-` and
    /// `_`, for one that begins with a dot, and for one that ends in `.wish`, `.runs` or `.terms`.
    pub fn new(server: RedisServer, election: &str) -> Result<Self> {
        Self::open(server, election, RedisMutexOptions::default())
    }

    /// Replaces the options.
    ///
    /// # Errors
    /// [`InvalidSetting`](leader_election::ErrorKind::InvalidSetting) for an option outside its bounds.
    pub fn with_options(self, options: RedisMutexOptions) -> Result<Self> {
        Self::open(self.server, &self.name, options)
    }

    fn open(server: RedisServer, election: &str, options: RedisMutexOptions) -> Result<Self> {
        wire::check_election(election)?;
        options.check()?;
        let keys = Keys::new(&options.prefix)?;
        server.prepare();
        let line = Line::new(server.clone(), election.to_owned());
        let record = RedisRecord::new(line, keys, election, options);
        Ok(Self { server, name: election.to_owned(), election: OnRequestThreads::new(DocumentMutex::new(record)) })
    }
}

impl fmt::Debug for RedisDistributedMutex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisDistributedMutex({} on {})", self.name, self.server)
    }
}
