//! The documents of one container: read, create, replace, list.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use azure_core::http::Etag;
use azure_core::http::headers::{HeaderName, HeaderValue};
use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos::feed::FeedScope;
use azure_data_cosmos::models::ItemResponse;
use azure_data_cosmos::options::{
    ItemReadOptions, ItemWriteOptions, MaxItemCountHint, OperationOptionsBuilder, Precondition, QueryOptions,
    ReadConsistencyStrategy,
};
use azure_data_cosmos::{CosmosError, Query};
use futures_core::Stream as _;
use serde_json::Value;

use super::address::Address;
use super::connection::Connection;
use super::errors;
use leader_election::{Error, ErrorKind, Result, Version, Written};
use leader_election_http::etag::strong;

/// All documents are partitions of their own.
pub(super) struct Documents {
    source: Source,
    /// The container's partition key was seen to be the right one.
    partitioned_by_id: AtomicBool,
}

/// Where the client comes from.
enum Source {
    Own(Connection),
    Callers(ContainerClient),
}

/// A document as it was read.
pub(super) struct Document {
    pub(super) version: Version,
    pub(super) content: Value,
}

/// The most ids that are listed.
const LISTED: usize = 5_000;
/// How long listing them may take, all its requests together.
const LISTING: Duration = Duration::from_secs(30);

impl Documents {
    /// By a client of our own.
    pub(super) fn own(connection: Connection) -> Self {
        Self { source: Source::Own(connection), partitioned_by_id: AtomicBool::new(false) }
    }

    /// By a client of the caller's, with its settings.
    pub(super) fn of_client(client: ContainerClient) -> Self {
        Self { source: Source::Callers(client), partitioned_by_id: AtomicBool::new(false) }
    }

    /// What the service's clock shows now at the least, in milliseconds since 1970; 0 where it did not tell.
    pub(super) fn server_ms(&self) -> u64 {
        match &self.source {
            Source::Own(connection) => connection.server_ms(),
            Source::Callers(_) => 0,
        }
    }

    /// The latest version that was committed; `None` when there is none.
    pub(super) async fn read(&self, at: &Address) -> Result<Option<Document>> {
        let container = self.container().await?;
        // Below it a read can show a version from before the latest write, whatever a client has been set to.
        let latest = OperationOptionsBuilder::new()
            .with_read_consistency_strategy(ReadConsistencyStrategy::LatestCommitted)
            .build();
        let options = ItemReadOptions::default().with_operation_options(latest);
        let response = match container.read_item(at.id.clone(), &at.id, Some(options)).await {
            Ok(response) => response,
            // A missing container says the same; creating the document then tells them apart.
            Err(error) if error.status().is_not_found() => {
                self.answered();
                return Ok(None);
            }
            Err(error) => return Err(self.failed("reading", at, &error).await),
        };
        self.answered();
        let version = version(&response)?;
        let content = response
            .into_model()
            .map_err(|_| Error::new(ErrorKind::CorruptRecord, format!("{at} is no JSON; nothing was changed")))?;
        Ok(Some(Document { version, content }))
    }

    /// Creates the document, unless there is one.
    pub(super) async fn create(&self, at: &Address, content: &Value) -> Result<Written> {
        let container = self.container().await?;
        self.check_partition_key(&container, at).await?;
        let outcome = container.create_item(at.id.clone(), &at.id, content, None).await;
        self.written("creating", at, outcome).await
    }

    /// Replaces the document if it still has the version that was seen.
    pub(super) async fn replace(&self, at: &Address, seen: &Version, content: &Value) -> Result<Written> {
        // To the service, `*` would be any version, and a list any of its own.
        if seen.as_str().contains(['*', ',']) {
            return Ok(Written::Conflict);
        }
        let container = self.container().await?;
        let etag = Etag::from(seen.as_str().to_owned());
        let options = ItemWriteOptions::default().with_precondition(Precondition::if_match(etag));
        match container.replace_item(at.id.clone(), &at.id, content, Some(options)).await {
            // Deleted meanwhile: reading it again tells what is there now.
            Err(error) if error.status().is_not_found() => {
                self.answered();
                Ok(Written::Conflict)
            }
            outcome => self.written("writing", at, outcome).await,
        }
    }

    /// The ids of the documents that have all these fields.
    pub(super) async fn ids_of_those_with(&self, fields: &[&str], at: &Address) -> Result<Vec<String>> {
        tokio::time::timeout(LISTING, self.list(fields, at)).await.unwrap_or_else(|_| {
            let message = format!("listing the elections in {} took over {LISTING:?}", at.place());
            Err(Error::new(ErrorKind::Timeout, message))
        })
    }

    async fn list(&self, fields: &[&str], at: &Address) -> Result<Vec<String>> {
        const LISTING: &str = "listing the elections beside";
        let defined: Vec<_> = fields.iter().map(|field| format!("IS_DEFINED(c.{field})")).collect();
        let query = Query::from(format!("SELECT c.id FROM c WHERE {}", defined.join(" AND ")));
        // A container for elections alone has no index; without this header a filter is refused there.
        let scan = (HeaderName::from_static("x-ms-documentdb-query-enable-scan"), HeaderValue::from_static("True"));
        let options = OperationOptionsBuilder::new().with_custom_headers([scan].into()).build();
        let options = QueryOptions::default()
            .with_operation_options(options)
            .with_max_item_count(MaxItemCountHint::ServerDecides);
        let container = self.container().await?;
        let mut found = match container.query_items::<Value>(query, FeedScope::full_container(), Some(options)).await {
            Ok(found) => Box::pin(found),
            Err(error) => return Err(self.failed(LISTING, at, &error).await),
        };
        let mut ids = Vec::new();
        while let Some(item) = std::future::poll_fn(|context| found.as_mut().poll_next(context)).await {
            let item = match item {
                Ok(item) => item,
                Err(error) => return Err(self.failed(LISTING, at, &error).await),
            };
            self.answered();
            ids.extend(item.get("id").and_then(Value::as_str).map(str::to_owned));
            if ids.len() > LISTED {
                let message = format!(
                    "{} holds more than 5,000 elections, and no more are listed: list them by a query of your own, such as \
                     SELECT c.id FROM c WHERE IS_DEFINED(c.fencingToken)",
                    at.place()
                );
                return Err(Error::new(ErrorKind::Refused, message));
            }
        }
        Ok(ids)
    }

    async fn container(&self) -> Result<ContainerClient> {
        match &self.source {
            Source::Own(connection) => connection.container().await,
            Source::Callers(client) => Ok(client.clone()),
        }
    }

    /// Looks at the container before the first document is created: under another partition key it could not be written, or not
    /// be found again.
    async fn check_partition_key(&self, container: &ContainerClient, at: &Address) -> Result<()> {
        if self.partitioned_by_id.load(Ordering::Acquire) {
            return Ok(());
        }
        let properties = match container.read(None).await {
            Ok(response) => response.into_model().ok(),
            // Who may not see them may still write.
            Err(error) if errors::kind(u16::from(error.status().status_code())) == ErrorKind::Denied => None,
            Err(error) => return Err(self.failed("reading the container of", at, &error).await),
        };
        self.answered();
        let paths = properties.map(|properties| properties.partition_key.paths().join(", "));
        match paths.filter(|paths| paths != "/id") {
            Some(paths) => Err(errors::wrong_partition_key(at, Some(&paths))),
            None => {
                self.partitioned_by_id.store(true, Ordering::Release);
                Ok(())
            }
        }
    }

    async fn written(
        &self,
        doing: &str,
        at: &Address,
        outcome: std::result::Result<ItemResponse, CosmosError>,
    ) -> Result<Written> {
        match outcome {
            Ok(response) => {
                self.answered();
                version(&response).map(Written::Done)
            }
            Err(error) if error.status().is_conflict() || error.status().is_precondition_failed() => {
                self.answered();
                Ok(Written::Conflict)
            }
            Err(error) => Err(self.failed(doing, at, &error).await),
        }
    }

    fn answered(&self) {
        if let Source::Own(connection) = &self.source {
            connection.answered();
        }
    }

    async fn failed(&self, doing: &str, at: &Address, error: &CosmosError) -> Error {
        let explained = errors::explain(doing, at, error);
        if let Source::Own(connection) = &self.source {
            connection.failed(&explained).await;
        }
        explained
    }
}

fn version(response: &ItemResponse) -> Result<Version> {
    let etag = response.headers().etag().map(ToString::to_string).unwrap_or_default();
    Version::new(strong(&etag))
}
