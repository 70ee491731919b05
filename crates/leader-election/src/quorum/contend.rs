//! Carries out what a ballot asks for, and takes back members that were lost.

use std::sync::Arc;

use super::Quorum;
use super::ballot::{Answer, Ballot, Outcome, Sight, Step};
use super::calls::{Calls, Heard, Kind};
use super::errors::Failures;
use super::sights::Sights;
use super::terms::Term;
use crate::claim::Claim;
use crate::error::Result;
use crate::port::{Acquire, AcquireRequest, Grant, Held, LeaderData, Observation, Version};
use crate::token::FencingToken;

/// What a member says in an election.
pub(super) enum Reply {
    Seen(Observation),
    Asked(Acquire),
}

/// The round of requests that no ballot has sent.
const REPAIR: u32 = 0;

/// What one request to acquire says to one member.
struct Asked {
    claim: Claim,
    floor: Option<FencingToken>,
    lapsed: Option<Version>,
    data: Option<LeaderData>,
}

impl Asked {
    fn request(&self) -> AcquireRequest<'_> {
        // A member that looks before it acquires may hold its lease for this claim since an earlier round.
        AcquireRequest::new(&self.claim)
            .with_unsettled(true)
            .with_floor(self.floor)
            .with_lapsed(self.lapsed.as_ref())
            .with_data(self.data.as_ref())
    }
}

/// An attempt under way.
struct Attempt<'q> {
    calls: Calls<'q, Reply>,
    ballot: Ballot,
    sights: Sights,
    failures: Failures,
    grants: Vec<Option<Grant>>,
}

impl Quorum {
    /// As [`Ballot`] has it.
    pub(super) async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        let claim = request.claim;
        let mut term = self.terms.of(claim);
        let members = self.members.len();
        let own = term.as_ref().map(|term| term.token());
        let mut attempt = Attempt {
            calls: Calls::new(&self.stragglers, Self::limit(claim)),
            ballot: Ballot::new(self.silent(), request.floor, own),
            sights: Sights::new(members),
            failures: Failures::default(),
            grants: vec![None; members],
        };
        loop {
            // What this look has shown is a part of it: a record that has changed just now has not lapsed.
            let lapsed = self.lapsed(request.lapsed);
            let step = attempt.ballot.step(&|member| lapsed[member].is_some());
            match step {
                Step::Wait => {
                    let Some(heard) = attempt.calls.next().await else {
                        return Err(attempt.failures.error(&self.members));
                    };
                    let mut next = Some(heard);
                    while let Some(heard) = next {
                        attempt.hear(heard);
                        next = attempt.calls.ready();
                    }
                }
                Step::Look => self.look(&mut attempt.calls, 1)?,
                Step::Ask { round, members: asked } => {
                    let term =
                        term.get_or_insert_with(|| self.terms.begin(claim, request.data, members, &self.sources));
                    for (member, floor) in asked {
                        let lapsed = lapsed[member].clone();
                        let asked = Asked { claim: term.claim(claim), floor, lapsed, data: request.data.cloned() };
                        self.ask(&mut attempt.calls, member, round, asked, term)?;
                    }
                }
                Step::Over(outcome) => return self.conclude(attempt, request, term.as_ref(), outcome),
            }
        }
    }

    /// Of each member the version that may be replaced as lapsed.
    fn lapsed(&self, lapsed: Option<&Version>) -> Vec<Option<Version>> {
        let watch = self.watch();
        if !watch.stands_still(lapsed) {
            return vec![None; self.members.len()];
        }
        (0..self.members.len()).map(|member| watch.watched(member).cloned()).collect()
    }

    fn conclude(
        &self,
        attempt: Attempt<'_>,
        request: AcquireRequest<'_>,
        term: Option<&Arc<Term>>,
        outcome: Outcome,
    ) -> Result<Acquire> {
        let claim = request.claim;
        match (outcome, term) {
            (Outcome::Granted(token), Some(term)) => {
                term.granted(token, request.data);
                let agreed = attempt.grants.iter().flatten().filter(|grant| grant.fencing_token == token);
                let lease = agreed.map(|grant| grant.lease).min().unwrap_or(claim.lease);
                attempt.calls.leave();
                return Ok(Acquire::Granted(Grant::new(token, lease)));
            }
            (_, Some(term)) => self.give_back(claim, term, attempt.ballot.may_hold().collect())?,
            _ => {}
        }
        match outcome {
            Outcome::Held | Outcome::Granted(_) => self.held(&attempt.sights, request.lapsed).map(Acquire::Held),
            Outcome::Unknown => Err(attempt.failures.error(&self.members)),
        }
    }

    fn held(&self, sights: &Sights, lapsed: Option<&Version>) -> Result<Held> {
        let mut watch = self.watch();
        if watch.stands_still(lapsed) && watch.has_newcomers() {
            // All that was watched has lapsed, and it was not enough: what was heard since has to be watched as well.
            watch.begin_anew();
        }
        Ok(sights.held().with_version(watch.compose()?))
    }

    pub(super) fn look(&self, calls: &mut Calls<'_, Reply>, round: u32) -> Result<()> {
        for (place, member) in self.members.iter().enumerate() {
            let (mutex, watch) = (Arc::clone(&member.mutex), Arc::clone(&self.watch));
            let look = async move { mutex.observe().await.map(Reply::Seen) };
            calls.send((place, member), Kind::Look, round, look, move |reply| note(&watch, place, reply))?;
        }
        Ok(())
    }

    fn ask(
        &self,
        calls: &mut Calls<'_, Reply>,
        place: usize,
        round: u32,
        asked: Asked,
        term: &Arc<Term>,
    ) -> Result<()> {
        let member = &self.members[place];
        let (mutex, watch, term) = (Arc::clone(&member.mutex), Arc::clone(&self.watch), Arc::clone(term));
        let ask = async move { mutex.try_acquire(asked.request()).await.map(Reply::Asked) };
        calls.send((place, member), Kind::Acquire, round, ask, move |reply| {
            note(&watch, place, reply);
            match reply {
                Reply::Asked(Acquire::Granted(_)) => term.holds(place),
                // Whoever was seen there in the race for this very term may still be counting on it.
                Reply::Asked(Acquire::Held(held)) => {
                    term.held_by_another(place, held.version.clone().filter(|_| round == REPAIR));
                }
                Reply::Seen(_) => {}
            }
        })
    }

    /// An attempt that got no majority leaves nothing behind: unawaited, as its outcome is known.
    fn give_back(&self, claim: &Claim, term: &Arc<Term>, members: Vec<usize>) -> Result<()> {
        term.release();
        let mut calls = Calls::new(&self.stragglers, Self::limit(claim));
        for place in members {
            self.stragglers.end_claims(place);
            let (mutex, claim) = (Arc::clone(&self.members[place].mutex), term.claim(claim));
            let release = async move { mutex.release(&claim).await };
            calls.send((place, &self.members[place]), Kind::Release, 1, release, |()| {})?;
        }
        calls.leave();
        Ok(())
    }

    /// Takes members back that the claim does not hold, now that a majority has renewed its lease.
    ///
    /// A record that another claim has left on a document is replaced at the next renewal after it was seen, if it is as it was then: while a majority
    /// is held here nobody else leads; and whoever was granted that member has given up its attempt by now, as attempts are shorter than the time
    /// between two renewals.
    pub(super) fn repair(&self, claim: &Claim, term: &Arc<Term>) {
        let Some(token) = term.token() else { return };
        let mut calls = Calls::new(&self.stragglers, Self::limit(claim));
        for (member, lapsed) in term.gone() {
            let floor = FencingToken::new(token.get() - 1).ok();
            let asked = Asked { claim: term.claim(claim), floor, lapsed, data: term.data() };
            // It runs on a runtime, as the renewal did.
            let _ = self.ask(&mut calls, member, REPAIR, asked, term);
        }
        calls.leave();
    }
}

impl Attempt<'_> {
    fn hear(&mut self, heard: Heard<Reply>) {
        let Heard { member, round, answer } = heard;
        let answer = match answer {
            Ok(Reply::Seen(seen)) => {
                let sight =
                    Sight { held: seen.is_held(), token: seen.latest.as_ref().map(|latest| latest.fencing_token) };
                self.sights.note(member, seen);
                Answer::Seen(sight)
            }
            Ok(Reply::Asked(Acquire::Granted(grant))) => {
                let token = grant.fencing_token;
                self.grants[member] = Some(grant);
                Answer::Granted(token)
            }
            Ok(Reply::Asked(Acquire::Held(held))) => {
                self.sights.refused(member, &held);
                Answer::Refused
            }
            Err(error) => {
                self.failures.note(member, error);
                Answer::Failed
            }
        };
        self.ballot.hear(member, round, answer);
    }
}

/// What an answer tells of a member's record.
fn note(watch: &std::sync::Mutex<super::Watch>, member: usize, reply: &Reply) {
    let mut watch = watch.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    match reply {
        Reply::Seen(seen) => watch.note(member, seen.version.as_ref(), seen.is_held()),
        Reply::Asked(Acquire::Held(held)) if held.version.is_some() => watch.note(member, held.version.as_ref(), true),
        Reply::Asked(_) => {}
    }
}
