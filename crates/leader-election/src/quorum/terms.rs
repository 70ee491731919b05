//! Under which claims the members are asked, and what is known of each.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::claim::{Claim, ClaimId};
use crate::port::{LeaderData, Loss, Version};
use crate::sources::Sources;
use crate::token::FencingToken;

/// The claims that members were asked under, by the claims of the callers.
///
/// A member never sees the caller's own claim id, but one that is drawn for each attempt and given up with the first release. For a release may
/// arrive late: were the same id asked for again meanwhile, it would free a member that the claim has counted on since.
#[derive(Debug, Default)]
pub(super) struct Terms(Mutex<Vec<(ClaimId, Arc<Term>)>>);

/// So many claims may contend on one mutex at the same time. Of more the oldest one is forgotten: it leads no more, and what it held runs out.
const MOST: usize = 64;

/// One claim at the members.
#[derive(Debug)]
pub(super) struct Term {
    id: ClaimId,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    token: Option<FencingToken>,
    data: Option<LeaderData>,
    released: bool,
    standing: Vec<Standing>,
}

/// Whether the claim holds a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// It does, or nobody knows.
    Ours,
    /// Somebody broke it there.
    Broken,
    /// It does not. Where the member is a document: the version that somebody else was seen to hold it by, while a majority was ours.
    Gone(Option<Version>),
}

impl Terms {
    /// What is known of this claim, unless it was released.
    pub(super) fn of(&self, claim: &Claim) -> Option<Arc<Term>> {
        self.find(claim).filter(|term| !term.state().released)
    }

    /// Also if it was released before.
    pub(super) fn find(&self, claim: &Claim) -> Option<Arc<Term>> {
        self.terms().iter().find(|(id, _)| *id == claim.id).map(|(_, term)| Arc::clone(term))
    }

    pub(super) fn begin(
        &self,
        claim: &Claim,
        data: Option<&LeaderData>,
        members: usize,
        sources: &Sources,
    ) -> Arc<Term> {
        let state =
            State { token: None, data: data.cloned(), released: false, standing: vec![Standing::Ours; members] };
        let term = Arc::new(Term { id: ClaimId::random_from(sources), state: Mutex::new(state) });
        let mut terms = self.terms();
        terms.retain(|(id, _)| *id != claim.id);
        if terms.len() == MOST {
            terms.remove(0);
        }
        terms.push((claim.id, Arc::clone(&term)));
        term
    }

    pub(super) fn forget(&self, claim: &Claim) {
        self.terms().retain(|(id, _)| *id != claim.id);
    }

    fn terms(&self) -> MutexGuard<'_, Vec<(ClaimId, Arc<Term>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Term {
    /// The claim as the members know it.
    pub(super) fn claim(&self, callers: &Claim) -> Claim {
        Claim { id: self.id, ..callers.clone() }
    }

    pub(super) fn token(&self) -> Option<FencingToken> {
        self.state().token
    }

    pub(super) fn data(&self) -> Option<LeaderData> {
        self.state().data.clone()
    }

    pub(super) fn granted(&self, token: FencingToken, data: Option<&LeaderData>) {
        let mut state = self.state();
        state.token = Some(token);
        state.data = data.cloned();
    }

    /// It is never asked for again.
    pub(super) fn release(&self) {
        self.state().released = true;
    }

    pub(super) fn holds(&self, member: usize) {
        self.state().standing[member] = Standing::Ours;
    }

    pub(super) fn lost(&self, member: usize, loss: Loss) {
        let standing = &mut self.state().standing[member];
        match (loss, &standing) {
            (Loss::Broken, _) => *standing = Standing::Broken,
            (_, Standing::Gone(_)) => {}
            _ => *standing = Standing::Gone(None),
        }
    }

    pub(super) fn held_by_another(&self, member: usize, version: Option<Version>) {
        self.state().standing[member] = Standing::Gone(version);
    }

    /// The members to be taken back, each with the version that may be replaced there.
    pub(super) fn gone(&self) -> Vec<(usize, Option<Version>)> {
        let gone = |(member, standing): (usize, &Standing)| match standing {
            Standing::Gone(version) => Some((member, version.clone())),
            _ => None,
        };
        self.state().standing.iter().enumerate().filter_map(gone).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
