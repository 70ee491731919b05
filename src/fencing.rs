//! The number by which a resource tells a newer leader from an older one.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};

/// A number that rises with every leadership of an election, for ever.
///
/// Hand it to whatever the leader writes to, and have that refuse a number lower than the highest it has seen: only
/// this protects against a leader that was paused in the middle of a write. Release, expiry, restarts and even the
/// deletion of the store's record never reset it. It is at least 1 and below 2<sup>53</sup>, so that JSON and
/// JavaScript carry it exactly.
///
/// ```
/// use azure_leader_election::FencingToken;
///
/// let older = FencingToken::new(41)?;
/// let newer: FencingToken = "42".parse()?;
/// assert!(older < newer);
/// assert_eq!(newer.to_string(), "42");
/// assert!(FencingToken::new(1 << 53).is_err());
/// # Ok::<(), azure_leader_election::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FencingToken(NonZeroU64);

impl FencingToken {
    /// The highest token: 2<sup>53</sup> − 1.
    pub const MAX: u64 = (1 << 53) - 1;

    /// Makes a token of a number from 1 to [`MAX`](Self::MAX).
    ///
    /// # Errors
    /// [`ErrorKind::CorruptRecord`] for any other number: a token out of range is never clamped.
    pub fn new(value: u64) -> Result<Self> {
        NonZeroU64::new(value).filter(|v| v.get() <= Self::MAX).map(Self).ok_or_else(|| {
            Error::new(ErrorKind::CorruptRecord, format!("a fencing token must be between 1 and 2^53 - 1, not {value}"))
        })
    }

    /// The token that follows `stored` on a store whose clock shows `server_ms` milliseconds since 1970.
    ///
    /// The larger of `stored + 1` and the server's time: the first holds while the record lives, the second after it
    /// was deleted or rolled back.
    ///
    /// # Errors
    /// [`ErrorKind::CorruptRecord`] when there is no higher token left.
    pub fn next(stored: Option<FencingToken>, server_ms: u64) -> Result<Self> {
        let counted = stored.map_or(1, |token| token.get() + 1);
        Self::new(counted.max(server_ms))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FencingToken({})", self.0)
    }
}

impl From<FencingToken> for u64 {
    fn from(token: FencingToken) -> u64 {
        token.get()
    }
}

impl TryFrom<u64> for FencingToken {
    type Error = Error;

    fn try_from(value: u64) -> Result<Self> {
        Self::new(value)
    }
}

/// Decimal digits only: no sign, no space.
impl FromStr for FencingToken {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digits = !text.is_empty() && text.len() <= 16 && text.bytes().all(|b| b.is_ascii_digit());
        let value = if digits { text.parse::<u64>().ok() } else { None };
        value.map_or_else(
            || Err(Error::new(ErrorKind::CorruptRecord, "a fencing token must be 1 to 16 decimal digits")),
            Self::new,
        )
    }
}
