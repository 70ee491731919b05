//! A store in this process's memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::claim::{Claim, ClaimId};
use crate::error::Result;
use crate::fencing::FencingToken;
use crate::mutex::{Acquire, DistributedMutex, Grant, Held, Leader, Loss, Observation, Renew, Version};
use crate::sources::Sources;

/// A lease in memory: for tests, for trying things out, and for the workers of one process.
///
/// Clones share the lease. It behaves as a lease in the cloud does: it expires by its own clock (tokio's, which tests
/// can pause), does not tell how long it still runs, and its token survives release and expiry.
///
/// ```
/// use azure_leader_election::{Acquire, Claim, DistributedMutex, HolderId, MemoryMutex};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> azure_leader_election::Result<()> {
/// let mutex = MemoryMutex::new();
/// let first = Claim::new(HolderId::new("first")?, Duration::from_secs(15));
/// let second = Claim::new(HolderId::new("second")?, Duration::from_secs(15));
/// assert!(matches!(mutex.try_acquire(&first, None).await?, Acquire::Granted(_)));
/// assert!(matches!(mutex.try_acquire(&second, None).await?, Acquire::Held(_)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemoryMutex {
    record: Arc<Mutex<Record>>,
    released: Arc<Notify>,
    sources: Sources,
}

#[derive(Debug, Default)]
struct Record {
    /// The latest grant; it holds until it is released, or it ran out and another claim takes it.
    latest: Option<Latest>,
}

#[derive(Debug)]
struct Latest {
    claim: ClaimId,
    leader: Leader,
    /// `None` once released.
    until: Option<Instant>,
}

impl MemoryMutex {
    /// A lease that nobody has held yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the times for people in its record from these sources; the lease runs out by tokio's clock whatever they are.
    /// Default: the system's.
    #[must_use]
    pub fn with_sources(mut self, sources: Sources) -> Self {
        self.sources = sources;
        self
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        // No code that could panic runs under the lock.
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl DistributedMutex for MemoryMutex {
    async fn try_acquire(&self, claim: &Claim, _lapsed: Option<&Version>) -> Result<Acquire> {
        let now = Instant::now();
        // A clock of the caller's may panic, so it is not read under the lock.
        let wall_time = self.sources.wall_time();
        let mut record = self.record();
        let fencing_token = match &record.latest {
            Some(latest) if latest.is_held_by(claim) => latest.leader.fencing_token,
            Some(latest) if latest.is_running(now) => {
                let leader = Some(latest.leader.clone());
                return Ok(Acquire::Held(Held { leader, lease: latest.leader.lease, ..Held::default() }));
            }
            latest => FencingToken::next(latest.as_ref().map(|latest| latest.leader.fencing_token), 0)?,
        };
        record.latest = Some(Latest {
            claim: claim.id,
            leader: Leader {
                holder: claim.holder.clone(),
                fencing_token,
                elected_at: Some(wall_time),
                lease: Some(claim.lease),
                renew_every: Some(claim.renew_every),
            },
            until: Some(end_of(claim.lease, now)),
        });
        Ok(Acquire::Granted(Grant { fencing_token, lease: claim.lease }))
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        let now = Instant::now();
        match &mut self.record().latest {
            Some(latest) if latest.is_held_by(claim) => {
                latest.until = Some(end_of(claim.lease, now));
                Ok(Renew::Renewed)
            }
            _ => Ok(Renew::Lost(Loss::Taken)),
        }
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        if let Some(latest) = self.record().latest.as_mut().filter(|latest| latest.is_held_by(claim)) {
            latest.until = None;
        }
        self.released.notify_waiters();
        Ok(())
    }

    async fn observe(&self) -> Result<Observation> {
        let now = Instant::now();
        Ok(self.record().latest.as_ref().map_or_else(Observation::default, |latest| Observation {
            held: latest.is_running(now),
            latest: Some(latest.leader.clone()),
        }))
    }

    /// Resolves with the next release, so that a hand-over takes no poll.
    async fn changed(&self) {
        self.released.notified().await;
    }
}

impl Latest {
    /// Also after it ran out, as long as nobody else took it.
    fn is_held_by(&self, claim: &Claim) -> bool {
        self.claim == claim.id && self.until.is_some()
    }

    fn is_running(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

fn end_of(lease: Duration, now: Instant) -> Instant {
    // Leases are checked to be an hour at most by the host; a caller of the port may name any.
    now.checked_add(lease).unwrap_or(now)
}
