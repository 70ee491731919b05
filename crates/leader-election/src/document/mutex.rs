//! The mutex on any document store.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::operator::DocumentOperator;
use super::{DocumentStore, Record, Stored};
use crate::claim::{Claim, ClaimId};
use crate::error::{Error, ErrorKind, Result};
use crate::kit::record::next_token;
use crate::port::{
    Acquire, AcquireRequest, DistributedMutex, Grant, Held, Loss, Observation, Operator, Renew, SideName, SideRecord,
    Written,
};
use crate::sources::Sources;

/// A [`DistributedMutex`] on a [`DocumentStore`].
///
/// A renewal is one replacement: the version that the last one returned is remembered. To acquire is a read and a replacement, and a look
/// at a lease that is held is a read.
///
/// ```
/// use leader_election::document::{DocumentMutex, DocumentStore};
/// use leader_election::kit::OnRequestThreads;
/// use leader_election::{LeaderHost, Result};
///
/// /// A host on any store of documents. Of one that opens connections, the requests keep to threads of their own.
/// fn host(store: impl DocumentStore) -> LeaderHost {
///     LeaderHost::new(OnRequestThreads::new(DocumentMutex::new(store)))
/// }
/// ```
#[derive(Debug)]
pub struct DocumentMutex<S: DocumentStore> {
    store: Arc<S>,
    /// The document as this mutex last wrote it, to spare a read. Losing it costs no more than that.
    written: Mutex<Option<(ClaimId, Stored<S::Rest>)>>,
    sources: Sources,
}

/// How often a write is tried again when somebody else's write came between, within one attempt.
const ROUNDS: usize = 3;

impl<S: DocumentStore> DocumentMutex<S> {
    /// A mutex on this store. Nothing is sent yet.
    #[must_use]
    pub fn new(store: S) -> Self {
        Self { store: Arc::new(store), written: Mutex::new(None), sources: Sources::system() }
    }

    /// Draws the numbers of its writes, and the times in the record, from these sources. Default: the system's.
    #[must_use]
    pub fn with_sources(mut self, sources: Sources) -> Self {
        self.sources = sources;
        self
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.store
    }

    async fn read_or_create(&self) -> Result<Stored<S::Rest>> {
        if let Some(seen) = self.store.read().await? {
            return Ok(seen);
        }
        // Nobody holds it yet: whoever creates it reads it back like all others, and learns the service's time by that.
        self.store.create(&Record::unheld(&self.sources)?).await?;
        self.store.read().await?.ok_or_else(|| {
            Error::new(ErrorKind::Unavailable, "the record was created, and deleted at once by somebody")
        })
    }

    /// Replaces what was seen; `None` when it was in vain.
    async fn write(&self, id: ClaimId, seen: &Stored<S::Rest>, record: Record) -> Result<Option<Stored<S::Rest>>> {
        let stored = match self.store.replace(seen, &record).await? {
            Written::Done(version) => Stored { version, record, ..seen.clone() },
            // Only this call bears this number: if it stands there, the write was carried out after this call began.
            Written::Conflict => match self.store.read().await? {
                Some(stored) if stored.record.write == record.write => stored,
                _ => return Ok(None),
            },
        };
        *self.written() = Some((id, stored.clone()));
        Ok(Some(stored))
    }

    fn written(&self) -> MutexGuard<'_, Option<(ClaimId, Stored<S::Rest>)>> {
        // No code that could panic runs under the lock.
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The document as this claim knows it: first as it was written, then as it is read.
    async fn own(&self, id: ClaimId, round: usize) -> Result<Option<Stored<S::Rest>>> {
        let remembered = self.written().take_if(|(owner, _)| *owner == id);
        match remembered {
            Some((_, stored)) if round == 0 => Ok(Some(stored)),
            _ => self.store.read().await,
        }
    }
}

#[async_trait]
impl<S: DocumentStore> DistributedMutex for DocumentMutex<S> {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        let claim = request.claim;
        self.check_lease(claim.lease)?;
        for _ in 0..ROUNDS {
            let seen = self.read_or_create().await?;
            let record = match &seen.record.holder {
                Some(_) if seen.record.is_held_by(claim.id) && request.is_above_floor(seen.record.fencing_token) => {
                    seen.record.renewed(claim, &self.sources)
                }
                Some(holder) if !seen.record.is_held_by(claim.id) && request.lapsed != Some(&seen.version) => {
                    let held = Held::by(seen.record.leader(holder)).with_version(Some(seen.version));
                    return Ok(Acquire::Held(held));
                }
                _ => {
                    let server_ms = seen.server_ms.unwrap_or_default();
                    let on_record = Some(seen.record.fencing_token);
                    let fencing_token = next_token(on_record, server_ms, request.floor, "the record")?;
                    Record::held_by(request, fencing_token, &self.sources)
                }
            };
            if let Some(stored) = self.write(claim.id, &seen, record).await? {
                let fencing_token = stored.record.fencing_token;
                return Ok(Acquire::Granted(Grant::new(fencing_token, claim.lease)));
            }
        }
        Ok(Acquire::Held(Held::by_unknown()))
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        for round in 0..ROUNDS {
            let Some(seen) = self.own(claim.id, round).await? else { return Ok(Renew::Lost(Loss::Missing)) };
            if seen.record.is_broken() {
                return Ok(Renew::Lost(Loss::Broken));
            }
            if !seen.record.is_held_by(claim.id) {
                return Ok(Renew::Lost(Loss::Taken));
            }
            let renewed = seen.record.renewed(claim, &self.sources);
            if self.write(claim.id, &seen, renewed).await?.is_some() {
                return Ok(Renew::Renewed);
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "the record changes all the time: something else writes to it"))
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        for round in 0..ROUNDS {
            let Some(seen) = self.own(claim.id, round).await? else { return Ok(()) };
            if !seen.record.is_held_by(claim.id) {
                return Ok(());
            }
            let released = seen.record.released(&self.sources);
            if self.write(claim.id, &seen, released).await?.is_some() {
                return Ok(());
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "the record changes all the time: something else writes to it"))
    }

    async fn observe(&self) -> Result<Observation> {
        let Some(seen) = self.store.read().await? else { return Ok(Observation::default()) };
        let record = &seen.record;
        let latest = record.holder.as_ref().or(record.previous.as_ref()).map(|holder| record.leader(holder));
        Ok(Observation::new(record.state(), latest).with_version(Some(seen.version)))
    }

    fn operator(&self) -> Option<Arc<dyn Operator>> {
        Some(Arc::new(DocumentOperator { store: Arc::clone(&self.store), sources: self.sources.clone() }))
    }

    fn side(&self, name: SideName) -> Option<Arc<dyn SideRecord>> {
        self.store().side(name)
    }

    fn election(&self) -> &str {
        self.store.election()
    }

    fn check_lease(&self, lease: Duration) -> Result<()> {
        self.store.check_lease(lease)
    }

    async fn changed(&self) {
        self.store.changed().await;
    }
}
