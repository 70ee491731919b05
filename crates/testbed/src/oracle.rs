//! A blob service that is strict where Azurite is not: what the service's documentation says of leases, and nothing else.
//!
//! [`Oracle`] is a pure state machine: time is an argument, the same requests at the same times have the same answers. It
//! knows containers and the lists of their blobs, block and append blobs with metadata and tags, conditions, and the whole of
//! [Lease Blob](https://learn.microsoft.com/rest/api/storageservices/lease-blob). Whatever else is asked of it, it refuses
//! with 501, so that no test leans on a guess. It believes every signature.
//!
//! - [`lease`]: the five states, and the outcomes of all operations in them;
//! - [`network`]: the way there, with faults;
//! - [`wire`]: the SDK's way there without a socket: for paused time;
//! - [`server`]: the way there over HTTP, for several processes.

mod blob;
mod condition;
pub mod failure;
pub mod lease;
mod list;
pub mod message;
pub mod network;
pub mod server;
mod tags;
mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use azure_core::time::{OffsetDateTime, to_rfc7231};

use blob::{Blob, Turn};
use failure::Failure;
use message::{Request, Response};

/// One account.
#[derive(Debug, Clone)]
pub struct Oracle {
    /// What its `Date` shows when time begins.
    epoch: OffsetDateTime,
    containers: BTreeMap<String, BTreeMap<String, Blob>>,
    requests: u64,
}

impl Oracle {
    pub fn new() -> Self {
        // Any date will do that is the same in each run.
        let epoch = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(20_000 * 24 * 3600);
        Self { epoch, containers: BTreeMap::new(), requests: 0 }
    }

    /// Answers a request that arrives at this time, which never goes back.
    pub fn handle(&mut self, now: Duration, request: &Request) -> Response {
        self.requests += 1;
        let turn = Turn { now, number: self.requests };
        let response = self.dispatch(turn, request).unwrap_or_else(Response::failed);
        let mut response = response
            .with("date", to_rfc7231(&(self.epoch + now)))
            .with("x-ms-request-id", format!("request-{}", turn.number))
            .with("x-ms-version", request.header("x-ms-version").unwrap_or("2026-04-06"));
        let blob = self.containers.get(&request.container).and_then(|blobs| blobs.get(&request.blob));
        if let Some(blob) = blob.filter(|_| response.is_success() && request.query("comp") != Some("tags")) {
            response = response
                .with("etag", format!("\"{}\"", blob.etag()))
                .with("last-modified", to_rfc7231(&(self.epoch + blob.modified())));
        }
        if request.method == "HEAD" {
            response.body.clear();
        }
        response
    }

    fn dispatch(&mut self, turn: Turn, request: &Request) -> Result<Response, Failure> {
        if request.blob.is_empty() {
            return self.on_container(turn, request);
        }
        let blobs = self.containers.get_mut(&request.container).ok_or(failure::CONTAINER_NOT_FOUND)?;
        let mut blob = blobs.get_mut(&request.blob);
        if let Some(blob) = &mut blob {
            blob.lease.settle(turn.now);
        }
        match (request.method.as_str(), request.query("comp"), blob) {
            ("PUT", None, blob) => {
                let put = Blob::put(blob.as_deref(), turn, request)?;
                blobs.insert(request.blob.clone(), put);
                Ok(Response::new(201))
            }
            (_, _, None) => Err(failure::BLOB_NOT_FOUND),
            ("DELETE", None, Some(blob)) => {
                blob.deletable(request)?;
                blobs.remove(&request.blob);
                Ok(Response::new(202))
            }
            (_, _, Some(blob)) => blob.handle(turn, request),
        }
    }

    fn on_container(&mut self, turn: Turn, request: &Request) -> Result<Response, Failure> {
        if request.query("restype") != Some("container") {
            return Err(failure::NOT_IMPLEMENTED);
        }
        match request.query("comp") {
            None => {}
            Some("list") if request.method == "GET" => {
                let blobs = self.containers.get_mut(&request.container).ok_or(failure::CONTAINER_NOT_FOUND)?;
                blobs.values_mut().for_each(|blob| blob.lease.settle(turn.now));
                return list::answer(self.epoch, blobs, request);
            }
            Some(_) => return Err(failure::NOT_IMPLEMENTED),
        }
        let exists = self.containers.contains_key(&request.container);
        match (request.method.as_str(), exists) {
            ("PUT", true) => Err(failure::CONTAINER_ALREADY_EXISTS),
            ("PUT", false) => {
                self.containers.insert(request.container.clone(), BTreeMap::new());
                Ok(Response::new(201))
            }
            ("GET" | "HEAD" | "DELETE", false) => Err(failure::CONTAINER_NOT_FOUND),
            ("GET" | "HEAD", true) => Ok(Response::new(200)),
            ("DELETE", true) => {
                self.containers.remove(&request.container);
                Ok(Response::new(202))
            }
            _ => Err(failure::NOT_IMPLEMENTED),
        }
    }
}
