//! What the members show of the election, put together.

use std::time::Duration;

use super::tally::majority_of;
use crate::port::{Held, Leader, LeaseState, Observation};
use crate::token::FencingToken;

/// What each member has answered to a look, by its place.
#[derive(Debug, Clone)]
pub(super) struct Sights(Vec<Option<Observation>>);

impl Sights {
    pub(super) fn new(members: usize) -> Self {
        Self(vec![None; members])
    }

    pub(super) fn note(&mut self, member: usize, seen: Observation) {
        self.0[member] = Some(seen);
    }

    /// A member that was asked has named its leader.
    pub(super) fn refused(&mut self, member: usize, held: &Held) {
        let latest = held.leader.clone().map(|leader| leader.with_lease(held.lease));
        self.0[member] = Some(Observation::new(LeaseState::Held, latest));
    }

    /// What they show together, once they tell. `awaited` members may still answer, others will not.
    ///
    /// It is held where a majority names one leader as its holder; and where that may be so, as some do, and too few answer to tell.
    pub(super) fn merged(&self, awaited: usize) -> Option<Observation> {
        let majority = majority_of(self.0.len());
        let answered = self.0.iter().flatten().count();
        let unheard = self.0.len() - answered;
        let (most, leader) = self.most(|seen| seen.state != LeaseState::Free);
        let foreign =
            self.0.iter().flatten().filter(|seen| seen.state == LeaseState::Foreign && seen.latest.is_none()).count();
        if most < majority && foreign < majority {
            if answered < majority || most.max(foreign) + awaited >= majority {
                return None;
            }
            if most + unheard < majority || most == 0 {
                return Some(Observation::new(LeaseState::Free, self.latest()));
            }
        }
        if foreign >= majority {
            return Some(Observation::new(LeaseState::Foreign, self.latest()));
        }
        let of_leader = |seen: &&Observation| {
            seen.latest.as_ref().map(|latest| latest.fencing_token)
                == leader.as_ref().map(|leader| leader.fencing_token)
        };
        let renewable = self.0.iter().flatten().filter(of_leader).filter(|seen| seen.state == LeaseState::Held).count();
        // So many members are broken that no renewal succeeds.
        let state = if renewable + unheard < majority { LeaseState::Breaking } else { LeaseState::Held };
        Some(Observation::new(state, leader))
    }

    /// For a candidate that is refused.
    pub(super) fn held(&self) -> Held {
        let (_, leader) = self.most(|seen| seen.state != LeaseState::Free);
        let leases =
            self.0.iter().flatten().filter(|seen| seen.is_held()).filter_map(|seen| seen.latest.as_ref()?.lease);
        // Each record that is to lapse has to stand still for its own leader's lease.
        let longest: Option<Duration> = leases.max();
        let held = leader.map_or_else(Held::by_unknown, Held::by);
        let lease = longest.or(held.lease);
        held.with_lease(lease)
    }

    /// The leader that most of these members name, with their number; of several the one with the highest token.
    fn most(&self, which: impl Fn(&Observation) -> bool) -> (usize, Option<Leader>) {
        let named: Vec<&Leader> =
            self.0.iter().flatten().filter(|seen| which(seen)).filter_map(|seen| seen.latest.as_ref()).collect();
        let count = |token: FencingToken| named.iter().filter(|leader| leader.fencing_token == token).count();
        let most = named.iter().max_by_key(|leader| (count(leader.fencing_token), leader.fencing_token));
        most.map_or((0, None), |leader| (count(leader.fencing_token), Some((*leader).clone())))
    }

    /// The latest leader on record: a majority names it. Else, as after an attempt that failed half-way, the one with the highest token.
    fn latest(&self) -> Option<Leader> {
        let majority = majority_of(self.0.len());
        match self.most(|_| true) {
            (most, leader) if most >= majority => leader,
            _ => {
                self.0.iter().flatten().filter_map(|seen| seen.latest.clone()).max_by_key(|leader| leader.fencing_token)
            }
        }
    }
}
