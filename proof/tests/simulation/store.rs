//! The service behind the network: it keeps the contract to the letter and grants nothing beyond it.

use std::time::Duration;

use leader_election::document::{Record, Stored, Written};
use leader_election::{ClaimId, HolderId, Result, Version};
use testkit::store::LeaseService;

/// The service's clock at the start of a schedule: some day in 2026.
pub const EPOCH_MS: u64 = 1_790_000_000_000;

/// What the service holds: a lease that it lets expire, as a blob's does, or a document that it knows nothing of.
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
    /// Of a request of this claim.
    pub fn of(effect: testkit::store::Effect<T>, claim: ClaimId) -> Self {
        let granted = effect.granted.then_some(Owner::Claim(claim));
        Self { answer: effect.answer, granted, freed: effect.freed }
    }

    fn none(answer: Result<T>) -> Self {
        Self { answer, granted: None, freed: false }
    }
}

fn server_ms(now: Duration) -> u64 {
    EPOCH_MS + u64::try_from(now.as_millis()).expect("short")
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
            Self::Lease(service) => service.owner().map(Owner::Claim),
            Self::Document(service) => service.document.as_ref().and_then(|(_, record)| owner(record)),
        }
    }

    /// An operator breaks the lease.
    pub fn break_lease(&mut self) {
        match self {
            Self::Lease(service) => service.free(),
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
            Self::Lease(service) => service.usurp(claim, service.lease().map(|lease| now + lease)),
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
            Self::Lease(service) => service.delete(),
            Self::Document(service) => service.document = None,
        }
    }

    /// The store is as it was some writes ago.
    pub fn roll_back(&mut self, writes: u64) {
        let writes = usize::try_from(writes).expect("few");
        match self {
            Self::Lease(service) => service.roll_back(writes),
            Self::Document(service) => {
                if let Some(at) = service.earlier.len().checked_sub(writes) {
                    service.document = service.earlier[at].clone();
                    service.earlier.truncate(at);
                }
            }
        }
    }
}
