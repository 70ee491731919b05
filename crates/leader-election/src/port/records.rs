//! What a store tells of a lease. These structs grow: they have constructors, and no literal outside this crate.

use std::time::{Duration, SystemTime};

use super::{LeaderData, Version};
use crate::claim::HolderId;
use crate::token::FencingToken;

/// A lease that was granted.
///
/// ```
/// use leader_election::{FencingToken, Grant};
/// use std::time::Duration;
///
/// let grant = Grant::new(FencingToken::new(7)?, Duration::from_secs(15));
/// assert_eq!(grant.fencing_token.get(), 7);
/// # Ok::<(), leader_election::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Grant {
    /// Higher than every token granted before.
    pub fencing_token: FencingToken,
    /// How long the grant holds, from the moment the request reached the store.
    pub lease: Duration,
}

impl Grant {
    /// A grant under this token, for so long.
    #[must_use]
    pub fn new(fencing_token: FencingToken, lease: Duration) -> Self {
        Self { fencing_token, lease }
    }
}

/// A lease that somebody else holds.
///
/// ```
/// use leader_election::{FencingToken, Held, HolderId, Leader};
/// use std::time::Duration;
///
/// let leader = Leader::new(HolderId::new("worker-7")?, FencingToken::new(7)?).with_lease(Some(Duration::from_secs(15)));
/// let held = Held::by(leader);
/// assert_eq!(held.lease, Some(Duration::from_secs(15)), "the leader's own");
/// # Ok::<(), leader_election::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// Who leads, as far as the record tells.
    pub leader: Option<Leader>,
    /// The length of that lease, as far as the record tells.
    pub lease: Option<Duration>,
    /// The record's version, from a document store only.
    pub version: Option<Version>,
    /// When the store knows that the lease runs out after this time, the host tries again right then.
    pub retry_after: Option<Duration>,
}

impl Held {
    /// Held by nobody who is on record.
    #[must_use]
    pub fn by_unknown() -> Self {
        Self::default()
    }

    /// Held by this leader, for the lease that is told of it.
    #[must_use]
    pub fn by(leader: Leader) -> Self {
        Self { lease: leader.lease, leader: Some(leader), ..Self::default() }
    }

    /// Replaces [`lease`](Self::lease).
    #[must_use]
    pub fn with_lease(self, lease: Option<Duration>) -> Self {
        Self { lease, ..self }
    }

    /// Replaces [`version`](Self::version).
    #[must_use]
    pub fn with_version(self, version: Option<Version>) -> Self {
        Self { version, ..self }
    }

    /// Replaces [`retry_after`](Self::retry_after).
    #[must_use]
    pub fn with_retry_after(self, retry_after: Option<Duration>) -> Self {
        Self { retry_after, ..self }
    }
}

/// The leader that a store's record names.
///
/// ```
/// use leader_election::{FencingToken, HolderId, Leader};
///
/// let leader = Leader::new(HolderId::new("worker-7")?, FencingToken::new(7)?);
/// assert!(leader.lease.is_none() && leader.data.is_none());
/// # Ok::<(), leader_election::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leader {
    /// Its name.
    pub holder: HolderId,
    /// Its fencing token.
    pub fencing_token: FencingToken,
    /// When it was elected, by the store's clock. For people to read: never compare it with a local clock.
    pub elected_at: Option<SystemTime>,
    /// The length of its lease.
    pub lease: Option<Duration>,
    /// How often it means to renew.
    pub renew_every: Option<Duration>,
    /// What it tells others, as whoever wrote the record put it: check it before you use it.
    pub data: Option<LeaderData>,
}

impl Leader {
    /// A leader of which no more is known than its name and its token.
    #[must_use]
    pub fn new(holder: HolderId, fencing_token: FencingToken) -> Self {
        Self { holder, fencing_token, elected_at: None, lease: None, renew_every: None, data: None }
    }

    /// Replaces [`elected_at`](Self::elected_at).
    #[must_use]
    pub fn with_elected_at(self, elected_at: Option<SystemTime>) -> Self {
        Self { elected_at, ..self }
    }

    /// Replaces [`lease`](Self::lease).
    #[must_use]
    pub fn with_lease(self, lease: Option<Duration>) -> Self {
        Self { lease, ..self }
    }

    /// Replaces [`renew_every`](Self::renew_every).
    #[must_use]
    pub fn with_renew_every(self, renew_every: Option<Duration>) -> Self {
        Self { renew_every, ..self }
    }

    /// Replaces [`data`](Self::data).
    #[must_use]
    pub fn with_data(self, data: Option<LeaderData>) -> Self {
        Self { data, ..self }
    }
}

/// Who leads, seen without contending.
///
/// The lease of a blob, or of one's own store that expires leases, is free as soon as its leader is dead. In a document store
/// (Cosmos DB, files) nothing expires: a leader that died stays on record, and `Held`, until another worker has taken over. Whoever
/// has to know watches the [`version`](Self::version), as [`document::Watcher`](crate::document::Watcher) does, asks a standby's
/// [`status`](crate::LeaderHost::status), or runs `leader status`.
///
/// ```
/// use leader_election::{LeaseState, Observation};
///
/// let nobody = Observation::default();
/// assert_eq!(nobody.state, LeaseState::Free);
/// assert!(nobody.leader().is_none());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Observation {
    /// Whether somebody holds the lease, as far as the store can tell.
    pub state: LeaseState,
    /// The latest leader on record. It leads now if the lease is held; else it is the last one that did.
    pub latest: Option<Leader>,
    /// The record's version, from a document store only. It changes with every renewal.
    pub version: Option<Version>,
}

/// Whether a lease is held. It may get further variants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LeaseState {
    /// Nobody holds it.
    #[default]
    Free,
    /// The latest leader on record holds it.
    Held,
    /// It was broken. It is no longer renewed, and is free when it has run out.
    Breaking,
    /// Something holds it that is no worker of this election: an endless lease, or one without a leader on record.
    Foreign,
}

impl Observation {
    /// An election in this state, with the latest leader on record.
    #[must_use]
    pub fn new(state: LeaseState, latest: Option<Leader>) -> Self {
        Self { state, latest, version: None }
    }

    /// Replaces [`version`](Self::version).
    #[must_use]
    pub fn with_version(self, version: Option<Version>) -> Self {
        Self { version, ..self }
    }

    /// Whether the lease is not free.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.state != LeaseState::Free
    }

    /// The one that leads, as far as the store can tell, if any.
    #[must_use]
    pub fn leader(&self) -> Option<&Leader> {
        self.latest.as_ref().filter(|_| matches!(self.state, LeaseState::Held | LeaseState::Breaking))
    }
}
