//! One candidate: the election, the process and the task around it, and what of its requests is under way.

use std::hash::Hash;

use leader_election::election::{Action, AttemptId, Election, Event, Moment};

use super::canon::{Digest, Frame, Reader};
use super::clock::{Clock, Tick, name_of};
use super::config::Config;
use super::ghost::{Ghost, Look};
use super::ids::{ClaimNo, Ids};
use super::seen::Seen;
use super::store::{Request, Store, What};

/// Something on its way between a candidate and the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub body: Body,
    pub attempt: AttemptId,
    /// It was overtaken by time: it may arrive at any instant from now on.
    pub late: bool,
    /// The process that sent it is gone, and hears of no answer.
    pub orphan: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    Request(Request),
    Answer(Event),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    pub index: u8,
    pub clock: Clock,
    /// `None` while no process runs.
    pub election: Option<Election<Ids>>,
    pub ghost: Ghost,
    pub net: Vec<Message>,
    pub paused: bool,
    /// What each draw of chance yields, in per cent.
    percent: u8,
    /// How many attempts this run has sent.
    pub sent: u64,
}

impl Host {
    pub fn new(index: u8, clock: Clock, percent: u8) -> Self {
        Self { index, clock, election: None, ghost: Ghost::default(), net: vec![], paused: false, percent, sent: 0 }
    }

    pub fn name(&self) -> String {
        format!("candidate {} ({})", self.index, name_of(self.clock.rate))
    }

    pub fn start(&mut self, config: &Config, now: Tick) {
        // The run before may have minted one more claim than it has used.
        let latest = ClaimNo { host: self.index, number: self.ghost.claim + 1 };
        let entropy = Ids { latest, percent: self.percent };
        self.ghost = self.ghost.reborn();
        self.sent = 0;
        self.election = Some(Election::new(config.settings(), entropy, self.clock.at(now)));
    }

    /// The process is gone, and its task with it.
    pub fn end(&mut self) {
        self.election = None;
        self.paused = false;
        self.ghost = self.ghost.reborn();
        self.net.retain(|message| matches!(message.body, Body::Request(_)));
        self.net.iter_mut().for_each(|message| message.orphan = true);
    }

    /// Tells the election what happened, or that time has passed, and carries out what it asks for.
    pub fn pump(&mut self, look: &mut Look<'_>, event: Option<&Event>) {
        let Some(election) = &mut self.election else { return };
        match event {
            Some(event) => election.handle_event(look.now, event.clone()),
            None => election.handle_timeout(look.now),
        }
        let actions: Vec<_> = std::iter::from_fn(|| election.poll_action()).collect();
        let stopped = election.is_stopped();
        self.ghost.observe(look, event, &actions);
        for action in actions {
            self.send(look, action);
        }
        if stopped {
            self.ghost.stopped(look);
            self.end();
        }
    }

    fn send(&mut self, look: &mut Look<'_>, action: Action) {
        let (what, attempt, claim, lapsed, unsettled) = match action {
            Action::Acquire { attempt, claim, lapsed, unsettled } => (What::Acquire, attempt, claim, lapsed, unsettled),
            Action::Renew { attempt, claim } => (What::Renew, attempt, claim, None, false),
            Action::Release { attempt, claim } => (What::Release, attempt, claim, None, false),
            _ => return,
        };
        if lapsed.is_some() {
            look.seen.push(Seen::LapsedReplaced);
        }
        let lapsed = lapsed.map(|version| version.as_str()[1..].parse().expect("one of this store's"));
        let request = Request { what, claim: ClaimNo::of(claim.id), unsettled, lapsed };
        self.sent += 1;
        let body = Body::Request(request);
        self.net.push(Message { body, attempt, late: false, orphan: false });
    }

    pub fn is_up(&self) -> bool {
        self.election.is_some() && !self.paused
    }

    pub fn valid_until(&self) -> Option<Moment> {
        self.election.as_ref().and_then(Election::valid_until)
    }

    /// Whether its task, which looks at its own clock, finds itself the leader.
    pub fn is_valid(&self, now: Tick) -> bool {
        self.valid_until().is_some_and(|until| until > self.clock.at(now))
    }

    /// The claim that it asked for last.
    pub fn claim(&self) -> ClaimNo {
        ClaimNo { host: self.index, number: self.ghost.claim }
    }

    pub fn wakes_at(&self) -> Option<Moment> {
        self.election.as_ref().and_then(Election::poll_timeout)
    }

    /// Whether something is due that the candidate has not done yet.
    pub fn is_behind(&self, now: Tick) -> bool {
        self.wakes_at().is_some_and(|due| due <= self.clock.at(now))
    }

    /// The message whose fate is to be decided before anything else happens.
    pub fn fresh(&self) -> Option<usize> {
        self.net.iter().position(|message| !message.late)
    }

    /// Whether its answer is still waited for.
    pub fn awaits(&self, message: &Message) -> bool {
        !message.orphan && self.ghost.flight.is_some_and(|flight| flight.attempt == message.attempt)
    }

    pub fn judge(&self, look: &mut Look<'_>, now: Tick) {
        if self.election.is_some() {
            let punctual = !self.paused && !self.is_behind(now);
            self.ghost.judge(look, self.valid_until(), self.wakes_at(), punctual);
        }
    }

    /// Everything of this candidate that makes a difference.
    pub fn digest(&self, config: &Config, now: Tick, store: &Store, tokens: &[u64]) -> u64 {
        let lease = config.timing.lease();
        let frame = Frame {
            now: self.clock.at(now),
            memory: lease + config.timing.attempt_timeout(),
            sent: self.sent,
            claim: self.ghost.claim,
            tokens,
            version: store.version,
        };
        let mut reader = Reader::new(frame);
        if let Some(election) = &self.election {
            election.hash(&mut reader);
        }
        let mut digest = reader.digest();
        digest.add(u64::from(self.clock.rate) << 2 | u64::from(self.paused) << 1 | u64::from(self.election.is_some()));
        digest.add(u64::from(self.percent));
        if self.election.is_some() {
            self.ghost.digest(&frame, &mut digest);
        }
        for record in [store.record, store.older] {
            let own = record.filter(|record| record.claim.host == self.index);
            digest.add(own.map_or(u64::MAX, |record| frame.claim(record.claim.number)));
        }
        let mut messages: Vec<_> = self.net.iter().map(|message| self.digest_of(message, &frame)).collect();
        messages.sort_unstable();
        messages.into_iter().for_each(|message| digest.add(message));
        digest.0
    }

    fn digest_of(&self, message: &Message, frame: &Frame<'_>) -> u64 {
        let mut digest = Digest::default();
        let flags = [message.late, message.orphan, self.awaits(message)];
        digest.add(flags.iter().fold(0, |bits, flag| bits << 1 | u64::from(*flag)));
        match &message.body {
            Body::Request(request) => {
                digest.add(request.what as u64);
                digest.add(frame.claim(request.claim.number));
                digest.add(u64::from(request.unsettled));
                digest.add(request.lapsed.map_or(2, |version| u64::from(version == frame.version)));
            }
            Body::Answer(event) => match event {
                Event::Acquired { grant, .. } => {
                    digest.add(10);
                    digest.add(frame.token(grant.fencing_token.get()));
                }
                Event::Held { held, .. } => {
                    digest.add(11);
                    let version = held.version.as_ref().map(|version| version.as_str()[1..].parse());
                    digest.add(version.map_or(2, |version| u64::from(version == Ok(frame.version))));
                }
                Event::Renewed { .. } => digest.add(12),
                Event::Lost { .. } => digest.add(13),
                Event::Released { .. } => digest.add(14),
                _ => digest.add(15),
            },
        }
        digest.0
    }
}
