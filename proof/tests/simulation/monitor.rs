//! Holds every host to the invariants, at the instant of each request, grant, reply, task and event.
//!
//! Overlaps are not sampled. Whatever begins or ends looks at that instant whether it may, and at everything that should
//! have happened by then: so what never happens is found with the next thing that does.

mod events;
mod inspect;
mod process;
mod requests;
mod runs;
mod terms;

use std::time::Duration;

pub use process::Process;
pub use requests::Call;

use leader_election::{Claim, ClaimId, EndReason, FencingToken, Leadership};

use super::log::Log;
use super::plan::Rules;
use super::store::Owner;

/// More requests than any schedule needs: beyond it somebody runs in circles.
const HOT_LOOP: usize = 100_000;

pub struct Monitor {
    pub log: Log,
    pub processes: Vec<Process>,
    pub terms: Vec<Term>,
    rules: Rules,
    /// Terms whose task runs, or that might still be valid.
    active: Vec<usize>,
    highest: Option<FencingToken>,
    /// Claims and their fingerprints.
    claims: Vec<(ClaimId, String)>,
    /// Claims whose lease was broken, deleted or rolled back by somebody else: nothing is promised for them.
    tainted: Vec<Owner>,
    requests: usize,
    /// The store may forget what it granted: a host may then be granted a token that it has to refuse.
    pub forgetful: bool,
}

/// A leader's task.
pub struct Term {
    pub process: usize,
    pub token: FencingToken,
    pub leader: Leadership,
    claim: Option<ClaimId>,
    lease: Duration,
    started: Duration,
    /// Until when, by the host's own clock, the store's answers let it lead: at the least and at the most, should an
    /// answer have come in the very instant in which it was given up.
    until: Duration,
    until_at_most: Duration,
    pub cancelled: Option<Duration>,
    gone: Option<Duration>,
    invalid: bool,
    lost_at: Option<Duration>,
    /// Perhaps it was told so in the very instant in which it gave up waiting for the answer.
    lost_perhaps: bool,
    heartbeat_at: Duration,
    /// When somebody first asked it to step down.
    pub leaves_at: Option<Duration>,
    /// The jumps of the host's clock before its lease was asked for, and before it began.
    jumps: u32,
    jumps_before: u32,
    pauses: u32,
    reason: Option<EndReason>,
}

impl Term {
    pub fn runs(&self) -> bool {
        self.gone.is_none()
    }
}

impl Monitor {
    pub fn new(rules: Rules, recording: bool, printing: bool) -> Self {
        Self {
            log: Log { recording, printing, ..Log::default() },
            processes: vec![],
            terms: vec![],
            rules,
            active: vec![],
            highest: None,
            claims: vec![],
            tainted: vec![],
            requests: 0,
            forgetful: false,
        }
    }

    pub fn note(&mut self, now: Duration, process: usize, what: std::fmt::Arguments<'_>) {
        if self.log.recording {
            let name = self.processes[process].name.clone();
            self.log.note(now, &name, what);
        }
    }

    pub fn violation(&mut self, now: Duration, process: usize, what: std::fmt::Arguments<'_>) {
        let name = self.processes[process].name.clone();
        self.log.violation(now, &name, what);
    }

    /// The term of a process whose task runs.
    pub fn running(&self, process: usize) -> Option<usize> {
        self.active.iter().copied().find(|term| self.terms[*term].process == process && self.terms[*term].runs())
    }

    /// Who leads: its task runs and is not cancelled.
    pub fn leader(&self) -> Option<usize> {
        let leads = |term: &Term| {
            let process = &self.processes[term.process];
            term.runs() && term.cancelled.is_none() && !process.stands_still() && self.is_valid(term)
        };
        self.active.iter().copied().find(|term| leads(&self.terms[*term])).map(|term| self.terms[term].process)
    }

    pub fn somebody_stepped_down_since(&self, since: Duration) -> bool {
        self.terms.iter().any(|term| term.leaves_at.is_some_and(|at| at >= since))
    }

    /// Its wall clock was set forward, by so much that it has to notice, or perhaps not.
    pub fn jumped(&mut self, process: usize, by: Duration, has_to_notice: bool) {
        let process = &mut self.processes[process];
        process.jumped_by = by;
        process.jumps += 1;
        process.rest = None;
        process.jumped_at = has_to_notice.then(|| process.clock.truth());
    }

    /// Its wall clock was set back.
    pub fn set_back(&mut self, process: usize) {
        self.processes[process].asked.iter_mut().for_each(|asked| asked.set_back = true);
    }

    /// Somebody takes the lease away from whoever holds it.
    pub fn taint(&mut self, owner: Option<Owner>) {
        self.tainted.extend(owner);
    }

    /// Whether whoever leads may yet have to learn that somebody took its lease away.
    pub fn leader_is_tainted(&self) -> bool {
        self.active.iter().any(|term| self.terms[*term].runs() && self.is_tainted(self.terms[*term].claim))
    }

    fn is_tainted(&self, claim: Option<ClaimId>) -> bool {
        let Some(claim) = claim else { return false };
        self.tainted.iter().any(|tainted| match tainted {
            Owner::Claim(id) => *id == claim,
            Owner::Fingerprint(text) => self.claims.iter().any(|(id, known)| *id == claim && known == text),
        })
    }

    fn owns(&self, owner: &Owner, claim: Option<ClaimId>) -> bool {
        let Some(claim) = claim else { return false };
        match owner {
            Owner::Claim(id) => *id == claim,
            Owner::Fingerprint(text) => self.claims.iter().any(|(id, known)| *id == claim && known == text),
        }
    }

    fn know(&mut self, claim: &Claim) {
        if !self.claims.iter().rev().any(|(known, _)| *known == claim.id) {
            self.claims.push((claim.id, claim.id.fingerprint()));
        }
    }
}
