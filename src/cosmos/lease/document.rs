//! The leader document as a document store: read, create, replace.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::http::Etag;
use azure_data_cosmos::CosmosError;
use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos::models::ItemResponse;
use azure_data_cosmos::options::{ItemWriteOptions, Precondition};
use serde_json::Value;

use super::wire::{self, Rest};
use crate::cosmos::connection::Connection;
use crate::cosmos::errors;
use leader_election::{
    Error, ErrorKind, Result, Timing, Version,
    document::{DocumentStore, Record, Stored, Written},
};
use leader_election_http::etag::strong;

pub(super) struct LeaderDocument {
    connection: Connection,
    /// The container's partition key was seen to be the right one.
    partitioned_by_id: AtomicBool,
}

impl LeaderDocument {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, partitioned_by_id: AtomicBool::new(false) }
    }

    /// Looks at the container before the first document is created: under another partition key it could not be written, or not
    /// be found again.
    async fn check_partition_key(&self, container: &ContainerClient) -> Result<()> {
        if self.partitioned_by_id.load(Ordering::Acquire) {
            return Ok(());
        }
        let properties = match container.read(None).await {
            Ok(response) => response.into_model().ok(),
            // Who may not see them may still write.
            Err(error) if errors::kind(u16::from(error.status().status_code())) == ErrorKind::Denied => None,
            Err(error) => return Err(self.connection.failed("reading the container of", &error).await),
        };
        self.connection.answered();
        let paths = properties.map(|properties| properties.partition_key.paths().join(", "));
        match paths.filter(|paths| paths != "/id") {
            Some(paths) => Err(errors::wrong_partition_key(self.connection.address(), Some(&paths))),
            None => {
                self.partitioned_by_id.store(true, Ordering::Release);
                Ok(())
            }
        }
    }

    fn id(&self) -> &str {
        &self.connection.address().election
    }

    fn version(&self, response: &ItemResponse) -> Result<Version> {
        let etag = response.headers().etag().map(ToString::to_string).unwrap_or_default();
        Version::new(strong(&etag))
    }

    async fn written(&self, outcome: std::result::Result<ItemResponse, CosmosError>, doing: &str) -> Result<Written> {
        match outcome {
            Ok(response) => {
                self.connection.answered();
                self.version(&response).map(Written::Done)
            }
            Err(error) if error.status().is_conflict() || error.status().is_precondition_failed() => {
                self.connection.answered();
                Ok(Written::Conflict)
            }
            Err(error) => Err(self.connection.failed(doing, &error).await),
        }
    }
}

impl fmt::Debug for LeaderDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LeaderDocument").field(&self.connection.address().to_string()).finish()
    }
}

#[async_trait]
impl DocumentStore for LeaderDocument {
    type Rest = Rest;

    async fn read(&self) -> Result<Option<Stored<Rest>>> {
        let container = self.connection.container().await?;
        let response = match container.read_item(self.id().to_owned(), self.id(), None).await {
            Ok(response) => response,
            // A missing container says the same; creating the document then tells them apart.
            Err(error) if error.status().is_not_found() => {
                self.connection.answered();
                return Ok(None);
            }
            Err(error) => return Err(self.connection.failed("reading", &error).await),
        };
        self.connection.answered();
        let version = self.version(&response)?;
        let document: Value = response.into_model().map_err(|_| {
            Error::new(
                ErrorKind::CorruptRecord,
                format!("{} is no JSON; nothing was changed", self.connection.address()),
            )
        })?;
        let mut stored = wire::read(version, document)?;
        let asked = self.connection.server_ms();
        stored.server_ms = Some(stored.server_ms.unwrap_or_default().max(asked));
        Ok(Some(stored))
    }

    async fn create(&self, record: &Record) -> Result<Written> {
        let container = self.connection.container().await?;
        self.check_partition_key(&container).await?;
        let document = wire::write(self.id(), record, &Rest::new());
        let outcome = container.create_item(self.id().to_owned(), self.id(), &document, None).await;
        self.written(outcome, "creating").await
    }

    async fn replace(&self, seen: &Stored<Rest>, record: &Record) -> Result<Written> {
        let container = self.connection.container().await?;
        let document = wire::write(self.id(), record, &seen.rest);
        let etag = Etag::from(seen.version.as_str().to_owned());
        let options = ItemWriteOptions::default().with_precondition(Precondition::if_match(etag));
        match container.replace_item(self.id().to_owned(), self.id(), &document, Some(options)).await {
            // Deleted meanwhile: reading it again tells what is there now.
            Err(error) if error.status().is_not_found() => Ok(Written::Conflict),
            outcome => self.written(outcome, "writing").await,
        }
    }

    /// Any that a host can have, in the milliseconds that the document counts in.
    fn check_lease(&self, lease: Duration) -> Result<()> {
        let countable = lease.subsec_nanos().is_multiple_of(1_000_000);
        if !(Timing::MIN_LEASE..=Timing::MAX_LEASE).contains(&lease) || !countable {
            return Err(Error::setting(format!(
                "lease must be 1 s to an hour, in whole milliseconds, on Cosmos DB, not {lease:?}"
            )));
        }
        Ok(())
    }
}
