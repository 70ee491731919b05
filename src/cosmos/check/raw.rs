//! Requests as the documentation of the REST API has them:
//! [Common request headers](https://learn.microsoft.com/rest/api/cosmos-db/common-cosmosdb-rest-request-headers).

use std::time::Duration;

use azure_core::time::{OffsetDateTime, to_rfc7231};
use reqwest::Method;
use serde_json::Value;

use crate::cosmos::account::Access;
use crate::cosmos::address::{Address, CosmosAddress};
use leader_election::{Error, ErrorKind, Result};
use leader_election_http::{Answer as Whole, Settings, answer, client};

/// With hierarchical partition keys and batches.
const VERSION: &str = "2018-12-31";
const MOST: usize = 1_000_000;

/// A container, and by what right it is used.
pub(super) struct Raw {
    address: Address,
    container: CosmosAddress,
    access: Access,
    client: reqwest::Client,
}

pub(super) struct Answer {
    pub(super) status: u16,
    whole: Whole,
}

impl Answer {
    /// Nothing, where there is none.
    pub(super) fn header(&self, name: &str) -> &str {
        self.whole.header(name).unwrap_or_default()
    }

    /// Null, where it is none.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.whole.body).unwrap_or_default()
    }

    /// Of the document that was written or read.
    pub(super) fn etag(&self) -> String {
        let of_body = || self.json().get("_etag").and_then(Value::as_str).unwrap_or_default().to_owned();
        Some(self.header("etag").to_owned()).filter(|etag| !etag.is_empty()).unwrap_or_else(of_body)
    }

    /// What it has cost.
    pub(super) fn charge(&self) -> Option<f64> {
        self.header("x-ms-request-charge").parse().ok()
    }
}

/// What a request asks for, and under which conditions.
#[derive(Default)]
pub(super) struct Ask<'a> {
    /// The id of the document, which is its partition key.
    pub(super) id: &'a str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Option<Value>,
}

impl Raw {
    pub(super) fn new(address: Address, container: CosmosAddress, access: Access) -> Result<Self> {
        let client = client(&Settings { plain: container.url().scheme() == "http", ..settings() })?;
        Ok(Self { address, container, access, client })
    }

    pub(super) async fn create(&self, id: &str, body: Value) -> Result<Answer> {
        self.items(Method::POST, Ask { id, body: Some(body), ..Ask::default() }).await
    }

    pub(super) async fn read(&self, id: &str) -> Result<Answer> {
        self.item(Method::GET, Ask { id, ..Ask::default() }).await
    }

    /// Over that ETag; over any, if it is none.
    pub(super) async fn replace(&self, id: &str, body: Value, etag: &str) -> Result<Answer> {
        let headers = if etag.is_empty() { Vec::new() } else { vec![("if-match", etag.to_owned())] };
        self.item(Method::PUT, Ask { id, headers, body: Some(body) }).await
    }

    pub(super) async fn delete(&self, id: &str) -> Result<Answer> {
        self.item(Method::DELETE, Ask { id, ..Ask::default() }).await
    }

    /// All of these, or none.
    pub(super) async fn batch(&self, id: &str, operations: Value) -> Result<Answer> {
        let headers = [("x-ms-cosmos-is-batch-request", "True"), ("x-ms-cosmos-batch-atomic", "True")];
        let headers = headers.map(|(name, value)| (name, value.to_owned())).to_vec();
        self.items(Method::POST, Ask { id, headers, body: Some(operations) }).await
    }

    pub(super) async fn account(&self) -> Result<Answer> {
        self.send(Method::GET, "", "", "", Ask::default()).await
    }

    pub(super) async fn container(&self) -> Result<Answer> {
        let link = self.link();
        self.send(Method::GET, &link, "colls", &link, Ask::default()).await
    }

    async fn items(&self, method: Method, ask: Ask<'_>) -> Result<Answer> {
        let link = self.link();
        self.send(method, &format!("{link}/docs"), "docs", &link, ask).await
    }

    async fn item(&self, method: Method, ask: Ask<'_>) -> Result<Answer> {
        let path = format!("{}/docs/{}", self.link(), ask.id);
        self.send(method, &path, "docs", &path, ask).await
    }

    fn link(&self) -> String {
        format!("dbs/{}/colls/{}", self.container.database(), self.container.container())
    }

    async fn send(&self, method: Method, path: &str, kind: &str, link: &str, ask: Ask<'_>) -> Result<Answer> {
        let date = to_rfc7231(&OffsetDateTime::now_utc());
        let authorization = self.access.authorization(method.as_str(), kind, link, &date).await?;
        let mut url = self.container.url().clone();
        url.set_path(path);
        let mut request = self.client.request(method, url).header("authorization", authorization);
        request = request.header("x-ms-date", date).header("x-ms-version", VERSION);
        if !ask.id.is_empty() {
            // A list with one key in it.
            request = request.header("x-ms-documentdb-partitionkey", serde_json::json!([ask.id]).to_string());
        }
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        if let Some(body) = ask.body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let whole = answer(request, MOST, &self.address.server()).await?;
        match whole.status {
            429 => Err(Error::new(
                ErrorKind::Throttled,
                "Cosmos DB throttles: the container has too few request units for this check",
            )),
            status => Ok(Answer { status, whole }),
        }
    }
}

fn settings() -> Settings {
    Settings { timeout: Some(Duration::from_secs(10)), ..Settings::default() }
}
