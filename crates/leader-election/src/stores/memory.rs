//! A store in this process's memory.

mod side;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::claim::{Claim, ClaimId};
use crate::error::Result;
use crate::port::{
    Acquire, AcquireRequest, DistributedMutex, Grant, Held, Leader, LeaseState, Loss, Observation, Operator, Renew,
    SideName, SideRecord,
};
use crate::sources::Sources;
use crate::token::FencingToken;
use side::{MemorySide, SideRecords};

/// A lease in memory: for tests, for trying things out, and for the workers of one process.
///
/// Clones share the lease. It behaves as a lease in the cloud does: it expires by its own clock (tokio's, which tests
/// can pause), does not tell how long it still runs, and its token survives release and expiry.
///
/// ```
/// use leader_election::{Acquire, Claim, DistributedMutex, HolderId, MemoryMutex};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> leader_election::Result<()> {
/// let mutex = MemoryMutex::new();
/// let first = Claim::new(HolderId::new("first")?, Duration::from_secs(15));
/// let second = Claim::new(HolderId::new("second")?, Duration::from_secs(15));
/// assert!(matches!(mutex.try_acquire((&first).into()).await?, Acquire::Granted(_)));
/// assert!(matches!(mutex.try_acquire((&second).into()).await?, Acquire::Held(_)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemoryMutex {
    name: Arc<str>,
    record: Arc<Mutex<Record>>,
    released: Arc<Notify>,
    sides: SideRecords,
    sources: Sources,
}

#[derive(Debug, Default)]
struct Record {
    /// The latest grant; it holds until it is released, or it ran out and another claim takes it.
    latest: Option<Latest>,
}

#[derive(Debug)]
struct Latest {
    /// `None` once an operator has broken the lease.
    claim: Option<ClaimId>,
    leader: Leader,
    /// `None` once released.
    until: Option<Instant>,
}

impl MemoryMutex {
    /// A lease that nobody has held yet, of an election without a name.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A lease that nobody has held yet, of an election with this name: it tells two elections of one process apart in logs and
    /// metrics. Two mutexes of one name are two elections all the same; clone one to share it.
    ///
    /// ```
    /// use leader_election::{DistributedMutex, MemoryMutex};
    ///
    /// assert_eq!(MemoryMutex::named("nightly").election(), "nightly");
    /// ```
    #[must_use]
    pub fn named(election: impl AsRef<str>) -> Self {
        Self { name: election.as_ref().into(), ..Self::default() }
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
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        let claim = request.claim;
        let now = Instant::now();
        // A clock of the caller's may panic, so it is not read under the lock.
        let wall_time = self.sources.wall_time();
        let mut record = self.record();
        let fencing_token = match &record.latest {
            Some(latest) if latest.is_held_by(claim) && request.is_above_floor(latest.leader.fencing_token) => {
                latest.leader.fencing_token
            }
            Some(latest) if !latest.is_held_by(claim) && latest.is_running(now) => {
                return Ok(Acquire::Held(Held::by(latest.leader.clone())));
            }
            latest => {
                let on_record = latest.as_ref().map(|latest| latest.leader.fencing_token);
                FencingToken::next(on_record.max(request.floor), 0)?
            }
        };
        let leader = Leader::new(claim.holder.clone(), fencing_token)
            .with_elected_at(Some(wall_time))
            .with_lease(Some(claim.lease))
            .with_renew_every(Some(claim.renew_every))
            .with_data(request.data.cloned());
        let until = Some(end_of(claim.lease, now));
        record.latest = Some(Latest { claim: Some(claim.id), leader, until });
        Ok(Acquire::Granted(Grant::new(fencing_token, claim.lease)))
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        let now = Instant::now();
        match &mut self.record().latest {
            Some(latest) if latest.is_held_by(claim) => {
                latest.until = Some(end_of(claim.lease, now));
                Ok(Renew::Renewed)
            }
            Some(Latest { claim: None, .. }) => Ok(Renew::Lost(Loss::Broken)),
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
        Ok(self.record().latest.as_ref().map_or_else(Observation::default, |latest| {
            Observation::new(latest.state(now), Some(latest.leader.clone()))
        }))
    }

    fn election(&self) -> &str {
        &self.name
    }

    fn operator(&self) -> Option<Arc<dyn Operator>> {
        Some(Arc::new(self.clone()))
    }

    fn side(&self, name: SideName) -> Option<Arc<dyn SideRecord>> {
        Some(Arc::new(MemorySide { records: Arc::clone(&self.sides), name }))
    }

    /// Resolves with the next release, so that a hand-over takes no poll.
    async fn changed(&self) {
        self.released.notified().await;
    }
}

#[async_trait]
impl Operator for MemoryMutex {
    async fn break_lease(&self, period: Option<Duration>) -> Result<Duration> {
        let now = Instant::now();
        let mut record = self.record();
        let Some(latest) = record.latest.as_mut().filter(|latest| latest.is_running(now)) else {
            return Ok(Duration::ZERO);
        };
        let still_runs = latest.until.map_or(Duration::ZERO, |until| until.duration_since(now));
        let free_in = period.unwrap_or(still_runs).min(still_runs);
        latest.claim = None;
        latest.until = Some(now + free_in);
        if free_in.is_zero() {
            self.released.notify_waiters();
        }
        Ok(free_in)
    }

    async fn elections(&self) -> Result<Vec<String>> {
        Ok(vec![self.election().to_owned()])
    }
}

impl Latest {
    /// Also after it ran out, as long as nobody else took it.
    fn is_held_by(&self, claim: &Claim) -> bool {
        self.claim == Some(claim.id) && self.until.is_some()
    }

    fn state(&self, now: Instant) -> LeaseState {
        match self.is_running(now) {
            false => LeaseState::Free,
            true if self.claim.is_none() => LeaseState::Breaking,
            true => LeaseState::Held,
        }
    }

    fn is_running(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

fn end_of(lease: Duration, now: Instant) -> Instant {
    // Leases are checked to be an hour at most by the host; a caller of the port may name any.
    now.checked_add(lease).unwrap_or(now)
}
