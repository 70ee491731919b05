//! The value of the tag by which a blob tells newer writes from older ones.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use leader_election::{Error, ErrorKind, FencingToken, Result};

/// The tag's name.
pub(super) const TAG: &str = "fence";

/// A write of a leadership: its fencing token, and the number of the write. The service compares tags as texts, so both
/// are padded; the number makes a leader's own late duplicate older than what the leader wrote after it.
///
/// A mark without a number, as other programs may write it, is the leadership's first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub(super) token: FencingToken,
    pub(super) write: u64,
}

impl Mark {
    /// The mark of a write that begins now. A leadership belongs to one process, so its writes are counted there.
    pub(super) fn next(token: FencingToken) -> Self {
        static WRITES: AtomicU64 = AtomicU64::new(1);
        Self { token, write: WRITES.fetch_add(1, Ordering::Relaxed) }
    }

    /// The tag as the header of a write has it.
    pub(super) fn tag(self) -> String {
        format!("{TAG}={self}")
    }

    /// Holds for a blob that was last written before this write began, by this leadership or an older one.
    pub(super) fn follows(self) -> String {
        format!("\"{TAG}\" < '{self}'")
    }

    /// Holds for a blob that has this very mark.
    pub(super) fn stands(self) -> String {
        format!("\"{TAG}\" = '{self}'")
    }
}

/// Holds for a blob that was last written by this leadership or an older one.
pub(super) fn at_most(token: FencingToken) -> String {
    format!("\"{TAG}\" < '{:020}'", token.get() + 1)
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}-{:012}", self.token, self.write)
    }
}

impl FromStr for Mark {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (token, write) = text.split_once('-').unwrap_or((text, "000000000000"));
        let digits = |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
        let token = if digits(token, 20) { token.parse().ok() } else { None };
        let write = if digits(write, 12) { write.parse().ok() } else { None };
        match (token.map(FencingToken::new), write) {
            (Some(token), Some(write)) => Ok(Self { token: token?, write }),
            _ => Err(Error::new(
                ErrorKind::CorruptRecord,
                format!("the tag {TAG:?} is no fencing token of 20 digits; nothing was changed"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(token: u64, write: u64) -> Mark {
        Mark { token: FencingToken::new(token).expect("in range"), write }
    }

    #[test]
    fn marks_rise_as_texts_as_they_do_as_numbers() {
        let rising = [mark(1, 1), mark(1, 2), mark(9, 1), mark(10, 1), mark(10, 10), mark(FencingToken::MAX, 0)];
        for pair in rising.windows(2) {
            assert!(pair[0] < pair[1] && pair[0].to_string() < pair[1].to_string(), "{pair:?}");
            assert_eq!(pair[0].to_string().parse::<Mark>().expect("its own text"), pair[0]);
        }
        let plain = format!("{:020}", 10);
        assert!(mark(9, u32::MAX.into()).to_string() < plain && plain < mark(10, 0).to_string());
        assert_eq!(plain.parse::<Mark>().expect("a token alone"), mark(10, 0));
    }

    #[test]
    fn every_write_of_a_leadership_and_of_older_ones_is_at_most_its_token() {
        let token = FencingToken::new(FencingToken::MAX).expect("the highest");
        let bound = at_most(token);
        let value = bound.split('\'').nth(1).expect("quoted");
        assert!(*mark(FencingToken::MAX, 999_999_999_999).to_string() < *value);
    }

    #[test]
    fn a_tag_that_is_no_mark_is_an_error_and_never_a_low_mark() {
        for text in [
            "",
            "7",
            "00000000000000000000",
            "00009007199254740992",
            "0000000000000000000x",
            "00000000000000000007-1",
            "00000000000000000007-0000000000001",
            "+0000000000000000007",
            "00000000000000000007-000000000001-1",
        ] {
            assert_eq!(text.parse::<Mark>().expect_err(text).kind(), ErrorKind::CorruptRecord);
        }
    }
}
