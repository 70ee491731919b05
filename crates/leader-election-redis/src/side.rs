//! A record beside an election's: a key of its own, so no write to it looks like the leader's sign of life.

use std::sync::Arc;

use leader_election::{Error, ErrorKind, Result, SideContent, SideRecord, Sources, Version, Written, async_trait};
use redis::Pipeline;
use serde_json::{Value as Json, json};

use crate::errors;
use crate::line::Line;
use crate::wire::{CREATE, READ, READ_BYTES, REPLACE, Read, WRITE_BYTES, Wrote};

/// The most bytes of its text: each of the content's may be written as six.
const LONGEST: usize = 6 * SideContent::MAX + 256;

pub(crate) struct Side {
    line: Arc<Line>,
    key: String,
}

impl Side {
    pub(crate) fn new(line: Arc<Line>, key: String) -> Self {
        Self { line, key }
    }

    async fn write(&self, script: &str, content: &str, seen: Option<&Version>) -> Result<Written> {
        const WRITING: &str = "writing a side record on";
        SideContent::check(content)?;
        let mut request = Pipeline::new();
        // Of no election's list, and of no server's age: it is no lease.
        request.cmd("EVAL").arg(script).arg(1).arg(&self.key).arg(to_text(content)).arg("").arg(0);
        if let Some(seen) = seen {
            request.arg(seen.as_str()).arg(0);
        }
        let answers = self.line.ask(WRITING, &request, WRITE_BYTES).await?;
        let wrote = answers.first().and_then(|answer| Wrote::of(answer, 0, &"a side record"));
        Ok(wrote.ok_or_else(|| errors::unexpected(WRITING, &self.line.server))??.written)
    }

    fn corrupt(&self, what: &str) -> Error {
        let at = format!("the key {} on {}", self.key, self.line.server);
        let message =
            format!("{at} {what}; something else writes to it. Nothing was changed: restore it, or delete it");
        Error::new(ErrorKind::CorruptRecord, message)
    }
}

#[async_trait]
impl SideRecord for Side {
    async fn read(&self) -> Result<Option<SideContent>> {
        const READING: &str = "reading a side record on";
        let mut request = Pipeline::new();
        request.cmd("EVAL").arg(READ).arg(1).arg(&self.key).arg(LONGEST);
        let answers = self.line.ask(READING, &request, READ_BYTES).await?;
        let read = answers.first().and_then(Read::of);
        match read.ok_or_else(|| errors::unexpected(READING, &self.line.server))? {
            Read::Absent => Ok(None),
            Read::TooLong => Err(self.corrupt("is longer than a side record can be")),
            Read::Found { text, version, .. } => {
                let content = from_text(&text).map_err(|what| self.corrupt(what))?;
                Ok(Some(SideContent::new(version, content)))
            }
        }
    }

    async fn create(&self, content: &str) -> Result<Written> {
        self.write(CREATE, content, None).await
    }

    async fn replace(&self, seen: &Version, content: &str) -> Result<Written> {
        self.write(REPLACE, content, Some(seen)).await
    }
}

/// With a number that no other write has: so that the same content, written again, has another version.
fn to_text(content: &str) -> String {
    let write = Sources::system().uuid().simple().to_string();
    json!({"schemaVersion": 1, "write": write, "text": content}).to_string()
}

/// Reads what anybody may have written; else what is wrong with it.
fn from_text(text: &[u8]) -> std::result::Result<String, &'static str> {
    let object: Json = serde_json::from_slice(text).map_err(|_| "is no JSON")?;
    match object.get("schemaVersion").and_then(Json::as_u64) {
        Some(1) => {}
        Some(newer) if newer > 1 => return Err("has a schemaVersion that is newer than this program knows"),
        _ => return Err("has a schemaVersion that is none that there ever was"),
    }
    let content = object.get("text").and_then(Json::as_str).ok_or("has no text")?;
    if content.len() > SideContent::MAX { Err("has a text of more than 8,192 bytes") } else { Ok(content.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_has_its_place_in_a_record() {
        for content in ["", "2026-11-28", "größer \u{1F600}", &"\u{0}".repeat(SideContent::MAX)] {
            let text = to_text(content);
            assert!(text.len() <= LONGEST, "{}", text.len());
            assert_eq!(from_text(text.as_bytes()).expect("its own"), content);
        }
        assert_ne!(to_text("a"), to_text("a"));
    }

    #[test]
    fn what_is_no_side_record_is_refused() {
        let long = json!({"schemaVersion": 1, "text": "x".repeat(SideContent::MAX + 1)}).to_string();
        for text in [
            "",
            "[]",
            "{}",
            r#"{"schemaVersion":2,"text":""}"#,
            r#"{"schemaVersion":1}"#,
            r#"{"schemaVersion":1,"text":7}"#,
            &long,
        ] {
            assert!(from_text(text.as_bytes()).is_err(), "{text:.60}");
        }
    }
}
