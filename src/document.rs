//! What all document stores share: a lease kept as a record under compare-and-swap.
//!
//! Nobody but the candidates expires such a lease: each watches the record stand still for a whole lease on its own clock,
//! and then replaces the very version that it watched. The watching is done by the host; [`DocumentMutex`] does the rest on
//! top of a store that can [read, create and replace](DocumentStore) one record.
//!
//! Three things make it safe on a store whose answers get lost. Every write bears a number of its own, so that a refused
//! replacement can be told from one that was carried out and refused only when it was repeated. A released record stays,
//! without a holder, so that its token goes on rising. And a record that cannot be understood is never overwritten.

use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::claim::{Claim, ClaimId, HolderId};
use crate::error::{Error, ErrorKind, Result};
use crate::fencing::FencingToken;
use crate::mutex::{Acquire, DistributedMutex, Grant, Held, Leader, Loss, Observation, Renew, Version};
use crate::sources::Sources;

/// One record under compare-and-swap: an item in Cosmos DB, a Kubernetes Lease, a blob with its ETag.
///
/// One call is one attempt: no waiting, no retrying, no clock. Reads must see the latest write.
///
/// # Errors
/// As [`DistributedMutex`]: transient when the outcome is unknown, anything else when a human must act. A record that
/// cannot be understood is [`CorruptRecord`](ErrorKind::CorruptRecord).
///
/// # Cancellation safety
/// Any call may be dropped at any await.
#[async_trait]
pub trait DocumentStore: Debug + Send + Sync + 'static {
    /// What else stands in the document and is to be kept.
    type Rest: Clone + Debug + Default + Send + Sync + 'static;

    /// Reads the document; `None` when there is none.
    async fn read(&self) -> Result<Option<Stored<Self::Rest>>>;

    /// Creates the document, unless there is one.
    async fn create(&self, record: &Record) -> Result<Written>;

    /// Replaces the document if it still has the version that was seen.
    async fn replace(&self, seen: &Stored<Self::Rest>, record: &Record) -> Result<Written>;

    /// See [`DistributedMutex::election`].
    fn election(&self) -> &str {
        ""
    }

    /// See [`DistributedMutex::check_lease`].
    ///
    /// # Errors
    /// [`InvalidSetting`](ErrorKind::InvalidSetting).
    fn check_lease(&self, lease: Duration) -> Result<()> {
        let _ = lease;
        Ok(())
    }

    /// See [`DistributedMutex::changed`].
    async fn changed(&self) {
        std::future::pending().await
    }
}

/// A document as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored<R> {
    /// Its version, such as an ETag.
    pub version: Version,
    /// What it says.
    pub record: Record,
    /// The service's time in milliseconds since 1970, as late as the store knows it; tokens follow it where the record was
    /// deleted.
    pub server_ms: Option<u64>,
    /// What else stands in it.
    pub rest: R,
}

/// What became of a conditional write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It was carried out, and this is the new version.
    Done(Version),
    /// The condition did not hold; or it was carried out, and its repetition by the transport was refused.
    Conflict,
}

/// What a document store's record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Who leads; `None` when the lease is free.
    pub holder: Option<HolderId>,
    /// Who led before the lease was released.
    pub previous: Option<HolderId>,
    /// The [fingerprint](ClaimId::fingerprint) of the claim that leads, or led.
    pub claim: String,
    /// The number of this very write.
    pub write: String,
    /// The token of the latest term.
    pub fencing_token: FencingToken,
    /// The length of the lease.
    pub lease: Duration,
    /// How often the leader means to renew.
    pub renew_every: Duration,
    /// How often it has renewed.
    pub renewals: u64,
    /// When it was elected, by its own clock. For people to read: never compare it with another clock.
    pub elected_at: Option<SystemTime>,
    /// When it last renewed; likewise.
    pub renewed_at: Option<SystemTime>,
}

impl Record {
    /// A record that nobody holds, as the first one on a new election.
    fn unheld(sources: &Sources) -> Result<Self> {
        Ok(Self {
            holder: None,
            previous: None,
            claim: String::new(),
            write: new_write(sources),
            fencing_token: FencingToken::new(1)?,
            lease: Duration::ZERO,
            renew_every: Duration::ZERO,
            renewals: 0,
            elected_at: None,
            renewed_at: None,
        })
    }

    fn held_by(claim: &Claim, fencing_token: FencingToken, sources: &Sources) -> Self {
        let now = Some(sources.wall_time());
        Self {
            holder: Some(claim.holder.clone()),
            previous: None,
            claim: claim.id.fingerprint(),
            write: new_write(sources),
            fencing_token,
            lease: claim.lease,
            renew_every: claim.renew_every,
            renewals: 0,
            elected_at: now,
            renewed_at: now,
        }
    }

    fn renewed(&self, claim: &Claim, sources: &Sources) -> Self {
        Self {
            write: new_write(sources),
            lease: claim.lease,
            renewals: self.renewals.saturating_add(1),
            renewed_at: Some(sources.wall_time()),
            ..self.clone()
        }
    }

    fn released(&self, sources: &Sources) -> Self {
        Self { holder: None, previous: self.holder.clone(), write: new_write(sources), ..self.clone() }
    }

    fn is_held_by(&self, id: ClaimId) -> bool {
        self.holder.is_some() && self.claim == id.fingerprint()
    }

    fn leader(&self, holder: &HolderId) -> Leader {
        Leader {
            holder: holder.clone(),
            fencing_token: self.fencing_token,
            elected_at: self.elected_at,
            lease: Some(self.lease),
            renew_every: Some(self.renew_every),
        }
    }
}

/// A [`DistributedMutex`] on a [`DocumentStore`].
///
/// A renewal is one replacement: the version that the last one returned is remembered.
#[derive(Debug)]
pub struct DocumentMutex<S: DocumentStore> {
    store: S,
    /// The document as this mutex last wrote it, to spare a read. Losing it costs no more than that.
    written: Mutex<Option<(ClaimId, Stored<S::Rest>)>>,
    sources: Sources,
}

/// How often a write is tried again when somebody else's write came between, within one attempt.
const ROUNDS: usize = 3;

impl<S: DocumentStore> DocumentMutex<S> {
    /// A mutex on this store.
    pub fn new(store: S) -> Self {
        Self { store, written: Mutex::new(None), sources: Sources::system() }
    }

    /// Draws the numbers of its writes, and the times in the record, from these sources. Default: the system's.
    #[must_use]
    pub fn with_sources(mut self, sources: Sources) -> Self {
        self.sources = sources;
        self
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The record's version, which changes with every renewal; `None` when there is no record. By watching it one can tell,
    /// without contending, whether the leader on record still renews.
    ///
    /// # Errors
    /// As [`DistributedMutex::observe`].
    pub async fn version(&self) -> Result<Option<Version>> {
        Ok(self.store.read().await?.map(|seen| seen.version))
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
    async fn try_acquire(&self, claim: &Claim, lapsed: Option<&Version>) -> Result<Acquire> {
        self.check_lease(claim.lease)?;
        for _ in 0..ROUNDS {
            let seen = self.read_or_create().await?;
            let record = match &seen.record.holder {
                Some(_) if seen.record.is_held_by(claim.id) => seen.record.renewed(claim, &self.sources),
                Some(holder) if lapsed != Some(&seen.version) => {
                    let leader = Some(seen.record.leader(holder));
                    let lease = Some(seen.record.lease);
                    return Ok(Acquire::Held(Held { leader, lease, version: Some(seen.version), retry_after: None }));
                }
                _ => {
                    let server_ms = seen.server_ms.unwrap_or_default();
                    let on_record = Some(seen.record.fencing_token);
                    let fencing_token = FencingToken::next_on_record(on_record, server_ms, "the record")?;
                    Record::held_by(claim, fencing_token, &self.sources)
                }
            };
            if let Some(stored) = self.write(claim.id, &seen, record).await? {
                let fencing_token = stored.record.fencing_token;
                return Ok(Acquire::Granted(Grant { fencing_token, lease: claim.lease }));
            }
        }
        Ok(Acquire::Held(Held::default()))
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        for round in 0..ROUNDS {
            let Some(seen) = self.own(claim.id, round).await? else { return Ok(Renew::Lost(Loss::Missing)) };
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
        // Whether a holder still renews cannot be told by one look; who wants to lead has to watch.
        Ok(Observation { held: record.holder.is_some(), latest })
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

fn new_write(sources: &Sources) -> String {
    sources.uuid().simple().to_string()
}
