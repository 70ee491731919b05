//! The world: what may happen in it, and what comes of that.

use stateright::{Model, Property};

use super::candidate::{Candidate, Effect, Phase, Request};
use super::member::{Kind, Member, Record, What};

pub const MEMBERS: usize = 3;
/// In ticks.
pub const LEASE: u8 = 2;

/// The attempt of requests that nobody waits for and that are late.
const GIVEN_UP: u8 = u8::MAX;

pub const KEPT: &str = "one leads at a time, and tokens rise";
const ELECTED_TWICE: &str = "there are two terms";
const RENEWED: &str = "a majority renews";
const RAISED: &str = "members are raised to one token";
/// What has to come to pass.
pub const SEEN: [&str; 3] = [ELECTED_TWICE, RENEWED, RAISED];

/// What can happen, and how often.
#[derive(Debug, Clone)]
pub struct Config {
    pub name: &'static str,
    pub trouble: &'static str,
    pub kinds: [Kind; MEMBERS],
    pub ticks: u8,
    pub tries: [u8; 2],
    pub renewals: [u8; 2],
    /// Requests to acquire that are carried out, and whose answers are lost. Any number may be lost on the way.
    pub unanswered: u8,
    /// Requests that arrive after their sender has given them up.
    pub late: u8,
    /// Requests that arrive twice.
    pub repeats: u8,
    pub forgets: u8,
    /// Also while the latest leader does not stand on all members.
    pub forgets_at_any_time: bool,
    pub rollbacks: u8,
    /// No attempt lasts beyond a tick, and renewals are a tick apart.
    pub paced: bool,
}

impl Config {
    pub const SMALL: Self = Self {
        name: "",
        trouble: "lost",
        kinds: [Kind::Lease; MEMBERS],
        ticks: 3,
        tries: [1, 1],
        renewals: [1, 0],
        unanswered: 1,
        late: 0,
        repeats: 0,
        forgets: 0,
        forgets_at_any_time: false,
        rollbacks: 0,
        paced: false,
    };

    pub fn title(&self) -> String {
        format!("{}, {}", self.name, self.trouble)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Broken {
    TwoLeaders,
    TokenDoesNotRise,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    now: u8,
    members: [Member; MEMBERS],
    candidates: [Candidate; 2],
    /// In order, so that two worlds that differ in no more than that are one.
    sent: Vec<Request>,
    highest: u64,
    terms: u8,
    unanswered: u8,
    late: u8,
    repeats: u8,
    forgets: u8,
    rollbacks: u8,
    paced: bool,
    pub broken: Option<Broken>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    Tick,
    Try(usize),
    GiveUp(usize),
    Renew(usize),
    StepDown(usize),
    /// The looks of an attempt arrive at these members, by their bits, and are answered; likewise its renewals and releases. All others are lost,
    /// or late.
    Looks {
        from: usize,
        arrive: u8,
    },
    Renewals {
        from: usize,
        arrive: u8,
    },
    Releases {
        from: usize,
        arrive: u8,
    },
    /// A request arrives, and its answer is heard if anybody waits for it.
    Arrive(Request),
    /// It arrives, and its answer is lost.
    ArriveUnanswered(Request),
    /// It arrives, and will do so once more.
    ArriveTwice(Request),
    Forget(usize),
    RollBack(usize),
}

#[derive(Debug, Clone)]
pub struct Majority {
    pub config: Config,
}

impl Model for Majority {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        let config = &self.config;
        vec![World {
            now: 0,
            members: config.kinds.map(Member::new),
            candidates: [0, 1].map(|index| Candidate::new(index, config.tries[index], config.renewals[index])),
            sent: vec![],
            highest: 0,
            terms: 0,
            unanswered: config.unanswered,
            late: config.late,
            repeats: config.repeats,
            forgets: config.forgets,
            rollbacks: config.rollbacks,
            paced: config.paced,
            broken: None,
        }]
    }

    fn actions(&self, world: &World, acts: &mut Vec<Act>) {
        if world.broken.is_some() {
            return;
        }
        if world.now < self.config.ticks {
            acts.push(Act::Tick);
        }
        for (index, candidate) in world.candidates.iter().enumerate() {
            match &candidate.phase {
                Phase::Idle if candidate.may_try > 0 => acts.push(Act::Try(index)),
                Phase::Idle => {}
                Phase::Contends { .. } => acts.push(Act::GiveUp(index)),
                Phase::Leads { renewal: Some(_), .. } => acts.push(Act::GiveUp(index)),
                Phase::Leads { renewal: None, .. } => {
                    acts.push(Act::StepDown(index));
                    if candidate.may_renew > 0 && (!self.config.paced || candidate.renewed_at < world.now) {
                        acts.push(Act::Renew(index));
                    }
                }
            }
        }
        for from in 0..2 {
            if world.in_one(from, &What::Look).count() > 0 {
                let some = (1..1 << MEMBERS).filter(|answered: &u8| answered.count_ones() > 1);
                acts.extend(some.map(|arrive| Act::Looks { from, arrive }));
            }
            if world.in_one(from, &What::Renew).count() > 0 {
                acts.extend((1..1 << MEMBERS).map(|arrive| Act::Renewals { from, arrive }));
            }
            if world.in_one(from, &What::Release).count() > 0 {
                acts.extend((1..1 << MEMBERS).map(|arrive| Act::Releases { from, arrive }));
            }
        }
        for request in world
            .sent
            .iter()
            .filter(|request| matches!(request.what, What::Acquire { .. }) || request.attempt == GIVEN_UP)
        {
            acts.push(Act::Arrive(*request));
            if world.unanswered > 0 && world.candidates[request.from].waits_for(request) {
                acts.push(Act::ArriveUnanswered(*request));
            }
            if world.repeats > 0 {
                acts.push(Act::ArriveTwice(*request));
            }
        }
        for (index, member) in world.members.iter().enumerate().filter(|(_, member)| member.record.is_some()) {
            // One fault is survived where the leader's latest grant or renewal has reached all members, and it has no others.
            let stands_on_all = world.candidates.iter().any(|candidate| {
                let Phase::Leads { until, .. } = candidate.phase else { return false };
                let holds = |record: Record| Some(record.claim) == candidate.claim() && record.until >= Some(until);
                world.now < until && world.members.iter().all(|member| member.record.is_some_and(holds))
            });
            if world.forgets > 0 && (stands_on_all || self.config.forgets_at_any_time) {
                acts.push(Act::Forget(index));
            }
            if world.rollbacks > 0 && stands_on_all && member.older != member.record {
                acts.push(Act::RollBack(index));
            }
        }
    }

    fn next_state(&self, world: &World, act: Act) -> Option<World> {
        let mut next = world.clone();
        next.take(act);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(KEPT, |_, world: &World| world.broken.is_none()),
            Property::sometimes(ELECTED_TWICE, |_, world: &World| world.terms > 1),
            Property::sometimes(RENEWED, |_, world: &World| world.candidates.iter().any(|candidate| candidate.renewed)),
            Property::sometimes(RAISED, |_, world: &World| world.candidates.iter().any(|candidate| candidate.raised)),
        ]
    }
}

impl World {
    fn take(&mut self, act: Act) {
        let now = self.now;
        match act {
            Act::Tick => {
                self.now += 1;
                // Whatever is carried out after this is late.
                let late: Vec<Request> = self
                    .sent
                    .iter()
                    .filter(|request| !self.candidates[request.from].waits_for(request))
                    .copied()
                    .collect();
                late.into_iter().for_each(|request| self.lose(request));
                for candidate in &mut self.candidates {
                    if self.paced {
                        candidate.give_up();
                    }
                    candidate.ends(self.now);
                }
            }
            Act::Try(index) => {
                let effect = self.candidates[index].begin(now, &mut self.sent);
                self.judge(index, effect);
            }
            Act::GiveUp(index) => self.candidates[index].give_up(),
            Act::Renew(index) => self.candidates[index].renew(now, &mut self.sent),
            Act::StepDown(index) => self.candidates[index].step_down(&mut self.sent),
            Act::Looks { from, arrive } => self.arrive_in_one(from, &What::Look, arrive),
            Act::Renewals { from, arrive } => self.arrive_in_one(from, &What::Renew, arrive),
            Act::Releases { from, arrive } => self.arrive_in_one(from, &What::Release, arrive),
            Act::Arrive(request) => self.arrive(request, true, false),
            Act::ArriveUnanswered(request) => {
                self.unanswered -= 1;
                self.arrive(request, false, false);
            }
            Act::ArriveTwice(request) => {
                self.repeats -= 1;
                self.arrive(request, true, true);
            }
            Act::Forget(member) => {
                self.forgets -= 1;
                self.members[member].forget();
            }
            Act::RollBack(member) => {
                self.rollbacks -= 1;
                self.members[member].roll_back();
            }
        }
        self.settle();
    }

    /// The requests of a kind that are sent to all at once, unless they are late.
    fn in_one(&self, from: usize, what: &What) -> impl Iterator<Item = &Request> {
        self.sent
            .iter()
            .filter(move |request| request.from == from && request.what == *what && request.attempt != GIVEN_UP)
    }

    fn arrive_in_one(&mut self, from: usize, what: &What, arrive: u8) {
        let requests: Vec<Request> = self.in_one(from, what).copied().collect();
        for request in requests {
            if arrive >> request.to & 1 == 1 {
                self.arrive(request, true, false);
            } else {
                self.lose(request);
            }
        }
    }

    /// Unless it comes late.
    fn lose(&mut self, request: Request) {
        self.sent.retain(|other| *other != request);
        if self.late > 0 && request.what != What::Look {
            self.sent.push(Request { attempt: GIVEN_UP, ..request });
        }
    }

    fn arrive(&mut self, request: Request, answered: bool, stays: bool) {
        let waits = self.candidates[request.from].waits_for(&request);
        if request.attempt == GIVEN_UP {
            self.late = self.late.saturating_sub(1);
        } else if matches!(request.what, What::Acquire { .. }) {
            // Those of one round arrive in the order of the members, or not at all: what one of them does is no matter to the others.
            let passed = |other: &Request| {
                let same = (other.from, other.attempt, other.round, other.claim)
                    == (request.from, request.attempt, request.round, request.claim);
                same && other.to < request.to && matches!(other.what, What::Acquire { .. })
            };
            let passed: Vec<Request> = self.sent.iter().filter(|other| passed(other)).copied().collect();
            passed.into_iter().for_each(|other| self.lose(other));
        }
        if !stays {
            self.sent.retain(|other| *other != request);
        }
        let said = self.members[request.to].serve(self.now, LEASE, request.claim, request.what);
        if !answered {
            return;
        }
        if waits {
            let effect = self.candidates[request.from].hear(self.now, &request, said, &mut self.sent);
            self.judge(request.from, effect);
        } else {
            self.candidates[request.from].note(&request, said);
        }
    }

    fn judge(&mut self, index: usize, effect: Effect) {
        let Effect::Elected(token) = effect else { return };
        self.terms += 1;
        if self.candidates[1 - index].leads(self.now).is_some() {
            self.broken = Some(Broken::TwoLeaders);
        } else if token <= self.highest {
            self.broken = Some(Broken::TokenDoesNotRise);
        }
        self.highest = self.highest.max(token);
    }

    /// What cannot matter any more is no part of the state.
    fn settle(&mut self) {
        let given_up = |request: &&Request| {
            request.attempt != GIVEN_UP && request.attempt > 0 && !self.candidates[request.from].waits_for(request)
        };
        let late: Vec<Request> = self.sent.iter().filter(given_up).copied().collect();
        late.into_iter().for_each(|request| self.lose(request));
        if self.late == 0 {
            self.sent.retain(|request| request.attempt != GIVEN_UP);
        }
        self.sent.sort_unstable();
        self.sent.dedup();
        for candidate in &mut self.candidates {
            candidate.forget_what_does_not_matter();
        }
        for index in 0..MEMBERS {
            let Some(record) = self.members[index].record else { continue };
            let asks = self.candidates.iter().any(|candidate| candidate.claim() == Some(record.claim));
            let asks = asks || self.sent.iter().any(|request| request.claim == record.claim);
            self.members[index].forget_what_does_not_matter(self.now, asks, self.rollbacks > 0);
        }
    }
}
