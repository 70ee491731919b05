//! The record of a document store, and how it goes from one state to the next.

use std::time::{Duration, SystemTime};

use crate::claim::{Claim, ClaimId, HolderId};
use crate::error::Result;
use crate::port::{AcquireRequest, Leader, LeaderData, LeaseState};
use crate::sources::Sources;
use crate::token::FencingToken;

/// What a document store's record says. [`DocumentMutex`](super::DocumentMutex) makes each one; a store writes all of its fields, and
/// reads back what it wrote.
///
/// ```
/// use leader_election::document::Record;
/// use leader_election::{FencingToken, HolderId};
/// use std::time::Duration;
///
/// // As a store does that keeps a column for each field.
/// let read = Record::new(FencingToken::new(7)?, "b9c0f3", "4f1a")
///     .with_holder(Some(HolderId::new("worker-7")?))
///     .with_lease(Duration::from_secs(15))
///     .with_renew_every(Duration::from_secs(5))
///     .with_renewals(12);
/// assert_eq!(read.fencing_token.get(), 7);
/// # Ok::<(), leader_election::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Who leads; `None` when the lease is free.
    pub holder: Option<HolderId>,
    /// Who led before the lease was released.
    pub previous: Option<HolderId>,
    /// The [fingerprint](ClaimId::fingerprint) of the claim that leads, or led.
    pub claim: String,
    /// The number of this very write: 128 random bits, drawn anew for each, so a store without versions may take it for one. An edit by hand leaves
    /// it as it was.
    pub write: String,
    /// The token of the latest term.
    pub fencing_token: FencingToken,
    /// The length of the lease.
    pub lease: Duration,
    /// How often the leader means to renew.
    pub renew_every: Duration,
    /// How often it has renewed.
    pub renewals: u64,
    /// When it was elected, by its own clock. For people to read: never compare it with another clock.
    pub elected_at: Option<SystemTime>,
    /// When it last renewed; likewise.
    pub renewed_at: Option<SystemTime>,
    /// What the leader tells others.
    pub data: Option<LeaderData>,
}

/// What stands for the claim of a term that was broken. No fingerprint is like it.
const BROKEN: &str = "broken";

impl Record {
    /// A record with this token, [`claim`](Self::claim) and number of its [`write`](Self::write), which nobody holds, without durations,
    /// times and data.
    ///
    /// For a store that reads its record from fields of its own: fill in the other fields, each as it was written. A store that keeps
    /// the record as JSON has it from [`json::from_text`](super::json::from_text).
    #[must_use]
    pub fn new(fencing_token: FencingToken, claim: impl Into<String>, write: impl Into<String>) -> Self {
        Self {
            holder: None,
            previous: None,
            claim: claim.into(),
            write: write.into(),
            fencing_token,
            lease: Duration::ZERO,
            renew_every: Duration::ZERO,
            renewals: 0,
            elected_at: None,
            renewed_at: None,
            data: None,
        }
    }

    /// Replaces [`holder`](Self::holder).
    #[must_use]
    pub fn with_holder(self, holder: Option<HolderId>) -> Self {
        Self { holder, ..self }
    }

    /// Replaces [`previous`](Self::previous).
    #[must_use]
    pub fn with_previous(self, previous: Option<HolderId>) -> Self {
        Self { previous, ..self }
    }

    /// Replaces [`lease`](Self::lease).
    #[must_use]
    pub fn with_lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// Replaces [`renew_every`](Self::renew_every).
    #[must_use]
    pub fn with_renew_every(self, renew_every: Duration) -> Self {
        Self { renew_every, ..self }
    }

    /// Replaces [`renewals`](Self::renewals).
    #[must_use]
    pub fn with_renewals(self, renewals: u64) -> Self {
        Self { renewals, ..self }
    }

    /// Replaces [`elected_at`](Self::elected_at).
    #[must_use]
    pub fn with_elected_at(self, elected_at: Option<SystemTime>) -> Self {
        Self { elected_at, ..self }
    }

    /// Replaces [`renewed_at`](Self::renewed_at).
    #[must_use]
    pub fn with_renewed_at(self, renewed_at: Option<SystemTime>) -> Self {
        Self { renewed_at, ..self }
    }

    /// Replaces [`data`](Self::data).
    #[must_use]
    pub fn with_data(self, data: Option<LeaderData>) -> Self {
        Self { data, ..self }
    }

    /// A record that nobody holds, as the first one on a new election.
    pub(super) fn unheld(sources: &Sources) -> Result<Self> {
        Ok(Self::new(FencingToken::new(1)?, "", new_write(sources)))
    }

    pub(super) fn held_by(request: AcquireRequest<'_>, fencing_token: FencingToken, sources: &Sources) -> Self {
        let now = Some(sources.wall_time());
        let claim = request.claim;
        Self {
            holder: Some(claim.holder.clone()),
            previous: None,
            claim: claim.id.fingerprint(),
            write: new_write(sources),
            fencing_token,
            lease: claim.lease,
            renew_every: claim.renew_every,
            renewals: 0,
            elected_at: now,
            renewed_at: now,
            data: request.data.cloned(),
        }
    }

    pub(super) fn renewed(&self, claim: &Claim, sources: &Sources) -> Self {
        Self {
            write: new_write(sources),
            lease: claim.lease,
            renewals: self.renewals.saturating_add(1),
            renewed_at: Some(sources.wall_time()),
            ..self.clone()
        }
    }

    pub(super) fn released(&self, sources: &Sources) -> Self {
        Self { holder: None, previous: self.holder.clone(), write: new_write(sources), ..self.clone() }
    }

    /// As it is when an operator has broken the lease: its leader can renew it no more, and for all others it stands still, until it
    /// has lapsed.
    pub(super) fn broken(&self, sources: &Sources) -> Self {
        Self { claim: BROKEN.to_owned(), write: new_write(sources), ..self.clone() }
    }

    pub(super) fn is_broken(&self) -> bool {
        self.claim == BROKEN
    }

    pub(super) fn state(&self) -> LeaseState {
        match &self.holder {
            None => LeaseState::Free,
            Some(_) if self.is_broken() => LeaseState::Breaking,
            // Whether a holder still renews cannot be told by one look; who wants to lead has to watch.
            Some(_) => LeaseState::Held,
        }
    }

    pub(super) fn is_held_by(&self, id: ClaimId) -> bool {
        self.holder.is_some() && self.claim == id.fingerprint()
    }

    pub(super) fn leader(&self, holder: &HolderId) -> Leader {
        Leader::new(holder.clone(), self.fencing_token)
            .with_elected_at(self.elected_at)
            .with_lease(Some(self.lease))
            .with_renew_every(Some(self.renew_every))
            .with_data(self.data.clone())
    }
}

fn new_write(sources: &Sources) -> String {
    sources.uuid().simple().to_string()
}
