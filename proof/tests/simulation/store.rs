//! The service behind the network: it keeps the contract to the letter and grants nothing beyond it.

use std::time::Duration;

use leader_election::document::{Record, Stored, Written};
use leader_election::{Acquire, Claim, ClaimId, FencingToken, Grant, Held, HolderId, Loss, Renew, Result, Version};

use super::plan::Rules;

/// The service's clock at the start of a schedule: some day in 2026.
const EPOCH_MS: u64 = 1_790_000_000_000;

/// What the service holds: a lease that it lets expire, or a document that it knows nothing of.
#[derive(Debug)]
pub enum Service {
    Lease(LeaseService),
    Document(DocumentService),
}

/// What a request did to the service.
#[derive(Debug)]
pub struct Effect<T> {
    pub answer: Result<T>,
    /// The claim that the lease was newly granted to.
    pub granted: Option<Owner>,
    /// The lease became free.
    pub freed: bool,
}

/// Who a service says holds the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    Claim(ClaimId),
    /// A document says no more of a claim than this.
    Fingerprint(String),
}

impl<T> Effect<T> {
    fn none(answer: Result<T>) -> Self {
        Self { answer, granted: None, freed: false }
    }
}

fn server_ms(now: Duration) -> u64 {
    EPOCH_MS + u64::try_from(now.as_millis()).expect("short")
}

/// A service such as a blob's: it grants a lease, and lets it run out by its own clock.
#[derive(Debug)]
pub struct LeaseService {
    rules: Rules,
    record: Option<Lease>,
    earlier: Vec<Option<Lease>>,
}

#[derive(Debug, Clone)]
struct Lease {
    claim: ClaimId,
    token: FencingToken,
    lease: Duration,
    /// When it runs out; `None` once released.
    until: Option<Duration>,
}

impl LeaseService {
    pub fn new(rules: Rules) -> Self {
        Self { rules, record: None, earlier: vec![] }
    }

    pub fn acquire(&mut self, now: Duration, claim: &Claim, unsettled: bool) -> Effect<Acquire> {
        let running = self.is_running(now);
        let holds = self.holds(now, claim.id);
        if running && !(holds && (unsettled || !self.rules.looks_first)) {
            return Effect::none(Ok(Acquire::Held(self.held(now))));
        }
        let lease = claim.lease * self.rules.grants / 100;
        let (until, mut granted) = (Some(now + lease), None);
        self.keep();
        let token = if holds {
            let record = self.record.as_mut().expect("it is held");
            record.until = Some(now + record.lease);
            record.token
        } else {
            let clock = if self.rules.server_clock { server_ms(now) } else { 0 };
            let token = match FencingToken::next(self.record.as_ref().map(|record| record.token), clock) {
                Ok(token) => token,
                Err(error) => return Effect::none(Err(error.into())),
            };
            self.record = Some(Lease { claim: claim.id, token, lease, until });
            granted = Some(Owner::Claim(claim.id));
            token
        };
        let answer = Ok(Acquire::Granted(Grant::new(token, lease)));
        Effect { answer, granted, freed: false }
    }

    pub fn renew(&mut self, now: Duration, claim: &Claim) -> Effect<Renew> {
        if !self.holds(now, claim.id) {
            let loss = if self.record.is_some() { Loss::Taken } else { Loss::Missing };
            return Effect::none(Ok(Renew::Lost(loss)));
        }
        self.keep();
        // A lease that ran out and is given back counts as granted anew.
        let granted = (!self.is_running(now)).then_some(Owner::Claim(claim.id));
        if let Some(record) = &mut self.record {
            record.until = Some(now + record.lease);
        }
        Effect { answer: Ok(Renew::Renewed), granted, freed: false }
    }

    pub fn release(&mut self, now: Duration, claim: &Claim) -> Effect<()> {
        let held = self.holds(now, claim.id);
        if held {
            self.keep();
            self.record.iter_mut().for_each(|record| record.until = None);
        }
        Effect { answer: Ok(()), granted: None, freed: held }
    }

    fn held(&self, now: Duration) -> Held {
        let until = self.record.as_ref().and_then(|record| record.until).filter(|_| self.rules.hints);
        Held::by_unknown()
            .with_lease(self.record.as_ref().map(|record| record.lease))
            .with_retry_after(until.map(|until| until.saturating_sub(now)))
    }

    fn holds(&self, now: Duration, claim: ClaimId) -> bool {
        let kept = self.is_running(now) || self.rules.revives;
        self.record.as_ref().is_some_and(|record| record.claim == claim && record.until.is_some() && kept)
    }

    fn is_running(&self, now: Duration) -> bool {
        self.record.as_ref().and_then(|record| record.until).is_some_and(|until| now < until)
    }

    fn keep(&mut self) {
        self.earlier.push(self.record.clone());
    }
}

/// A service such as Cosmos DB: a document, replaced only under its version.
#[derive(Debug, Default)]
pub struct DocumentService {
    document: Option<(Version, Record)>,
    /// It never gives a version twice.
    last_version: u64,
    earlier: Vec<Option<(Version, Record)>>,
}

impl DocumentService {
    pub fn read(&self, now: Duration) -> Effect<Option<Stored<()>>> {
        let stored = |(version, record)| Stored::new(version, record).with_server_ms(Some(server_ms(now)));
        Effect::none(Ok(self.document.clone().map(stored)))
    }

    pub fn create(&mut self, record: &Record) -> Effect<Written> {
        if self.document.is_some() {
            return Effect::none(Ok(Written::Conflict));
        }
        self.put(record.clone())
    }

    pub fn replace(&mut self, version: &Version, record: &Record) -> Effect<Written> {
        if self.document.as_ref().is_none_or(|(current, _)| current != version) {
            return Effect::none(Ok(Written::Conflict));
        }
        self.put(record.clone())
    }

    fn put(&mut self, record: Record) -> Effect<Written> {
        self.earlier.push(self.document.clone());
        self.last_version += 1;
        let version = Version::new(self.last_version.to_string()).expect("valid");
        let before = self.document.as_ref().and_then(|(_, before)| owner(before));
        let after = owner(&record);
        self.document = Some((version.clone(), record));
        let freed = after.is_none() && before.is_some();
        let granted = after.filter(|after| before.as_ref() != Some(after));
        Effect { answer: Ok(Written::Done(version)), granted, freed }
    }
}

fn owner(record: &Record) -> Option<Owner> {
    record.holder.is_some().then(|| Owner::Fingerprint(record.claim.clone()))
}

/// What people and disasters do to a store.
impl Service {
    /// Who is written down as the holder.
    pub fn owner(&self) -> Option<Owner> {
        match self {
            Self::Lease(service) => {
                service.record.as_ref().filter(|record| record.until.is_some()).map(|record| Owner::Claim(record.claim))
            }
            Self::Document(service) => service.document.as_ref().and_then(|(_, record)| owner(record)),
        }
    }

    /// An operator breaks the lease.
    pub fn break_lease(&mut self) {
        match self {
            Self::Lease(service) => service.record.iter_mut().for_each(|record| record.until = None),
            Self::Document(service) => {
                if let Some((_, mut record)) = service.document.clone() {
                    record.holder = None;
                    service.put(record);
                }
            }
        }
    }

    /// Another tool takes the lease over, and never renews it.
    pub fn usurp(&mut self, now: Duration, claim: ClaimId) {
        match self {
            Self::Lease(service) => {
                if let Some(record) = &mut service.record {
                    (record.claim, record.until) = (claim, Some(now + record.lease));
                }
            }
            Self::Document(service) => {
                if let Some((_, mut record)) = service.document.clone() {
                    record.holder = Some(HolderId::new("intruder").expect("valid"));
                    record.claim = claim.fingerprint();
                    service.put(record);
                }
            }
        }
    }

    pub fn delete(&mut self) {
        match self {
            Self::Lease(service) => service.record = None,
            Self::Document(service) => service.document = None,
        }
    }

    /// The store is as it was some writes ago.
    pub fn roll_back(&mut self, writes: u64) {
        let writes = usize::try_from(writes).expect("few");
        match self {
            Self::Lease(service) => {
                if let Some(at) = service.earlier.len().checked_sub(writes) {
                    service.record = service.earlier[at].clone();
                    service.earlier.truncate(at);
                }
            }
            Self::Document(service) => {
                if let Some(at) = service.earlier.len().checked_sub(writes) {
                    service.document = service.earlier[at].clone();
                    service.earlier.truncate(at);
                }
            }
        }
    }
}
