//! The fence, and the numbers of writes.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use leader_election::{Error, ErrorKind, FencingToken, Result, Sources};

/// So many writes the fence remembers.
pub(super) const REMEMBERED: usize = 8;

/// The hash tag of the keys that one fence guards.
#[derive(Debug, Clone)]
pub(super) struct Tag(String);

impl Tag {
    pub(super) fn new(tag: &str) -> Result<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'/');
        if !(1..=128).contains(&tag.len()) || !tag.bytes().all(allowed) {
            return Err(Error::setting(
                "the tag of fenced keys must be 1 to 128 of the ASCII letters, digits, `.`, `-`, `_`, `:` and `/`, without braces",
            ));
        }
        Ok(Self(format!("{{{tag}}}")))
    }

    pub(super) fn fence(&self) -> String {
        format!("{self}:leader-fence")
    }

    /// Whether Redis takes this for the key's tag, which is the first one, and it is not the fence itself.
    pub(super) fn is_of(&self, key: &str) -> bool {
        let tagged = key.find('{').is_some_and(|at| key[at..].starts_with(&self.0));
        tagged && key.len() <= 1_024 && key != self.fence()
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One write: the leadership's token, a number that rises with every write of the process, and who wrote. The last tells two processes apart that
/// have one token, such as a leader's children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) token: FencingToken,
    pub(super) number: u64,
    writer: String,
}

impl Mark {
    /// The mark of a write that begins now, with a number above this one.
    pub(super) fn next(token: FencingToken, above: u64) -> Result<Self> {
        static WRITES: AtomicU64 = AtomicU64::new(1);
        static WRITER: OnceLock<String> = OnceLock::new();
        WRITES.fetch_max(above.saturating_add(1), Ordering::Relaxed);
        let number = WRITES.fetch_add(1, Ordering::Relaxed);
        if number > FencingToken::MAX {
            return Err(Error::new(
                ErrorKind::CorruptRecord,
                "the fence has the number of a write after which there is none",
            ));
        }
        let writer = WRITER.get_or_init(|| Sources::system().uuid().simple().to_string()).clone();
        Ok(Self { token, number, writer })
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '-');
        let number = |part: Option<&str>| {
            let part = part.filter(|part| (1..=16).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()));
            part?.parse::<u64>().ok().filter(|number| *number <= FencingToken::MAX)
        };
        let token = FencingToken::new(number(parts.next())?).ok()?;
        let number = number(parts.next())?;
        // Behind an exclamation mark stands which command ended it early.
        let writer = parts.next()?.split('!').next()?;
        let writer =
            Some(writer).filter(|writer| writer.len() == 32 && writer.bytes().all(|b| b.is_ascii_hexdigit()))?;
        Some(Self { token, number, writer: writer.to_owned() })
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.token, self.number, self.writer)
    }
}

/// What stands in the fence: the latest writes, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fence {
    newest: Mark,
    older: Vec<Mark>,
}

impl Fence {
    /// `None` of what is no fence; it is never a low one.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let mut marks = std::str::from_utf8(text).ok()?.split(' ').map(Mark::read);
        let newest = marks.next()??;
        let older = marks.take(REMEMBERED).collect::<Option<Vec<_>>>()?;
        (older.len() < REMEMBERED).then_some(Self { newest, older })
    }

    pub(super) fn token(&self) -> FencingToken {
        self.newest.token
    }

    pub(super) fn number(&self) -> u64 {
        self.newest.number
    }

    pub(super) fn is_full(&self) -> bool {
        self.older.len() + 1 == REMEMBERED
    }

    pub(super) fn marks(&self) -> impl Iterator<Item = &Mark> {
        std::iter::once(&self.newest).chain(&self.older)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written_and_numbers_rise_above_what_was_seen() {
        let token = FencingToken::new(7).expect("in range");
        let first = Mark::next(token, 0).expect("there is one");
        let later = Mark::next(token, first.number + 50).expect("there is one");
        assert!(later.number > first.number + 50);
        assert_eq!(Mark::read(&later.to_string()), Some(later.clone()));
        let fence = Fence::read(format!("{later} {first}").as_bytes()).expect("a fence");
        assert_eq!((fence.token(), fence.number(), fence.is_full()), (token, later.number, false));
    }

    #[test]
    fn what_is_no_fence_is_none() {
        let writer = "0".repeat(32);
        let nine = vec![format!("7-1-{writer}"); 9].join(" ");
        for text in [
            String::new(),
            "7".to_owned(),
            "7-1".to_owned(),
            "7-1-".to_owned(),
            format!("0-1-{writer}"),
            format!("-1-1-{writer}"),
            format!("9007199254740992-1-{writer}"),
            format!("00000000000000007-1-{writer}"),
            format!("7-9007199254740992-{writer}"),
            format!("7-1-{writer} "),
            format!("7-1-{writer} x"),
            nine,
        ] {
            assert_eq!(Fence::read(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Fence::read(&[0xff]), None);
    }

    #[test]
    fn a_key_of_another_hash_slot_is_not_of_the_tag() {
        let tag = Tag::new("billing").expect("valid");
        for key in ["{billing}:total", "a{billing}", "{billing}{other}"] {
            assert!(tag.is_of(key), "{key}");
        }
        for key in ["billing", "{other}{billing}", "{}{billing}", "{billing}:leader-fence", "{billing", ""] {
            assert!(!tag.is_of(key), "{key}");
        }
        for tag in ["", "a}", "{a", "a b", "ü"] {
            assert!(Tag::new(tag).is_err(), "{tag}");
        }
    }
}
