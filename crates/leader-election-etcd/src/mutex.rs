//! The mutex that users take.

use std::fmt;
use std::sync::Arc;

use leader_election::Result;
use leader_election::document::DocumentMutex;
use leader_election::kit::{OnRequestThreads, delegate_mutex};

use crate::cluster::EtcdCluster;
use crate::record::{LeaderRecord, check_election};

/// Elects on a record in etcd, under compare-and-swap.
///
/// There is one key for each election, `PREFIX/ELECTION`, with a record in JSON. It is replaced by transactions that compare its *value*, so
/// no write goes over one that was not seen. A standby reads it once per poll and takes over when it has stood still for a whole lease on the
/// standby's own clock; no clocks are compared, and etcd expires nothing. Leases take 1 s to an hour. A release is pushed by a watch, so a
/// hand-over waits for no poll.
///
/// # Why no lease of etcd's, and not its own election
/// A lease of etcd lives 2 s or longer, in whole seconds, and begins anew when etcd changes its leader: a dead worker's key then stays for up to twice
/// as long. A keep-alive is answered from memory and is no write under consensus; where a leader is stuck in its disk,
/// etcd [has ended leases that were kept alive](https://github.com/etcd-io/etcd/issues/15247). And the election of etcd's `concurrency` package waits on the
/// server, which is no attempt that can be bounded and repeated. Here each renewal is a write that a majority has.
///
/// # What etcd must have
/// - Version 3.4 or later with its JSON gateway, which is on by default. Tested with 3.4.23.
/// - **Auto-compaction**, such as `--auto-compaction-mode=periodic --auto-compaction-retention=1h`. Each renewal is a revision: with the default
///   lease 17,280 a day for each leader. An etcd whose space runs out (alarm `NOSPACE`) refuses all writes, and nobody leads until somebody has compacted and
///   defragmented it; the error says so.
/// - With authentication on: a role with `readwrite` on the prefix of the keys (`etcdctl role grant-permission leases readwrite elections/ --prefix`).
///   Whoever may write there can take or break a lease. To check a password costs etcd a tenth of a second of computing by default
///   (`--bcrypt-cost`), at the start and where a restarted member has forgotten the token. Signing in goes on when an attempt is given up, and the next one
///   finds the token. etcd 3.4.23 answers nobody else meanwhile: after sixteen that signed in at once, others had waited more than half a second. So give all
///   elections of a process one [`EtcdCluster`], which signs in once.
/// - With `--client-cert-auth`: a server certificate that is good for clients too (`clientAuth`), as the gateway shows it to its own server. With authentication on as
///   well: a client certificate without a common name, and a user.
///
/// # A restored snapshot
/// Restore with all workers stopped, or accept that two lead until the older leader's next renewal: the record is that of the time of the
/// snapshot, so a standby may take the lease over from a leader it does not know of. That one's next renewal finds another value, and is lost.
/// Fencing tokens go on rising: they follow the local clock, in milliseconds, as etcd tells no time and its revisions come again after a restore. So keep the clocks of workers
/// within the time that a restore takes. A fence that is kept in the same etcd is restored along with it; see [`FencedKeys`](crate::FencedKeys).
///
/// # Operator and side records
/// Its [operator](leader_election::DistributedMutex::operator) breaks the lease, and lists the elections below the prefix by a range over keys, 20,000 keys at
/// the most. Its [side records](leader_election::DistributedMutex::side) are the keys `PREFIX/ELECTION:NAME`.
///
/// Requests are sent from threads of the crate's own; no secret is in `Debug`, errors or traces.
///
/// ```
/// use leader_election::LeaderHost;
/// use leader_election_etcd::{EtcdAddress, EtcdCluster, EtcdDistributedMutex, EtcdOptions};
///
/// let address = EtcdAddress::new("etcd://etcd-0.etcd:2379;etcd-1.etcd:2379;etcd-2.etcd:2379")?;
/// let options = EtcdOptions { user: Some("billing".to_owned()), password: Some("hunter2".to_owned()), ..EtcdOptions::default() };
/// let cluster = EtcdCluster::new(address, options)?;
/// let host = LeaderHost::new(EtcdDistributedMutex::new(&cluster, "nightly-billing")?);
/// # Ok::<(), leader_election::Error>(())
/// ```
#[derive(Clone)]
pub struct EtcdDistributedMutex {
    election: OnRequestThreads<DocumentMutex<LeaderRecord>>,
}

impl EtcdDistributedMutex {
    /// The election of this name in that cluster. Nothing is sent yet.
    ///
    /// # Errors
    /// [`InvalidSetting`](leader_election::ErrorKind::InvalidSetting) for a name that cannot be: 1 to 128 ASCII letters, digits, dots, hyphens and underscores, not
    /// beginning with a dot, not ending in `.wish`, `.runs` or `.terms`.
    pub fn new(cluster: &EtcdCluster, election: &str) -> Result<Self> {
        check_election(election)?;
        let record = LeaderRecord::new(Arc::clone(&cluster.connection), election);
        Ok(Self { election: OnRequestThreads::new(DocumentMutex::new(record)) })
    }
}

delegate_mutex!(EtcdDistributedMutex, election);

impl fmt::Debug for EtcdDistributedMutex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EtcdDistributedMutex").field(self.election.inner().store()).finish()
    }
}
