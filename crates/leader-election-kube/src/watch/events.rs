//! The events of a watch: one JSON object a line.

use leader_election::kit::redact::printable;
use leader_election::{Error, ErrorKind, Result};
use serde_json::Value;

/// The most bytes that a line may have: an object, in JSON.
const MOST: usize = 4 * 1024 * 1024;

/// Cuts a body into lines as it comes.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<()> {
        if chunk.len() > MOST - self.begun.len() {
            return Err(Error::new(ErrorKind::Refused, "an event of the watch is longer than 4 MiB"));
        }
        self.begun.extend_from_slice(chunk);
        Ok(())
    }

    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        let end = self.begun.iter().position(|byte| *byte == b'\n')?;
        let rest = self.begun.split_off(end + 1);
        Some(std::mem::replace(&mut self.begun, rest))
    }
}

/// What an event tells a candidate.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Somebody holds the Lease: a renewal most of all. It does not end the wait, or each standby would poll at each renewal.
    Held(String),
    Free(String),
    Gone,
    /// It tells a version only.
    Bookmark(String),
    /// The version that the watch began from is no longer known.
    TooOld,
}

impl Event {
    pub(super) fn of(line: &[u8]) -> Result<Self> {
        let wrong = || Error::new(ErrorKind::Unavailable, "the watch told of something that is no event");
        let event: Value = serde_json::from_slice(line).map_err(|_| wrong())?;
        let object = event.get("object").ok_or_else(wrong)?;
        let version = || {
            let version = object.pointer("/metadata/resourceVersion").and_then(Value::as_str);
            version.filter(|version| version.len() <= 1_024).map(str::to_owned).ok_or_else(wrong)
        };
        match event.get("type").and_then(Value::as_str) {
            Some("BOOKMARK") => Ok(Self::Bookmark(version()?)),
            Some("DELETED") => Ok(Self::Gone),
            Some("ERROR") if object.get("code").and_then(Value::as_u64) == Some(410) => Ok(Self::TooOld),
            Some("ERROR") => {
                let words = printable(object.get("message").and_then(Value::as_str).unwrap_or_default());
                Err(Error::new(ErrorKind::Unavailable, format!("the watch ended: {words}")))
            }
            Some("ADDED" | "MODIFIED") => {
                let holder = object.pointer("/spec/holderIdentity").and_then(Value::as_str).unwrap_or_default();
                Ok(if holder.is_empty() { Self::Free(version()?) } else { Self::Held(version()?) })
            }
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_wherever_the_chunks_end_and_have_a_bound() {
        let mut lines = Lines::default();
        for chunk in ["{\"a\"", ":1}\n{", "}\n"] {
            lines.push(chunk.as_bytes()).expect("short");
        }
        assert_eq!(lines.next().as_deref(), Some(b"{\"a\":1}\n".as_slice()));
        assert_eq!(lines.next().as_deref(), Some(b"{}\n".as_slice()));
        assert_eq!(lines.next(), None);
        lines.push(&vec![b' '; MOST]).expect("just so");
        assert!(lines.push(b" ").is_err());
    }

    #[test]
    fn an_event_is_a_hint_and_what_is_none_ends_the_watch() {
        let of = |text: &str| Event::of(text.as_bytes());
        let held = r#"{"type":"MODIFIED","object":{"metadata":{"resourceVersion":"7"},"spec":{"holderIdentity":"a"}}}"#;
        assert_eq!(of(held).expect("an event"), Event::Held("7".into()));
        let free = held.replace("\"a\"", "\"\"");
        assert_eq!(of(&free).expect("an event"), Event::Free("7".into()));
        let bookmark = r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}}"#;
        assert_eq!(of(bookmark).expect("an event"), Event::Bookmark("9".into()));
        assert_eq!(of(&held.replace("MODIFIED", "DELETED")).expect("an event"), Event::Gone);
        let old = r#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}"#;
        assert_eq!(of(old).expect("an event"), Event::TooOld);
        for text in [
            "",
            "[]",
            "{}",
            r#"{"type":"NEW","object":{}}"#,
            r#"{"type":"ADDED","object":{}}"#,
            &old.replace("410", "500"),
        ] {
            assert!(of(text).is_err(), "{text}");
        }
    }
}
