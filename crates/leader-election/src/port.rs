//! The port that every store implements.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::claim::Claim;
use crate::error::Result;

pub(crate) mod delegate;
mod outcomes;
mod pointers;
mod records;
mod request;
mod side;
mod version;

pub use outcomes::{Acquire, Loss, Renew, Written};
pub use records::{Grant, Held, Leader, LeaseState, Observation};
pub use request::{AcquireRequest, LeaderData};
pub use side::{Operator, SideContent, SideName, SideRecord};
pub use version::Version;

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
///  3. **Tokens rise.** Every granted claim has a higher [`FencingToken`](crate::FencingToken) than every claim granted before it: also
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
/// 12. **Data rides along.** What a grant's [`data`](AcquireRequest::data) was comes back in [`Leader::data`], whole, for as long as
///     that leader is the latest on record; a grant without data leaves none of an earlier leader's.
/// 13. **The floor holds.** A granted token is above [`floor`](AcquireRequest::floor).
/// 14. **A version tells of every write.** Where [`Observation::version`] is given, each grant, renewal and release changes it, and
///     nothing else does.
/// 15. **Breaking is safe.** After [`Operator::break_lease`] without a period the leader's next renewal is
///     [`Lost`](Renew::Lost), and nobody else is granted before its lease would have run out.
/// 16. **Beside is beside.** A [`SideRecord`] changes by compare-and-swap, and no write to it touches the lease or its version.
///
/// # Implementing a store
///
/// A *lease store* (a blob lease) lets the service expire the lease and ignores `lapsed`. A *document store*
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
    /// Tries once to take the lease for [`request.claim`](AcquireRequest::claim).
    ///
    /// # Errors
    /// Transient when the outcome is unknown; otherwise a human must act.
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire>;

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

    /// What an operator may do to this election, where the store offers it. Default: nothing.
    fn operator(&self) -> Option<Arc<dyn Operator>> {
        None
    }

    /// The record of that name beside the election's, where the store keeps such records. Default: it does not.
    fn side(&self, name: SideName) -> Option<Arc<dyn SideRecord>> {
        let _ = name;
        None
    }

    /// Resolves when something may have changed, so that a candidate need not wait for its next poll. A store that
    /// cannot watch leaves this as it is: it never resolves. Resolving too often only costs polls, and the host
    /// limits them.
    async fn changed(&self) {
        std::future::pending().await
    }
}
