//! A strict model of a store: it keeps the port's contract to the letter and grants nothing beyond it.

use std::time::Duration;

use leader_election::election::{AttemptId, Event};
use leader_election::{Claim, ClaimId, Grant, Held, Version};

use crate::bench::{What, token};

/// What the contract leaves to the store.
#[derive(Debug, Clone)]
pub struct Rules {
    /// A record under compare-and-swap, whose expiry the candidates judge. Otherwise the store lets leases expire.
    pub document: bool,
    /// A lease that ran out and was not taken is given back to the claim that held it.
    pub revives: bool,
    /// It looks before it acquires, and then refuses a lease that is held, even to its holder, unless the claim says
    /// that it may be its own.
    pub looks_first: bool,
    /// It knows when the lease runs out, and says so.
    pub hints: bool,
    /// How much of the lease that is asked for it grants, in percent.
    pub grants: u32,
}

/// One request on its way to the store.
#[derive(Debug, Clone)]
pub struct Request {
    pub host: usize,
    /// Which of the host's runs sent it.
    pub run: u64,
    pub attempt: AttemptId,
    pub what: What,
    pub claim: Claim,
    pub lapsed: Option<Version>,
    pub unsettled: bool,
}

#[derive(Debug)]
pub struct Store {
    rules: Rules,
    record: Option<Record>,
    version: u64,
}

#[derive(Debug)]
struct Record {
    claim: ClaimId,
    token: u64,
    lease: Duration,
    /// When it runs out; `None` once released.
    until: Option<Duration>,
}

impl Store {
    pub fn new(rules: Rules) -> Self {
        Self { rules, record: None, version: 0 }
    }

    /// Carries out a request in the instant in which it arrives.
    pub fn serve(&mut self, now: Duration, request: &Request) -> Event {
        let attempt = request.attempt;
        let holds = self.holds(now, request.claim.id);
        match request.what {
            What::Acquire => self.acquire(now, request),
            What::Renew if holds => {
                self.extend(now);
                Event::Renewed { attempt }
            }
            What::Renew => Event::Lost { attempt },
            What::Release => {
                if let Some(record) = self.record.as_mut().filter(|_| holds) {
                    record.until = None;
                    self.version += 1;
                }
                Event::Released { attempt }
            }
        }
    }

    /// Somebody else takes the lease over, in a way that keeps the others out until it would have run out anyway.
    pub fn usurp(&mut self) {
        if let Some(record) = &mut self.record {
            record.claim = ClaimId::from_u128(0);
            self.version += 1;
        }
    }

    fn acquire(&mut self, now: Duration, request: &Request) -> Event {
        let (attempt, claim) = (request.attempt, &request.claim);
        let running = self.is_running(now);
        let holds = self.holds(now, claim.id) && (request.unsettled || !self.rules.looks_first);
        let lapsed = self.rules.document && request.lapsed.is_some() && request.lapsed == self.shown_version();
        if running && !holds && !lapsed {
            return Event::Held { attempt, held: self.held(now) };
        }
        let lease = claim.lease * self.rules.grants / 100;
        if holds {
            self.extend(now);
        } else {
            let value = self.record.as_ref().map_or(0, |record| record.token) + 1;
            self.record = Some(Record { claim: claim.id, token: value, lease, until: Some(now + lease) });
            self.version += 1;
        }
        let value = self.record.as_ref().map_or(0, |record| record.token);
        Event::Acquired { attempt, grant: Grant::new(token(value), lease) }
    }

    fn held(&self, now: Duration) -> Held {
        let record = self.record.as_ref();
        let until = record.and_then(|record| record.until).filter(|_| self.rules.hints && !self.rules.document);
        Held::by_unknown()
            .with_lease(record.map(|record| record.lease))
            .with_version(self.shown_version())
            .with_retry_after(until.map(|until| until.saturating_sub(now)))
    }

    fn shown_version(&self) -> Option<Version> {
        self.rules.document.then(|| Version::new(self.version.to_string()).expect("a valid version"))
    }

    fn extend(&mut self, now: Duration) {
        self.version += 1;
        if let Some(record) = &mut self.record {
            record.until = Some(now + record.lease);
        }
    }

    fn holds(&self, now: Duration, claim: ClaimId) -> bool {
        let kept = self.is_running(now) || self.rules.revives;
        self.record.as_ref().is_some_and(|record| record.claim == claim && record.until.is_some() && kept)
    }

    fn is_running(&self, now: Duration) -> bool {
        let until = self.record.as_ref().and_then(|record| record.until);
        until.is_some_and(|until| self.rules.document || now < until)
    }
}
