//! The records beside a lease in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::error::Result;
use crate::port::{SideContent, SideName, SideRecord, Version, Written};

/// All of one election.
pub(super) type SideRecords = Arc<Mutex<BTreeMap<SideName, Side>>>;

#[derive(Debug)]
pub(super) struct Side {
    writes: u64,
    text: String,
}

pub(super) struct MemorySide {
    pub(super) records: SideRecords,
    pub(super) name: SideName,
}

impl MemorySide {
    fn records(&self) -> MutexGuard<'_, BTreeMap<SideName, Side>> {
        // No code that could panic runs under the lock.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes it if it is as it was seen: of that version, or absent.
    fn put(&self, seen: Option<&Version>, text: &str) -> Result<Written> {
        SideContent::check(text)?;
        let mut records = self.records();
        let writes = records.get(&self.name).map(|side| side.writes);
        if writes.map(version).transpose()?.as_ref() != seen {
            return Ok(Written::Conflict);
        }
        let writes = writes.unwrap_or_default() + 1;
        records.insert(self.name, Side { writes, text: text.to_owned() });
        Ok(Written::Done(version(writes)?))
    }
}

#[async_trait]
impl SideRecord for MemorySide {
    async fn read(&self) -> Result<Option<SideContent>> {
        let records = self.records();
        let read = |side: &Side| Ok(SideContent::new(version(side.writes)?, side.text.clone()));
        records.get(&self.name).map(read).transpose()
    }

    async fn create(&self, content: &str) -> Result<Written> {
        self.put(None, content)
    }

    async fn replace(&self, seen: &Version, content: &str) -> Result<Written> {
        self.put(Some(seen), content)
    }
}

fn version(writes: u64) -> Result<Version> {
    Version::new(writes.to_string())
}
