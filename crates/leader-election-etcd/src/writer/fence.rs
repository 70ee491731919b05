//! The value of the fence's key.

use leader_election::{Error, ErrorKind, FencingToken, Result, Sources};
use uuid::Uuid;

/// How many writes the fence remembers. One whose answer was lost is found as long as no more than these came after.
const REMEMBERED: usize = 8;

/// What the fence says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fence {
    pub(super) token: FencingToken,
    /// The marks of the latest writes, the last one first.
    marks: Vec<Uuid>,
}

/// A mark that no other write has.
pub(super) fn new_mark() -> Uuid {
    Sources::system().uuid()
}

impl Fence {
    pub(super) fn after(before: Option<&Self>, token: FencingToken, mark: Uuid) -> Self {
        let earlier = before.map(|fence| fence.marks.as_slice()).unwrap_or_default();
        let marks = std::iter::once(mark).chain(earlier.iter().copied()).take(REMEMBERED).collect();
        Self { token, marks }
    }

    pub(super) fn wrote(&self, mark: Uuid) -> bool {
        self.marks.contains(&mark)
    }

    /// Whether there were more writes than are remembered.
    pub(super) fn may_have_forgotten_writes(&self) -> bool {
        self.marks.len() >= REMEMBERED
    }

    /// `TOKEN-MARK,MARK,…`. The token is padded, as etcd compares values as bytes: so a transaction of another program can ask whether the
    /// fence is below a token of its own.
    pub(super) fn value(&self) -> Vec<u8> {
        let marks: Vec<_> = self.marks.iter().map(|mark| mark.simple().to_string()).collect();
        format!("{:020}-{}", self.token.get(), marks.join(",")).into_bytes()
    }

    /// What a value says. It is untrusted: whatever is not as it must be is an error, and never a low token.
    pub(super) fn read(value: &[u8], key: &str) -> Result<Self> {
        let corrupt = |what: &str| {
            Error::new(
                ErrorKind::CorruptRecord,
                format!("the fence {key} in etcd {what}; nothing was changed: something else writes to that key"),
            )
        };
        let text = std::str::from_utf8(value).map_err(|_| corrupt("is no text"))?;
        let (token, marks) = text.split_once('-').ok_or_else(|| corrupt("has no mark of a write"))?;
        if token.len() != 20 || !token.bytes().all(|b| b.is_ascii_digit()) {
            return Err(corrupt("has no token of 20 digits"));
        }
        let token = token.parse().ok().and_then(|token| FencingToken::new(token).ok());
        let token = token.ok_or_else(|| corrupt("has a token out of range"))?;
        let marks = marks.split(',').take(REMEMBERED).map(|mark| Uuid::try_parse(mark).ok());
        let marks = marks.collect::<Option<_>>().ok_or_else(|| corrupt("has a mark that is none"))?;
        Ok(Self { token, marks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(number: u64) -> FencingToken {
        FencingToken::new(number).expect("in range")
    }

    #[test]
    fn what_was_written_is_read_and_the_latest_writes_are_remembered() {
        let marks: Vec<_> = (0..20).map(Uuid::from_u128).collect();
        let mut fence = Fence::after(None, token(7), marks[0]);
        assert!(!fence.may_have_forgotten_writes());
        for mark in &marks[1..] {
            fence = Fence::after(Some(&fence), token(7), *mark);
            assert_eq!(Fence::read(&fence.value(), "k").expect("its own value"), fence);
        }
        assert!(marks[12..].iter().all(|mark| fence.wrote(*mark)) && fence.may_have_forgotten_writes());
        assert!(!marks[..12].iter().any(|mark| fence.wrote(*mark)));
    }

    #[test]
    fn values_rise_as_bytes_as_tokens_do_as_numbers() {
        let values =
            [1, 2, 9, 10, 11, FencingToken::MAX].map(|number| Fence::after(None, token(number), new_mark()).value());
        assert!(values.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_value_that_is_no_fence_is_an_error_and_never_a_low_token() {
        let mark = Uuid::from_u128(7).simple().to_string();
        for value in [
            String::new(),
            "7".to_owned(),
            format!("{:020}", 7),
            format!("7-{mark}"),
            format!("{:020}-{mark}", 0),
            format!("{:020}-{mark}", FencingToken::MAX + 1),
            format!("+{:019}-{mark}", 7),
            format!("{:020}-", 7),
            format!("{:020}-x", 7),
            format!("{:020}-{mark},", 7),
        ] {
            let error = Fence::read(value.as_bytes(), "billing/leader-fence").expect_err(&value);
            assert_eq!(error.kind(), ErrorKind::CorruptRecord, "{value}");
            assert!(error.to_string().contains("billing/leader-fence"));
        }
        assert!(Fence::read(&[0xff; 40], "k").is_err());
    }
}
