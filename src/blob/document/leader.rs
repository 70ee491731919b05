//! The leader document as a document store: read, create, replace.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::blob::lease::side::beside;
use crate::blob::place::Place;
use crate::blob::small::{Condition, Kind, SmallBlob};
use leader_election::{
    FencingToken, Result, SideName, SideRecord, Written,
    document::json::{self, MAX_BYTES, Rest},
    document::{DocumentStore, Record, Stored},
    kit::record,
};

/// Of a leader document, and the number of the write that made it what it is.
const MARK: &str = "leaderdocument";

const KIND: Kind = Kind { mark: MARK, most: MAX_BYTES, content_type: "application/json" };

pub(super) struct LeaderBlob {
    blob: SmallBlob,
}

impl LeaderBlob {
    pub(super) fn new(place: Place) -> Self {
        Self { blob: SmallBlob::new(place, KIND) }
    }
}

impl fmt::Debug for LeaderBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LeaderBlob").field(&self.blob.place().address.to_string()).finish()
    }
}

#[async_trait]
impl DocumentStore for LeaderBlob {
    type Rest = Rest;

    async fn read(&self) -> Result<Option<Stored<Rest>>> {
        let Some(content) = self.blob.read().await? else { return Ok(None) };
        let (record, rest) = json::from_text(&content.bytes, &format!("the blob {}", self.blob.place().address))?;
        let server_ms = content.server_ms.filter(|ms| *ms < FencingToken::MAX);
        Ok(Some(Stored::new(content.version, record).with_server_ms(server_ms).with_rest(rest)))
    }

    async fn create(&self, record: &Record) -> Result<Written> {
        self.blob.write(Condition::Absent, &json::to_text(record, &Rest::new()), &record.write).await
    }

    async fn replace(&self, seen: &Stored<Rest>, record: &Record) -> Result<Written> {
        let text = json::to_text(record, &seen.rest);
        self.blob.write(Condition::Is(&seen.version), &text, &record.write).await
    }

    async fn elections(&self) -> Result<Vec<String>> {
        self.blob.place().elections(is_document).await
    }

    /// `None` where the name would be too long for a blob.
    fn side(&self, name: SideName) -> Option<Arc<dyn SideRecord>> {
        Some(Arc::new(beside(self.blob.place(), name).ok()?))
    }

    fn election(&self) -> &str {
        self.blob.place().address.blob_name()
    }

    fn check_lease(&self, lease: Duration) -> Result<()> {
        check_lease(lease)
    }
}

fn is_document(metadata: &HashMap<String, String>) -> bool {
    metadata.keys().any(|name| name.eq_ignore_ascii_case(MARK))
}

/// Any that a host can have, in the milliseconds that the document counts in.
pub(super) fn check_lease(lease: Duration) -> Result<()> {
    record::check_lease(lease, "in a blob's document")
}
