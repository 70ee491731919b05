//! A strict model of a store: it keeps the port's contract to the letter and grants nothing beyond it.

use leader_election::election::{AttemptId, Event};
use leader_election::{FencingToken, Grant, Held, Version};

use super::canon::{FIRST_TOKEN, version_name};
use super::config::{Config, Kind};
use super::ids::ClaimNo;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    Acquire,
    Renew,
    Release,
}

/// One request on its way to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    pub what: What,
    pub claim: ClaimNo,
    /// The claim says that it may hold the lease already.
    pub unsettled: bool,
    /// The version that may be replaced.
    pub lapsed: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    pub claim: ClaimNo,
    pub token: u64,
    /// When it runs out by the store's clock, in milliseconds; `None` once released.
    pub until: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    pub record: Option<Record>,
    /// The record before the latest grant, to which a store may fall back.
    pub older: Option<Record>,
    pub version: u32,
    /// The highest token that was ever granted.
    pub highest: u64,
    /// A token was granted that was not above all before it.
    pub repeats: bool,
}

impl Store {
    pub fn new() -> Self {
        Self { record: None, older: None, version: 0, highest: FIRST_TOKEN, repeats: false }
    }

    /// Carries out a request in the instant in which it arrives, at `now` by the store's clock.
    pub fn serve(&mut self, config: &Config, now: u64, attempt: AttemptId, request: &Request) -> Event {
        let holds = self.holds(config, now, request.claim);
        match request.what {
            What::Acquire => self.acquire(config, now, attempt, request),
            What::Renew if holds => {
                self.extend(config, now);
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

    /// Somebody frees the lease.
    pub fn free(&mut self) {
        if let Some(record) = &mut self.record {
            record.until = None;
            self.version += 1;
        }
    }

    /// The latest grant is forgotten. Nobody holds what is left.
    pub fn roll_back(&mut self) {
        self.record = self.older.take().map(|record| Record { until: None, ..record });
        self.version += 1;
    }

    /// Whether a claim's lease runs.
    pub fn runs_for(&self, config: &Config, now: u64, claim: ClaimNo) -> bool {
        self.is_running(config, now) && self.record.is_some_and(|record| record.claim == claim)
    }

    pub fn is_running(&self, config: &Config, now: u64) -> bool {
        let until = self.record.and_then(|record| record.until);
        until.is_some_and(|until| config.kind == Kind::Document || now < until)
    }

    fn holds(&self, config: &Config, now: u64, claim: ClaimNo) -> bool {
        let revives = matches!(config.kind, Kind::Lease { revives: true, .. });
        let kept = self.is_running(config, now) || revives;
        self.record.is_some_and(|record| record.claim == claim && record.until.is_some() && kept)
    }

    fn acquire(&mut self, config: &Config, now: u64, attempt: AttemptId, request: &Request) -> Event {
        let looks_first = matches!(config.kind, Kind::Lease { looks_first: true, .. });
        let holds = self.holds(config, now, request.claim) && (request.unsettled || !looks_first);
        let lapsed = config.kind == Kind::Document && request.lapsed == Some(self.version);
        if self.is_running(config, now) && !holds && !lapsed {
            return Event::Held { attempt, held: self.held(config) };
        }
        if holds {
            self.extend(config, now);
        } else {
            // As the stores do it: above the record's, and not below the service's time, which has passed all others.
            let server_time = if config.server_time { self.highest + 1 } else { FIRST_TOKEN };
            let stored = self.record.map(|record| FencingToken::new(record.token).expect("valid"));
            let token = FencingToken::next(stored, server_time).expect("valid").get();
            if config.budget.rollbacks > 0 {
                self.older = self.record;
            }
            self.repeats |= token <= self.highest;
            self.record = Some(Record { claim: request.claim, token, until: None });
            self.highest = self.highest.max(token);
            self.extend(config, now);
        }
        let token = self.record.map_or(0, |record| record.token);
        let fencing_token = FencingToken::new(token).expect("valid");
        Event::Acquired { attempt, grant: Grant::new(fencing_token, config.lease()) }
    }

    fn held(&self, config: &Config) -> Held {
        let version = (config.kind == Kind::Document).then(|| version_name(self.version));
        Held::by_unknown()
            .with_lease(Some(config.lease()))
            .with_version(version.map(|name| Version::new(name).expect("valid")))
    }

    fn extend(&mut self, config: &Config, now: u64) {
        self.version += 1;
        if let Some(record) = &mut self.record {
            record.until = Some(now + config.lease().as_millis() as u64);
        }
    }
}
