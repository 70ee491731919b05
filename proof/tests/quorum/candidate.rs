//! A candidate, as the crate's own mutex and host are: what they carry out, without what they decide.

use leader_election::Version;
use leader_election::quorum::{Answer, Ballot, Outcome, Sight, Step, Tally, Verdict, Vote, Watch};

use super::member::{Claim, Said, What, token, version};
use super::world::{LEASE, MEMBERS};

/// One request on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Request {
    pub from: usize,
    pub to: usize,
    pub claim: Claim,
    /// The attempt that waits for it; 0: nobody does.
    pub attempt: u8,
    pub round: u32,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Candidate {
    pub index: usize,
    pub phase: Phase,
    watch: Watch,
    /// The composite version that stands still, and since when.
    sighting: Option<(Version, u8)>,
    /// Under which the members are asked; `None` before they are, and once it was released.
    term: Option<Term>,
    claims: u8,
    attempts: u8,
    pub may_try: u8,
    pub may_renew: u8,
    pub raised: bool,
    pub renewed: bool,
    /// It was elected, or has last renewed.
    pub renewed_at: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Term {
    claim: Claim,
    token: Option<u64>,
    /// Members that it does not hold, with the version to be replaced there.
    gone: [Option<Option<u8>>; MEMBERS],
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Phase {
    Idle,
    Contends { ballot: Ballot, began: u8, lapsed: Option<Version> },
    Leads { token: u64, until: u8, renewal: Option<(Tally, u8)> },
}

/// What a candidate has brought about.
pub enum Effect {
    Nothing,
    Elected(u64),
}

impl Candidate {
    pub fn new(index: usize, may_try: u8, may_renew: u8) -> Self {
        Self {
            index,
            phase: Phase::Idle,
            watch: Watch::new(["a", "b"][index], MEMBERS),
            sighting: None,
            term: None,
            claims: 0,
            attempts: 0,
            may_try,
            may_renew,
            raised: false,
            renewed: false,
            renewed_at: 0,
        }
    }

    pub fn leads(&self, now: u8) -> Option<u64> {
        match &self.phase {
            Phase::Leads { token, until, .. } if now < *until => Some(*token),
            _ => None,
        }
    }

    /// Under which it may ask again.
    pub fn claim(&self) -> Option<Claim> {
        self.term.as_ref().map(|term| term.claim)
    }

    /// Two states that differ in no more than this are one.
    pub fn forget_what_does_not_matter(&mut self) {
        if self.phase == Phase::Idle && self.may_try == 0 {
            let Self { index, raised, renewed, .. } = *self;
            *self = Self { raised, renewed, ..Self::new(index, 0, 0) };
        }
    }

    /// Whether the answer to this request is waited for.
    pub fn waits_for(&self, request: &Request) -> bool {
        let waits = match &self.phase {
            Phase::Idle => false,
            Phase::Contends { .. } => true,
            Phase::Leads { renewal, .. } => renewal.is_some(),
        };
        waits && request.attempt == self.attempts
    }

    /// It begins an attempt to be elected.
    pub fn begin(&mut self, now: u8, sent: &mut Vec<Request>) -> Effect {
        self.may_try -= 1;
        self.attempts += 1;
        let lapsed =
            self.sighting.as_ref().filter(|(_, since)| now >= since + LEASE).map(|(version, _)| version.clone());
        let own = self.term.as_ref().map(|term| term.token.map(token));
        self.phase = Phase::Contends { ballot: Ballot::new(vec![false; MEMBERS], None, own), began: now, lapsed };
        self.go_on(now, sent)
    }

    /// Its attempt has taken too long. What is on its way may still be carried out.
    pub fn give_up(&mut self) {
        self.phase = match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Leads { token, until, .. } => Phase::Leads { token, until, renewal: None },
            _ => Phase::Idle,
        };
        self.attempts += 1;
    }

    pub fn renew(&mut self, now: u8, sent: &mut Vec<Request>) {
        let Phase::Leads { renewal, .. } = &mut self.phase else { return };
        self.may_renew -= 1;
        self.renewed_at = now;
        self.attempts += 1;
        *renewal = Some((Tally::new(vec![false; MEMBERS]), now));
        let claim = self.term.as_ref().expect("it leads").claim;
        for to in 0..MEMBERS {
            sent.push(Request { from: self.index, to, claim, attempt: self.attempts, round: 1, what: What::Renew });
        }
    }

    /// It leads no more, and says so.
    pub fn step_down(&mut self, sent: &mut Vec<Request>) {
        self.phase = Phase::Idle;
        self.release((0..MEMBERS).collect(), sent);
    }

    /// Its time is up.
    pub fn ends(&mut self, now: u8) {
        if matches!(self.phase, Phase::Leads { until, .. } if now >= until) {
            self.phase = Phase::Idle;
            self.term = None;
            self.attempts += 1;
        }
    }

    /// It hears an answer that it waits for.
    pub fn hear(&mut self, now: u8, request: &Request, said: Said, sent: &mut Vec<Request>) -> Effect {
        self.note(request, said);
        match &mut self.phase {
            Phase::Idle => Effect::Nothing,
            Phase::Contends { ballot, .. } => {
                let answer = match said {
                    Said::Seen { held, token: latest, .. } => Answer::Seen(Sight { held, token: latest.map(token) }),
                    Said::Granted(granted) => Answer::Granted(token(granted)),
                    _ => Answer::Refused,
                };
                ballot.hear(request.to, request.round, answer);
                self.go_on(now, sent)
            }
            Phase::Leads { renewal, until, .. } => {
                let Some((tally, began)) = renewal else { return Effect::Nothing };
                tally.hear(request.to, if said == Said::Renewed { Vote::Yes } else { Vote::No });
                match tally.verdict() {
                    Verdict::Wait => {}
                    Verdict::Yes => {
                        *until = (*until).max(*began + LEASE);
                        *renewal = None;
                        self.renewed = true;
                        self.repair(sent);
                    }
                    Verdict::No => {
                        self.phase = Phase::Idle;
                        self.term = None;
                    }
                    Verdict::Unknown => *renewal = None,
                }
                Effect::Nothing
            }
        }
    }

    /// What an answer tells, whoever waits for it.
    pub fn note(&mut self, request: &Request, said: Said) {
        let seen = |number: Option<u8>| number.map(version);
        match said {
            Said::Seen { held, version, .. } => self.watch.note(request.to, seen(version).as_ref(), held),
            Said::Refused { version: Some(version) } => self.watch.note(request.to, seen(Some(version)).as_ref(), true),
            _ => {}
        }
        let Some(term) = self.term.as_mut().filter(|term| term.claim == request.claim) else { return };
        let gone = &mut term.gone[request.to];
        match said {
            Said::Granted(_) | Said::Renewed => *gone = None,
            // Of a round of a ballot: whoever was seen there may still be counting on it.
            Said::Refused { version } => *gone = Some(version.filter(|_| request.round == 0)),
            Said::Lost => *gone = Some(gone.unwrap_or(None)),
            Said::Seen { .. } | Said::Released => {}
        }
    }

    fn go_on(&mut self, now: u8, sent: &mut Vec<Request>) -> Effect {
        let index = self.index;
        loop {
            let Phase::Contends { ballot, began, lapsed } = &mut self.phase else { return Effect::Nothing };
            let still = self.watch.stands_still(lapsed.as_ref());
            let watched: Vec<Option<u8>> = (0..MEMBERS)
                .map(|member| {
                    let version = self.watch.watched(member).filter(|_| still)?;
                    Some(version.as_str().parse().expect("a number"))
                })
                .collect();
            match ballot.step(&|member| watched[member].is_some()) {
                Step::Wait => return Effect::Nothing,
                Step::Look => {
                    for to in 0..MEMBERS {
                        sent.push(Request {
                            from: index,
                            to,
                            claim: 0,
                            attempt: self.attempts,
                            round: 1,
                            what: What::Look,
                        });
                    }
                }
                Step::Ask { round, members } => {
                    self.raised |= self.term.is_some() && round > 2;
                    if self.term.is_none() {
                        self.claims += 1;
                        let claim = 1 + index as u8 * 100 + self.claims;
                        self.term = Some(Term { claim, token: None, gone: [None; MEMBERS] });
                    }
                    let claim = self.term.as_ref().map_or(0, |term| term.claim);
                    for (to, floor) in members {
                        let what = What::Acquire { floor: floor.map(|floor| floor.get()), lapsed: watched[to] };
                        sent.push(Request { from: index, to, claim, attempt: self.attempts, round, what });
                    }
                }
                Step::Over(Outcome::Granted(token)) => {
                    let (token, until) = (token.get(), *began + LEASE);
                    self.phase = Phase::Idle;
                    if now >= until {
                        self.release((0..MEMBERS).collect(), sent);
                        return Effect::Nothing;
                    }
                    if let Some(term) = &mut self.term {
                        term.token = Some(token);
                    }
                    self.sighting = None;
                    self.renewed_at = now;
                    self.phase = Phase::Leads { token, until, renewal: None };
                    return Effect::Elected(token);
                }
                Step::Over(outcome) => {
                    let held: Vec<usize> = ballot.may_hold().collect();
                    let lapsed = lapsed.clone();
                    self.phase = Phase::Idle;
                    self.release(held, sent);
                    if outcome == Outcome::Held {
                        self.sight(now, lapsed.as_ref());
                    }
                    return Effect::Nothing;
                }
            }
        }
    }

    /// As a refusal tells the host the composite version.
    fn sight(&mut self, now: u8, lapsed: Option<&Version>) {
        if self.watch.stands_still(lapsed) && self.watch.has_newcomers() {
            self.watch.begin_anew();
        }
        let shown = self.watch.compose().expect("short");
        self.sighting = match (shown, self.sighting.take()) {
            (Some(version), Some((before, since))) if before == version => Some((before, since)),
            (Some(version), _) => Some((version, now)),
            (None, _) => None,
        };
    }

    /// The claim is given up: it is never asked for again.
    fn release(&mut self, members: Vec<usize>, sent: &mut Vec<Request>) {
        let Some(term) = self.term.take() else { return };
        for to in members {
            sent.push(Request { from: self.index, to, claim: term.claim, attempt: 0, round: 0, what: What::Release });
        }
    }

    fn repair(&mut self, sent: &mut Vec<Request>) {
        let Some(Term { claim, token: Some(token), gone }) = self.term.clone() else { return };
        for (to, lapsed) in gone.iter().enumerate().filter_map(|(to, gone)| Some((to, (*gone)?))) {
            let what = What::Acquire { floor: token.checked_sub(1).filter(|floor| *floor > 0), lapsed };
            sent.push(Request { from: self.index, to, claim, attempt: 0, round: 0, what });
        }
    }
}
