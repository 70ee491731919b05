//! The record of a document store, and how it goes from one state to the next.

use std::time::{Duration, SystemTime};

use crate::claim::{Claim, ClaimId, HolderId};
use crate::error::Result;
use crate::port::{AcquireRequest, Leader, LeaderData, LeaseState};
use crate::sources::Sources;
use crate::token::FencingToken;

/// What a document store's record says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Who leads; `None` when the lease is free.
    pub holder: Option<HolderId>,
    /// Who led before the lease was released.
    pub previous: Option<HolderId>,
    /// The [fingerprint](ClaimId::fingerprint) of the claim that leads, or led.
    pub claim: String,
    /// The number of this very write.
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

/// What stands for the claim of a lead that was broken. No fingerprint is like it.
const BROKEN: &str = "broken";

impl Record {
    /// A record that nobody holds, of this write and with the latest term's token. For stores that read one, and set the other fields.
    #[must_use]
    pub fn new(write: impl Into<String>, fencing_token: FencingToken) -> Self {
        Self {
            holder: None,
            previous: None,
            claim: String::new(),
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

    /// The first one on a new election.
    pub(super) fn first(sources: &Sources) -> Result<Self> {
        Ok(Self::new(new_write(sources), FencingToken::new(1)?))
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

    /// As it is when an operator has broken the lead: its leader can renew it no more, and for all others it stands still, until it
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
