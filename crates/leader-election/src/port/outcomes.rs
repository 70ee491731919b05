//! What became of a request. These enums are exhaustive: a caller that overlooks an outcome is wrong.

use super::{Grant, Held, Version};

/// What became of an attempt to acquire.
///
/// ```
/// use leader_election::Acquire;
///
/// fn leads(outcome: &Acquire) -> bool {
///     match outcome {
///         Acquire::Granted(_) => true,
///         Acquire::Held(_) => false,
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acquire {
    /// The claim holds the lease.
    Granted(Grant),
    /// Another claim holds it.
    Held(Held),
}

/// What became of a renewal.
///
/// ```
/// use leader_election::{Loss, Renew};
///
/// let lost = Renew::Lost(Loss::Broken);
/// assert_ne!(lost, Renew::Renewed);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Renew {
    /// The lease runs anew.
    Renewed,
    /// The store said that the claim does not hold the lease.
    Lost(Loss),
}

/// How a lease was lost, as far as the store can tell: for people to read, as a host does the same in each case.
///
/// ```
/// use leader_election::{Loss, Renew};
///
/// let somebody_broke_it = |renewal: Renew| renewal == Renew::Lost(Loss::Broken);
/// assert!(!somebody_broke_it(Renew::Lost(Loss::Taken)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Loss {
    /// It ran out, or another claim holds it.
    Taken,
    /// Somebody broke it: an operator, or another tool with write access.
    Broken,
    /// The record is gone.
    Missing,
}

/// What became of a conditional write.
///
/// ```
/// use leader_election::{Version, Written};
///
/// let written = Written::Done(Version::new("2")?);
/// assert_ne!(written, Written::Conflict);
/// # Ok::<(), leader_election::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It was carried out, and this is the new version.
    Done(Version),
    /// The condition did not hold; or it was carried out, and its repetition by the transport was refused.
    Conflict,
}
