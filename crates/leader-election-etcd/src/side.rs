//! A record beside the leader record: a key of its own.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use leader_election::{Error, ErrorKind, Result, SideContent, SideRecord, Sources, Version, Written};
use serde_json::{Value, json};

use crate::connection::{Connection, Patience};
use crate::record::version;
use crate::requests::{self, MOST};
use crate::wire::{Change, Compare, Outcome};

pub(crate) struct SideKey {
    connection: Arc<Connection>,
    key: String,
    /// The value as it was last seen, with its version: etcd compares values, and a version is too short to hold one.
    seen: Mutex<Option<(Version, Vec<u8>)>>,
}

impl SideKey {
    pub(crate) fn new(connection: Arc<Connection>, key: String) -> Self {
        Self { connection, key, seen: Mutex::default() }
    }

    async fn look(&self) -> Result<Option<(Version, Vec<u8>)>> {
        let seen = requests::read(&self.connection, &self.key, MOST, Patience::OF_A_LOOK).await?;
        seen.value.map(|value| Ok((version(&value)?, value))).transpose()
    }

    fn remember(&self, seen: Option<(Version, Vec<u8>)>) {
        // No code that could panic runs under the lock.
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }

    /// The value of that version: as it is remembered, or as it stands there.
    async fn value_of(&self, wanted: &Version) -> Result<Option<Vec<u8>>> {
        let remembered = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let seen = match remembered {
            Some(seen) if seen.0 == *wanted => Some(seen),
            _ => self.look().await?,
        };
        Ok(seen.filter(|(version, _)| version == wanted).map(|(_, value)| value))
    }

    async fn write(&self, compare: Compare<'_>, content: &str) -> Result<Written> {
        let value = encode(&Sources::system().uuid().simple().to_string(), content);
        let changes = [Change::Put(self.key.clone().into_bytes(), value.clone())];
        let stands = match requests::change(&self.connection, compare, &changes, MOST, Patience::OF_A_LOOK).await? {
            Outcome::Changed { .. } => true,
            // No other write has this number: it was sent twice.
            Outcome::Stands { value: stands, .. } => stands.as_ref() == Some(&value),
        };
        if !stands {
            return Ok(Written::Conflict);
        }
        let version = version(&value)?;
        self.remember(Some((version.clone(), value)));
        Ok(Written::Done(version))
    }
}

#[async_trait]
impl SideRecord for SideKey {
    async fn read(&self) -> Result<Option<SideContent>> {
        let seen = self.look().await?;
        self.remember(seen.clone());
        seen.map(|(version, value)| Ok(SideContent::new(version, decode(&value, &self.key)?))).transpose()
    }

    async fn create(&self, content: &str) -> Result<Written> {
        SideContent::check(content)?;
        self.write(Compare::Absent(self.key.as_bytes()), content).await
    }

    async fn replace(&self, seen: &Version, content: &str) -> Result<Written> {
        SideContent::check(content)?;
        let Some(before) = self.value_of(seen).await? else { return Ok(Written::Conflict) };
        self.write(Compare::Value(self.key.as_bytes(), &before), content).await
    }
}

fn encode(number: &str, text: &str) -> Vec<u8> {
    json!({"schemaVersion": 1, "write": number, "text": text}).to_string().into_bytes()
}

/// Reads a value that anybody may have written.
fn decode(value: &[u8], key: &str) -> Result<String> {
    let corrupt = |what: &str| {
        let message = format!(
            "in the key {key} in etcd, {what}; something else writes to it. Nothing was changed: restore it, or delete it"
        );
        Error::new(ErrorKind::CorruptRecord, message)
    };
    let record: Value = serde_json::from_slice(value).map_err(|_| corrupt("there is no JSON"))?;
    match record.get("schemaVersion").and_then(Value::as_u64) {
        Some(1) => {}
        Some(newer) if newer > 1 => return Err(corrupt("schemaVersion is newer than this program knows")),
        _ => return Err(corrupt("schemaVersion is none that there ever was")),
    }
    let text = record.get("text").and_then(Value::as_str).ok_or_else(|| corrupt("text is no string"))?;
    if text.len() > SideContent::MAX {
        return Err(corrupt("text is longer than 8,192 bytes"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_all_else_is_an_error_that_names_it() {
        let longest = "\u{0}".repeat(SideContent::MAX);
        for text in ["", "2026-11-27T02:00:00Z", "gr\u{f6}\u{df}er", &longest] {
            assert_eq!(decode(&encode("7", text), "k:wish").expect("readable"), text);
        }
        let record = |text: &str| text.as_bytes().to_vec();
        for (value, named) in [
            (record(""), "JSON"),
            (vec![0xff], "JSON"),
            (record("[]"), "schemaVersion"),
            (record(r#"{"schemaVersion": 2, "text": ""}"#), "newer"),
            (record(r#"{"schemaVersion": 1}"#), "text"),
            (record(r#"{"schemaVersion": 1, "text": 7}"#), "text"),
            (encode("7", &"x".repeat(SideContent::MAX + 1)), "8,192"),
        ] {
            let error = decode(&value, "k:wish").expect_err("must be refused");
            assert_eq!(error.kind(), ErrorKind::CorruptRecord);
            assert!(error.to_string().contains(named) && error.to_string().contains("k:wish"), "{error}");
        }
    }
}
