//! A service that keeps the port's contract to the letter and grants nothing beyond it: time is an argument.

use std::time::Duration;

use leader_election::{
    Acquire, AcquireRequest, ClaimId, Error, ErrorKind, FencingToken, Grant, Held, Loss, Renew, Result, Version,
};

/// What the contract leaves to the store.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// A record under compare-and-swap, whose expiry the candidates judge. Otherwise leases run out by the service's own clock.
    pub document: bool,
    /// A lease that ran out and was not taken is given back to the claim that held it.
    pub revives: bool,
    /// It looks before it acquires, and then refuses a lease that is held, even to its holder, unless the claim says that it may be
    /// its own.
    pub looks_first: bool,
    /// It knows when the lease runs out, and says so.
    pub hints: bool,
    /// It grants so much less than the lease that is asked for, in percent.
    pub withholds: u32,
    /// What its clock shows at the origin of time, in milliseconds, where tokens follow it; otherwise they are counted.
    pub clock_ms: Option<u64>,
}

/// What a request did to the service.
#[derive(Debug)]
pub struct Effect<T> {
    /// What its sender is told.
    pub answer: Result<T>,
    /// It made its claim the holder.
    pub granted: bool,
    /// The lease became free.
    pub freed: bool,
}

/// The service. It remembers what it was, so that it can be [rolled back](Self::roll_back).
#[derive(Debug)]
pub struct LeaseService {
    rules: Rules,
    record: Option<Record>,
    version: u64,
    earlier: Vec<Option<Record>>,
}

#[derive(Debug, Clone)]
struct Record {
    claim: ClaimId,
    token: FencingToken,
    lease: Duration,
    /// When it runs out; `None` once released.
    until: Option<Duration>,
}

impl LeaseService {
    /// Without a record.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self { rules, record: None, version: 0, earlier: vec![] }
    }

    /// Carries out an acquire that arrives now.
    pub fn acquire(&mut self, now: Duration, request: AcquireRequest<'_>) -> Effect<Acquire> {
        let (claim, lapsed) = (request.claim, request.lapsed);
        let held = |answer| Effect { answer, granted: false, freed: false };
        let holds = self.holds(now, claim.id);
        let own = holds && (request.unsettled || !self.rules.looks_first);
        let lapsed = self.rules.document && lapsed.is_some() && lapsed == self.shown_version().as_ref();
        if self.is_running(now) && !own && !lapsed {
            return held(Ok(Acquire::Held(self.held(now))));
        }
        if holds {
            self.extend(now);
        } else {
            let passed = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
            let clock_ms = self.rules.clock_ms.map_or(0, |origin| origin.saturating_add(passed));
            let token = match FencingToken::next(
                self.record.as_ref().map(|record| record.token).max(request.floor),
                clock_ms,
            ) {
                Ok(token) => token,
                Err(error) => return held(Err(error.into())),
            };
            let lease = claim.lease * (100 - self.rules.withholds) / 100;
            self.put(Some(Record { claim: claim.id, token, lease, until: Some(now + lease) }));
        }
        let granted = self.record.as_ref().map(|record| Grant::new(record.token, record.lease));
        let answer =
            granted.map(Acquire::Granted).ok_or_else(|| Error::new(ErrorKind::Unavailable, "it has no record"));
        Effect { answer, granted: !holds, freed: false }
    }

    /// Carries out a renewal. A lease that ran out and is given back counts as granted anew.
    pub fn renew(&mut self, now: Duration, claim: ClaimId) -> Effect<Renew> {
        if !self.holds(now, claim) {
            let loss = if self.record.is_some() { Loss::Taken } else { Loss::Missing };
            return Effect { answer: Ok(Renew::Lost(loss)), granted: false, freed: false };
        }
        let granted = !self.is_running(now);
        self.extend(now);
        Effect { answer: Ok(Renew::Renewed), granted, freed: false }
    }

    /// Carries out a release.
    pub fn release(&mut self, now: Duration, claim: ClaimId) -> Effect<()> {
        let freed = self.holds(now, claim);
        if freed {
            self.free();
        }
        Effect { answer: Ok(()), granted: false, freed }
    }

    /// Who is written down as the holder.
    #[must_use]
    pub fn owner(&self) -> Option<ClaimId> {
        self.record.as_ref().filter(|record| record.until.is_some()).map(|record| record.claim)
    }

    /// The lease is free from now on, whoever had it: at its request, or because an operator breaks it.
    pub fn free(&mut self) {
        self.put(self.record.clone().map(|record| Record { until: None, ..record }));
    }

    /// Another tool takes the lease over, until then or for as long as it would have run anyway, and never renews it.
    pub fn usurp(&mut self, claim: ClaimId, until: Option<Duration>) {
        self.put(self.record.clone().map(|record| Record { claim, until: until.or(record.until), ..record }));
    }

    /// How long the lease on record is.
    #[must_use]
    pub fn lease(&self) -> Option<Duration> {
        self.record.as_ref().map(|record| record.lease)
    }

    /// Somebody deletes the record.
    pub fn delete(&mut self) {
        self.record = None;
    }

    /// The service is as it was so many writes ago.
    pub fn roll_back(&mut self, writes: usize) {
        if let Some(at) = self.earlier.len().checked_sub(writes) {
            self.record = self.earlier[at].clone();
            self.earlier.truncate(at);
        }
    }

    fn held(&self, now: Duration) -> Held {
        let until = self.record.as_ref().and_then(|record| record.until);
        let until = until.filter(|_| self.rules.hints && !self.rules.document);
        Held::by_unknown()
            .with_lease(self.lease())
            .with_version(self.shown_version())
            .with_retry_after(until.map(|until| until.saturating_sub(now)))
    }

    fn shown_version(&self) -> Option<Version> {
        Version::new(self.version.to_string()).ok().filter(|_| self.rules.document)
    }

    fn extend(&mut self, now: Duration) {
        self.put(self.record.clone().map(|record| Record { until: Some(now + record.lease), ..record }));
    }

    fn put(&mut self, record: Option<Record>) {
        self.version += 1;
        self.earlier.push(std::mem::replace(&mut self.record, record));
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
