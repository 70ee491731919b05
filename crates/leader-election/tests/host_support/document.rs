//! A document store: a record under compare-and-swap, whose lease the candidates judge.

use std::sync::{Arc, Mutex};

use leader_election::{
    Acquire, AcquireRequest, Claim, DistributedMutex, FencingToken, Grant, Held, Leader, Loss, Observation, Operation,
    Renew, Result, Version, async_trait,
};

use super::stage::Stage;

/// A record that nobody but its holder changes, unless a candidate has seen it stand still for a whole lease.
#[derive(Debug, Clone)]
pub struct DocumentMutex {
    record: Arc<Mutex<Record>>,
    stage: Stage,
}

#[derive(Debug, Default)]
struct Record {
    version: u64,
    claim: Option<Claim>,
    latest: Option<Leader>,
    /// Whose requests never arrive.
    cut_off: Vec<String>,
}

impl DocumentMutex {
    pub fn new(stage: &Stage) -> Self {
        Self { record: Arc::default(), stage: stage.clone() }
    }

    /// From now on no request of this holder arrives.
    pub fn cut_off(&self, holder: &str) {
        self.record.lock().unwrap().cut_off.push(holder.to_owned());
    }

    /// Notes a request, and waits for ever if it does not arrive.
    async fn arrive(&self, operation: Operation, claim: &Claim) {
        let in_flight = self.stage.sent(operation, claim);
        let cut_off = self.record.lock().unwrap().cut_off.iter().any(|name| name == claim.holder.as_str());
        if cut_off || in_flight.is_none() {
            std::future::pending().await
        }
    }

    fn version(record: &Record) -> Result<Version> {
        Version::new(record.version.to_string())
    }
}

#[async_trait]
impl DistributedMutex for DocumentMutex {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        let (claim, lapsed) = (request.claim, request.lapsed);
        self.arrive(Operation::Acquire, claim).await;
        let mut record = self.record.lock().unwrap();
        let version = Self::version(&record)?;
        if let Some(holder) = record.claim.as_ref().filter(|holder| holder.id != claim.id && lapsed != Some(&version)) {
            let (leader, lease) = (record.latest.clone(), Some(holder.lease));
            return Ok(Acquire::Held(Held { leader, lease, version: Some(version), retry_after: None }));
        }
        let stored = record.latest.as_ref().map(|leader| leader.fencing_token);
        let repeated = record.claim.as_ref().is_some_and(|holder| holder.id == claim.id);
        let fencing_token = match stored.filter(|_| repeated) {
            Some(token) => token,
            None => FencingToken::next(stored, 0)?,
        };
        record.version += 1;
        record.claim = Some(claim.clone());
        record.latest = Some(Leader {
            holder: claim.holder.clone(),
            fencing_token,
            elected_at: None,
            lease: Some(claim.lease),
            renew_every: Some(claim.renew_every),
        });
        drop(record);
        self.stage.granted(claim);
        Ok(Acquire::Granted(Grant::new(fencing_token, claim.lease)))
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        self.arrive(Operation::Renew, claim).await;
        let mut record = self.record.lock().unwrap();
        if record.claim.as_ref().is_none_or(|holder| holder.id != claim.id) {
            return Ok(Renew::Lost(Loss::Taken));
        }
        record.version += 1;
        Ok(Renew::Renewed)
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        self.arrive(Operation::Release, claim).await;
        let mut record = self.record.lock().unwrap();
        if record.claim.as_ref().is_some_and(|holder| holder.id == claim.id) {
            record.version += 1;
            record.claim = None;
        }
        Ok(())
    }

    async fn observe(&self) -> Result<Observation> {
        let record = self.record.lock().unwrap();
        Ok(Observation { held: record.claim.is_some(), latest: record.latest.clone() })
    }
}
