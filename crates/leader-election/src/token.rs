//! The number by which a resource tells a newer leader from an older one.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

/// A number that rises with every term of an election, for ever.
///
/// Hand it to whatever the leader writes to, and have that refuse a number lower than the highest it has seen: only
/// this protects against a leader that was paused in the middle of a write. Release, expiry and restarts never reset it. After
/// the store's record was deleted it goes on from the store's clock, in milliseconds, and so rises as long as that clock goes on. It is at least 1 and below 2<sup>53</sup>, so that JSON and
/// JavaScript carry it exactly.
///
/// It travels as decimal digits ([`Display`](fmt::Display) and [`FromStr`]; `{token:020}` pads it for a store that compares
/// texts), as a number in JSON (`serde`, with the feature of that name), as a `bigint` in SQL, and in the HTTP header
/// [`HEADER`](Self::HEADER). Whatever is out of range or malformed is refused, and never clamped.
///
/// ```
/// use leader_election::FencingToken;
///
/// let older = FencingToken::new(41)?;
/// let newer: FencingToken = "42".parse()?;
/// assert!(older < newer);
/// assert_eq!(newer.to_string(), "42");
/// assert!(FencingToken::new(1 << 53).is_err());
/// # Ok::<(), leader_election::Error>(())
/// ```
///
/// In SQL, one statement looks at the fence and writes; that it changed no row means that a newer leader has written:
///
/// ```sql
/// UPDATE billing_state SET done_until = $2, fence = $1 WHERE id = $3 AND fence <= $1
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FencingToken(NonZeroU64);

impl FencingToken {
    /// The highest token: 2<sup>53</sup> − 1.
    pub const MAX: u64 = (1 << 53) - 1;

    /// The name under which a token travels in an HTTP header, in decimal digits.
    ///
    /// ```
    /// use leader_election::FencingToken;
    ///
    /// # let token = FencingToken::new(42)?;
    /// let request = format!("POST /charges HTTP/1.1\r\n{}: {token}\r\n\r\n", FencingToken::HEADER);
    /// # assert!(request.contains("fencing-token: 42"));
    /// # Ok::<(), leader_election::Error>(())
    /// ```
    pub const HEADER: &str = "fencing-token";

    /// Makes a token of a number from 1 to [`MAX`](Self::MAX).
    ///
    /// # Errors
    /// [`InvalidFencingToken`] for any other number: a token out of range is never clamped.
    pub fn new(value: u64) -> Result<Self, InvalidFencingToken> {
        NonZeroU64::new(value)
            .filter(|value| value.get() <= Self::MAX)
            .map(Self)
            .ok_or(InvalidFencingToken { number: Some(value) })
    }

    /// The token that follows `stored` on a store whose clock shows `server_ms` milliseconds since 1970.
    ///
    /// The larger of `stored + 1` and the server's time: the first holds while the record lives, the second after it
    /// was deleted or rolled back.
    ///
    /// # Errors
    /// [`InvalidFencingToken`] when there is no higher token left.
    pub fn next(stored: Option<FencingToken>, server_ms: u64) -> Result<Self, InvalidFencingToken> {
        let counted = stored.map_or(1, |token| token.get() + 1);
        Self::new(counted.max(server_ms))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

/// What is no [`FencingToken`]: a number out of its range, or a text that is no such number.
///
/// By `?` it becomes an [`Error`](crate::Error) of the kind [`CorruptRecord`](crate::ErrorKind::CorruptRecord).
///
/// ```
/// use leader_election::FencingToken;
///
/// let refused = FencingToken::new(0).unwrap_err();
/// assert_eq!(refused.to_string(), "a fencing token must be between 1 and 2^53 - 1, not 0");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidFencingToken {
    /// `None`: it was no number.
    number: Option<u64>,
}

impl fmt::Display for InvalidFencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => write!(f, "a fencing token must be between 1 and 2^53 - 1, not {number}"),
            None => f.write_str("a fencing token must be 1 to 16 decimal digits"),
        }
    }
}

impl std::error::Error for InvalidFencingToken {}

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
    type Error = InvalidFencingToken;

    fn try_from(value: u64) -> Result<Self, InvalidFencingToken> {
        Self::new(value)
    }
}

/// Decimal digits only: no sign, no space.
impl FromStr for FencingToken {
    type Err = InvalidFencingToken;

    fn from_str(text: &str) -> Result<Self, InvalidFencingToken> {
        let digits = !text.is_empty() && text.len() <= 16 && text.bytes().all(|b| b.is_ascii_digit());
        let value = if digits { text.parse::<u64>().ok() } else { None };
        value.map_or_else(|| Err(InvalidFencingToken { number: None }), Self::new)
    }
}

impl serde::Serialize for FencingToken {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.get())
    }
}

impl<'de> serde::Deserialize<'de> for FencingToken {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = u64::deserialize(deserializer)?;
        Self::new(value).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MALFORMED: [&str; 12] =
        ["", "0", "-1", "+1", " 1", "1 ", "1.0", "1e3", "0x1", "9007199254740992", "00000000000000001", "١"];

    #[test]
    fn what_is_out_of_range_or_malformed_is_refused() {
        for text in MALFORMED {
            assert!(text.parse::<FencingToken>().is_err(), "{text:?}");
        }
        assert!(FencingToken::new(0).is_err() && FencingToken::new(1 << 53).is_err());
        let highest = FencingToken::new(FencingToken::MAX).expect("the highest");
        assert_eq!(highest.to_string().parse::<FencingToken>().expect("its own text"), highest);
        assert!(FencingToken::next(Some(highest), 0).is_err(), "there is none above it");
    }

    #[test]
    fn json_carries_it_exactly_and_brings_back_nothing_out_of_range() {
        let highest = FencingToken::new(FencingToken::MAX).expect("the highest");
        let json = serde_json::to_string(&highest).expect("a number");
        assert_eq!(json, "9007199254740991");
        assert_eq!(serde_json::from_str::<FencingToken>(&json).expect("its own text"), highest);
        for json in ["0", "-1", "9007199254740992", "1.5", "1e400", "\"7\"", "null", "[]", "18446744073709551616"] {
            assert!(serde_json::from_str::<FencingToken>(json).is_err(), "{json}");
        }
    }
}
