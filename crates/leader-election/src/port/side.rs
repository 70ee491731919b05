//! What a store offers beside the lease itself. A store that has none of it still elects.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::{Version, Written};
use crate::error::{Error, Result};

/// What an operator may do to an election. See [`DistributedMutex::operator`](super::DistributedMutex::operator).
///
/// ```
/// use leader_election::{DistributedMutex, Result};
/// use std::time::Duration;
///
/// /// Ends the term of whoever leads, safely, and says when another worker can lead.
/// async fn end_term(mutex: &impl DistributedMutex) -> Result<Option<Duration>> {
///     match mutex.operator() {
///         Some(operator) => operator.break_lease(None).await.map(Some),
///         None => Ok(None),
///     }
/// }
/// ```
#[async_trait]
pub trait Operator: Send + Sync {
    /// Breaks the lease, whoever holds it. Returns after what time another worker can lead.
    ///
    /// The leader learns of it with its next renewal, which is refused. With `None` nobody else can lead before the lease would
    /// have run out by itself, so the leader has stopped by then, whatever happens. With a shorter `period`, or zero, another
    /// worker can lead beside the old leader until that has noticed; only fencing at the resource then keeps the old one out.
    /// It is no error when nobody holds the lease: then the time is zero.
    ///
    /// # Errors
    /// [`InvalidSetting`](crate::ErrorKind::InvalidSetting) for a period that the store does not know; a document store knows none but
    /// zero. Otherwise those of [`observe`](super::DistributedMutex::observe).
    async fn break_lease(&self, period: Option<Duration>) -> Result<Duration>;

    /// The names of the elections that are kept in the same place as this one, in the order of their bytes. Names that no election can have are
    /// left out. An election that nobody has led yet need not be among them.
    ///
    /// # Errors
    /// [`Refused`](crate::ErrorKind::Refused) by a store that cannot list them; otherwise those of
    /// [`observe`](super::DistributedMutex::observe).
    async fn elections(&self) -> Result<Vec<String>>;
}

/// One small record beside an election's, under compare-and-swap. See [`DistributedMutex::side`](super::DistributedMutex::side).
///
/// Nothing that is done to it counts as a sign of life of the leader, or touches the lease. It may be there before the election's own record is.
/// Only a person deletes it, past this crate; then it reads as absent.
///
/// ```
/// use leader_election::{MemoryMutex, DistributedMutex, Result, SideName, SideRecord, Written};
///
/// /// Writes `wish`, whatever stood there; `false` when somebody else wrote in the same instant, or before the answer was lost.
/// async fn put(side: &dyn SideRecord, wish: &str) -> Result<bool> {
///     let written = match side.read().await? {
///         Some(seen) => side.replace(&seen.version, wish).await?,
///         None => side.create(wish).await?,
///     };
///     Ok(matches!(written, Written::Done(_)))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let mutex = MemoryMutex::named("nightly");
/// let side = mutex.side(SideName::new("wish")?).expect("kept in memory as well");
/// assert!(put(&*side, "run at 02:00").await?);
/// assert!(put(&*side, "run at 03:00").await?);
/// assert_eq!(side.read().await?.unwrap().text, "run at 03:00");
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait SideRecord: Send + Sync {
    /// Reads it; `None` when there is none.
    ///
    /// # Errors
    /// [`CorruptRecord`](crate::ErrorKind::CorruptRecord) where more than [`SideContent::MAX`] bytes stand there, or what is no side record;
    /// otherwise as [`observe`](super::DistributedMutex::observe).
    async fn read(&self) -> Result<Option<SideContent>>;

    /// Creates it, unless there is one.
    ///
    /// # Errors
    /// [`InvalidSetting`](crate::ErrorKind::InvalidSetting) for more than [`SideContent::MAX`] bytes; otherwise as
    /// [`observe`](super::DistributedMutex::observe).
    async fn create(&self, content: &str) -> Result<Written>;

    /// Replaces it if it still has the version that was seen.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    async fn replace(&self, seen: &Version, content: &str) -> Result<Written>;
}

/// A side record as it was read.
///
/// ```
/// use leader_election::{SideContent, Version};
///
/// let read = SideContent::new(Version::new("1")?, "2026-11-27T02:00:00Z");
/// assert_eq!(read.text, "2026-11-27T02:00:00Z");
/// # Ok::<(), leader_election::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SideContent {
    /// Its version, such as an ETag.
    pub version: Version,
    /// What it says, as whoever wrote it put it.
    pub text: String,
}

impl SideContent {
    /// The most bytes that a record may have: 8,192.
    pub const MAX: usize = 8_192;

    /// A record as it was read.
    #[must_use]
    pub fn new(version: Version, text: impl Into<String>) -> Self {
        Self { version, text: text.into() }
    }

    /// For stores: whether a text may be written.
    ///
    /// # Errors
    /// [`InvalidSetting`](crate::ErrorKind::InvalidSetting) when it is longer than [`MAX`](Self::MAX) bytes.
    pub fn check(text: &str) -> Result<()> {
        match text.len() {
            0..=Self::MAX => Ok(()),
            length => Err(Error::setting(format!("a side record must have 8,192 bytes at the most, not {length}"))),
        }
    }
}

/// The name of a side record: 1 to 32 lower-case ASCII letters. In stores that name files or documents it follows the election's name
/// and a dot, as in `nightly-billing.wish`. It is `Copy`: pass it on as it is.
///
/// ```
/// use leader_election::SideName;
///
/// assert_eq!(SideName::new("wish")?.as_str(), "wish");
/// assert!(SideName::new("Wish/..").is_err());
/// # Ok::<(), leader_election::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SideName(&'static str);

impl SideName {
    /// A record of this name.
    ///
    /// # Errors
    /// [`InvalidSetting`](crate::ErrorKind::InvalidSetting) for any other name.
    pub fn new(name: &'static str) -> Result<Self> {
        if matches!(name.len(), 1..=32) && name.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return Ok(Self(name));
        }
        Err(Error::setting("a side record's name must be 1 to 32 lower-case ASCII letters"))
    }

    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// For stores: refuses an election whose name is that of another one's side record where these name files or documents, as
    /// `nightly.wish` is of `nightly`'s. Reserved are `wish`, `runs` and `terms`. A store whose side records have a table of their own calls it
    /// too, so that a name is good on every store.
    ///
    /// # Errors
    /// [`InvalidSetting`](crate::ErrorKind::InvalidSetting).
    pub fn check_election(election: &str) -> Result<()> {
        const RESERVED: [&str; 3] = [".wish", ".runs", ".terms"];
        if RESERVED.iter().any(|end| is_end(election, end)) {
            return Err(Error::setting(
                "the election name must not end in .wish, .runs or .terms: records beside an election's are named so",
            ));
        }
        Ok(())
    }
}

/// Where the file system ignores case, so must this.
fn is_end(election: &str, end: &str) -> bool {
    election
        .len()
        .checked_sub(end.len())
        .and_then(|from| election.get(from..))
        .is_some_and(|last| last.eq_ignore_ascii_case(end))
}

impl fmt::Display for SideName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_election_that_is_named_as_a_side_record_is_refused_and_no_other() {
        for name in ["nightly.wish", "a.b.runs", "a.Terms", ".wish", "größe.wish"] {
            let error = SideName::check_election(name).expect_err("another election's side record");
            assert_eq!(error.kind(), crate::ErrorKind::InvalidSetting, "{name}");
            assert!(error.to_string().contains("election name"), "{error}");
        }
        for name in
            ["", "wish", "nightly", "nightly.wishes", "nightly.eu", "nightly-wish", "wish.nightly", "ü", "€wish"]
        {
            SideName::check_election(name).expect("an election's own");
        }
    }
}
