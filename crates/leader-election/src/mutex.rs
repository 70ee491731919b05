//! The port that every store implements.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::claim::{Claim, HolderId};
use crate::error::{Error, Result};
use crate::fencing::FencingToken;

/// A lock in a shared store that at most one claim holds at a time.
///
/// One call is one attempt: an implementation does not wait for the lock, does not retry, and reads no clock. The
/// [`LeaderHost`](crate::LeaderHost) bounds every call by dropping it, and decides all timing.
///
/// # Contract
///
/// An implementation must keep these rules; the suite in `leader_election::contract` (feature `contract`) tests
/// them. Two are only tested in part, as the suite knows no store from within: rule 9, for which you spoil a record of your
/// own, and rule 11, of which it tests the claim's id alone. *Granted* below means that [`try_acquire`](Self::try_acquire) returned [`Acquire::Granted`].
///
///  1. **Exclusive.** While a claim's lease runs, no other claim is granted.
///  2. **A duration, counted by the store from the request's arrival.** A grant and a renewal hold for at least
///     [`Grant::lease`] after the request reached the store. No instant of a remote clock is compared with a local one.
///  3. **Tokens rise.** Every granted claim has a higher [`FencingToken`] than every claim granted before it: also
///     after release, expiry, restart and deletion of the record. The token is durable before the grant is returned.
///     A token that cannot be read is an error, never a new beginning.
///  4. **Repeatable.** An acquire repeated with the same claim id is granted again, with the same token, while that
///     claim holds the lease; a renewal and a release may be repeated as well.
///  5. **Three truths.** `Ok(Held)`, `Ok(Lost)`: the store said so. A [transient](crate::ErrorKind::is_transient)
///     error: nobody knows. Any other error: a human must act. Contention is never an error.
///  6. **Only the holder renews.** [`renew`](Self::renew) returns [`Renew::Lost`] for a claim that does not hold the
///     lease. (Renewing one's own lease after it ran out may succeed if nobody took it.)
///  7. **Release frees at once**, frees nothing of another claim, and is `Ok` when the lease is not ours any more.
///  8. **Quiet.** [`observe`](Self::observe) changes nothing, and an acquire that finds the lease held changes nothing.
///  9. **Nothing is believed.** Absurd durations, tokens or encodings in the record are errors: no panic, no overflow.
/// 10. **Cancellation safe, and never blocking.** Any call may be dropped at any await; the request may then have been
///     carried out or not. The requests of all elections share a few threads, so no call may block its own.
/// 11. **No secret** in `Debug`, errors or traces.
///
/// # Implementing a store
///
/// A *lease store* (a blob lease, Redis) lets the service expire the lease and ignores `lapsed`. A *document store*
/// (a record under compare-and-swap) returns the record's [`Version`] and lease in [`Held`]; the host watches that
/// version stand still for a whole lease and then passes it back as `lapsed`, upon which the store replaces exactly
/// that version.
///
/// ```
/// use leader_election::{DistributedMutex, MemoryMutex};
/// use std::sync::Arc;
///
/// let mutex: Arc<dyn DistributedMutex> = Arc::new(MemoryMutex::new());
/// ```
#[async_trait]
pub trait DistributedMutex: Debug + Send + Sync + 'static {
    /// Tries once to take the lease for `claim`.
    ///
    /// `lapsed` is a version that the caller has seen unchanged for its whole lease: it may be replaced.
    ///
    /// # Errors
    /// Transient when the outcome is unknown; otherwise a human must act.
    async fn try_acquire(&self, claim: &Claim, lapsed: Option<&Version>) -> Result<Acquire>;

    /// Extends the lease of `claim` by its whole duration from now.
    ///
    /// # Errors
    /// Transient when the outcome is unknown; otherwise a human must act. Loss is no error.
    async fn renew(&self, claim: &Claim) -> Result<Renew>;

    /// Frees the lease if `claim` holds it.
    ///
    /// # Errors
    /// Transient when the outcome is unknown; otherwise a human must act.
    async fn release(&self, claim: &Claim) -> Result<()>;

    /// Reads who leads, without contending.
    ///
    /// # Errors
    /// Transient when the store did not answer; otherwise a human must act.
    async fn observe(&self) -> Result<Observation>;

    /// The name of the election, for logs and metrics. Default: none.
    fn election(&self) -> &str {
        ""
    }

    /// Whether this store can grant a lease of this length; asked once, before the first attempt.
    ///
    /// # Errors
    /// [`InvalidSetting`](crate::ErrorKind::InvalidSetting), with the lengths that would do.
    fn check_lease(&self, lease: Duration) -> Result<()> {
        let _ = lease;
        Ok(())
    }

    /// Resolves when something may have changed, so that a candidate need not wait for its next poll. A store that
    /// cannot watch leaves this as it is: it never resolves. Resolving too often only costs polls, and the host
    /// limits them.
    async fn changed(&self) {
        std::future::pending().await
    }
}

/// What became of an attempt to acquire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acquire {
    /// The claim holds the lease.
    Granted(Grant),
    /// Another claim holds it.
    Held(Held),
}

/// A lease that was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Higher than every token granted before.
    pub fencing_token: FencingToken,
    /// How long the grant holds, from the moment the request reached the store.
    pub lease: Duration,
}

/// A lease that somebody else holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Who leads, as far as the record tells.
    pub leader: Option<Leader>,
    /// The length of that lease, as far as the record tells.
    pub lease: Option<Duration>,
    /// The record's version, from a document store only.
    pub version: Option<Version>,
    /// When the store knows that the lease runs out after this time, the host tries again right then.
    pub retry_after: Option<Duration>,
}

/// The leader that a store's record names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leader {
    /// Its name.
    pub holder: HolderId,
    /// Its fencing token.
    pub fencing_token: FencingToken,
    /// When it was elected, by the store's clock. For people to read: never compare it with a local clock.
    pub elected_at: Option<SystemTime>,
    /// The length of its lease.
    pub lease: Option<Duration>,
    /// How often it means to renew.
    pub renew_every: Option<Duration>,
}

/// What became of a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Renew {
    /// The lease runs anew.
    Renewed,
    /// The store said that the claim does not hold the lease.
    Lost(Loss),
}

/// How a lease was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Loss {
    /// It ran out, or another claim holds it.
    Taken,
    /// Somebody broke it: an operator, or another tool with write access.
    Broken,
    /// The record is gone.
    Missing,
}

/// Who leads, seen without contending.
///
/// The lease of a blob, or of one's own store that expires leases, is free as soon as its leader is dead. In a document store
/// (Cosmos DB, files) nothing expires: a leader that died stays on record, and `held`, until another worker has taken over. Whoever
/// has to know compares the [fencing token](Leader::fencing_token) over time, asks a standby's
/// [`status`](crate::LeaderHost::status), or runs `leader status`, which watches the record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observation {
    /// Whether somebody holds the lease, as far as the store can tell.
    pub held: bool,
    /// The latest leader on record. It leads now if `held`; else it is the last one that did.
    pub latest: Option<Leader>,
}

impl Observation {
    /// The one that leads, as far as the store can tell, if any.
    #[must_use]
    pub fn leader(&self) -> Option<&Leader> {
        self.latest.as_ref().filter(|_| self.held)
    }
}

/// The version of a record under compare-and-swap, such as an ETag. Only equality has a meaning.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version(Arc<str>);

impl Version {
    /// Wraps what the store calls its version.
    ///
    /// # Errors
    /// [`CorruptRecord`](crate::ErrorKind::CorruptRecord) when it is empty or longer than 1,024 bytes.
    pub fn new(version: impl AsRef<str>) -> Result<Self> {
        let version = version.as_ref();
        if version.is_empty() || version.len() > 1024 {
            return Err(Error::new(crate::ErrorKind::CorruptRecord, "a record's version must have 1 to 1,024 bytes"));
        }
        Ok(Self(version.into()))
    }

    /// The version as the store wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A shared mutex is a mutex: hosts take `Arc<dyn DistributedMutex>` as well.
#[async_trait]
impl<M: DistributedMutex + ?Sized> DistributedMutex for Arc<M> {
    async fn try_acquire(&self, claim: &Claim, lapsed: Option<&Version>) -> Result<Acquire> {
        (**self).try_acquire(claim, lapsed).await
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        (**self).renew(claim).await
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        (**self).release(claim).await
    }

    async fn observe(&self) -> Result<Observation> {
        (**self).observe().await
    }

    fn election(&self) -> &str {
        (**self).election()
    }

    fn check_lease(&self, lease: Duration) -> Result<()> {
        (**self).check_lease(lease)
    }

    async fn changed(&self) {
        (**self).changed().await;
    }
}
