//! A side record: the state of a session beside the election's.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::service_bus::address::Address;
use crate::service_bus::connection::Way;
use crate::service_bus::writer::visit::{After, Visits};
use leader_election::kit::patience;
use leader_election::{Error, ErrorKind, Result, SideContent, SideRecord, Sources, Version, Written};

pub(super) struct SideSession {
    visits: Visits,
}

impl SideSession {
    pub(super) fn new(way: Arc<Way>, address: Address) -> Self {
        Self { visits: Visits::new(way, address, patience::OF_A_LOOK) }
    }

    fn read_state(&self, state: Option<&[u8]>) -> Result<Option<SideContent>> {
        let Some(state) = state else { return Ok(None) };
        let corrupt = || {
            let text = format!(
                "the state of {} is no side record; something else writes to it. Nothing was changed",
                self.visits.address()
            );
            Error::new(ErrorKind::CorruptRecord, text)
        };
        // Each character may be written by six bytes.
        if state.len() > 8 * SideContent::MAX {
            return Err(corrupt());
        }
        let record: Value = serde_json::from_slice(state).map_err(|_| corrupt())?;
        let field = |name: &str| record.get(name).and_then(Value::as_str);
        match (field("write"), field("text")) {
            (Some(write), Some(text)) if text.len() <= SideContent::MAX && !write.is_empty() => {
                Ok(Some(SideContent::new(Version::new(write)?, text)))
            }
            _ => Err(corrupt()),
        }
    }

    async fn write(&self, expected: Option<&Version>, content: &str) -> Result<Written> {
        SideContent::check(content)?;
        let write = Sources::system().uuid().simple().to_string();
        let state = json!({ "schemaVersion": 1, "write": write, "text": content }).to_string();
        let done = Written::Done(Version::new(&write)?);
        self.visits
            .visit("writing", |before| {
                let seen = self.read_state(before)?.map(|seen| seen.version);
                match seen.as_ref() == expected {
                    true => Ok(After::Write(state.into_bytes(), done)),
                    false => Ok(After::Leave(Written::Conflict)),
                }
            })
            .await
    }
}

impl fmt::Debug for SideSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SideSession").field(&self.visits.address().to_string()).finish()
    }
}

#[async_trait]
impl SideRecord for SideSession {
    async fn read(&self) -> Result<Option<SideContent>> {
        self.visits.visit("reading", |state| self.read_state(state).map(After::Leave)).await
    }

    async fn create(&self, content: &str) -> Result<Written> {
        self.write(None, content).await
    }

    async fn replace(&self, seen: &Version, content: &str) -> Result<Written> {
        self.write(Some(seen), content).await
    }
}
