//! One blob, and the requests that it answers.

use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;

use super::condition::{self, Use};
use super::failure::{self, Failure};
use super::lease::{Lease, Length, parse_id};
use super::message::{Request, Response};
use super::tags::{self, Tags};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Block,
    Append,
}

#[derive(Debug, Clone)]
pub struct Blob {
    kind: Kind,
    content: Vec<u8>,
    metadata: BTreeMap<String, String>,
    pub tags: Tags,
    pub lease: Lease,
    /// The number of the write that made it what it is.
    version: u64,
    modified: Duration,
}

/// A request's place in the course of things.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    pub now: Duration,
    /// Of this request, and of no other.
    pub number: u64,
}

type Outcome = Result<Response, Failure>;

impl Blob {
    /// Put Blob: a new blob, or one that takes the place of this one and of its lease.
    pub fn put(existing: Option<&Self>, turn: Turn, request: &Request) -> Result<Self, Failure> {
        let kind = match request.required("x-ms-blob-type")? {
            "BlockBlob" => Kind::Block,
            "AppendBlob" if request.body.is_empty() => Kind::Append,
            "AppendBlob" => return Err(failure::INVALID_HEADER),
            _ => return Err(failure::NOT_IMPLEMENTED),
        };
        condition::check(request, existing, Use::Put)?;
        let mut lease = existing.map(|blob| blob.lease.clone()).unwrap_or_default();
        lease.permits_write(request.lease_id()?)?;
        lease.written();
        Ok(Self {
            kind,
            content: request.body.clone(),
            metadata: metadata(request)?,
            tags: request.header("x-ms-tags").map(tags::from_header).transpose()?.unwrap_or_default(),
            lease,
            version: turn.number,
            modified: turn.now,
        })
    }

    pub fn handle(&mut self, turn: Turn, request: &Request) -> Outcome {
        match (request.method.as_str(), request.query("comp")) {
            ("PUT", Some("lease")) => self.lease(turn, request),
            ("PUT", Some("metadata")) => {
                let metadata = metadata(request)?;
                self.write(turn, request, |blob| blob.metadata = metadata)?;
                Ok(Response::new(200))
            }
            ("PUT", Some("appendblock")) => self.append(turn, request),
            ("PUT", Some("tags")) => {
                // No write to the blob: neither its ETag nor a lease that has ended is touched.
                condition::check(request, Some(self), Use::Write)?;
                self.lease.permits_write(request.lease_id()?)?;
                self.tags = tags::from_xml(&request.body)?;
                Ok(Response::new(204))
            }
            ("GET", Some("tags")) => {
                self.readable(request)?;
                let body = tags::to_xml(&self.tags).into_bytes();
                Ok(Response { body, ..Response::new(200).with("content-type", "application/xml") })
            }
            ("HEAD", None) => {
                self.readable(request)?;
                Ok(self.described(Response::new(200)).with("content-length", self.content.len()))
            }
            ("GET", None) => self.get(request),
            _ => Err(failure::NOT_IMPLEMENTED),
        }
    }

    /// Whether Delete Blob may go on.
    pub fn deletable(&self, request: &Request) -> Result<(), Failure> {
        condition::check(request, Some(self), Use::Write)?;
        self.lease.permits_write(request.lease_id()?)
    }

    pub fn etag(&self) -> String {
        format!("0x{:015X}", self.version)
    }

    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    pub fn content_length(&self) -> usize {
        self.content.len()
    }

    pub fn kind(&self) -> &'static str {
        if self.kind == Kind::Append { "AppendBlob" } else { "BlockBlob" }
    }

    /// When it was last written to.
    pub fn modified(&self) -> Duration {
        self.modified
    }

    fn lease(&mut self, turn: Turn, request: &Request) -> Outcome {
        let proposed = request.header("x-ms-proposed-lease-id").map(parse_id).transpose()?;
        let id = request.lease_id()?;
        let named = || id.ok_or(failure::MISSING_HEADER);
        let action = request.required("x-ms-lease-action")?;
        let length = match action {
            "acquire" => Some(Length::parse(request.required("x-ms-lease-duration")?)?),
            _ => None,
        };
        let period = request.header("x-ms-lease-break-period").map(break_period).transpose()?;
        condition::check(request, Some(self), Use::Write)?;

        let Turn { now, number } = turn;
        let with_id = |status: u16, id: Uuid| Response::new(status).with("x-ms-lease-id", id);
        match (action, length) {
            ("acquire", Some(length)) => {
                let id = proposed.unwrap_or_else(|| generated(number));
                self.lease.acquire(now, id, length)?;
                Ok(with_id(201, id))
            }
            ("renew", _) => {
                self.lease.renew(now, named()?)?;
                Ok(with_id(200, named()?))
            }
            ("change", _) => {
                let proposed = proposed.ok_or(failure::MISSING_HEADER)?;
                self.lease.change(named()?, proposed)?;
                Ok(with_id(200, proposed))
            }
            ("release", _) => {
                self.lease.release(named()?)?;
                Ok(Response::new(200))
            }
            ("break", _) => {
                let left = self.lease.break_after(now, period)?;
                // "Approximate time remaining": a wait for as many whole seconds has to be long enough.
                Ok(Response::new(202).with("x-ms-lease-time", left.as_millis().div_ceil(1000)))
            }
            _ => Err(failure::INVALID_HEADER),
        }
    }

    fn append(&mut self, turn: Turn, request: &Request) -> Outcome {
        let offset = self.content.len();
        let expected = request.header("x-ms-blob-condition-appendpos").map(str::parse::<usize>);
        if self.kind != Kind::Append {
            return Err(failure::INVALID_BLOB_TYPE);
        }
        if expected.is_some_and(|expected| expected != Ok(offset)) {
            return Err(failure::APPEND_POSITION_NOT_MET);
        }
        self.write(turn, request, |blob| blob.content.extend(&request.body))?;
        Ok(Response::new(201).with("x-ms-blob-append-offset", offset))
    }

    fn write(&mut self, turn: Turn, request: &Request, change: impl FnOnce(&mut Self)) -> Result<(), Failure> {
        condition::check(request, Some(self), Use::Write)?;
        self.lease.permits_write(request.lease_id()?)?;
        self.lease.written();
        (self.version, self.modified) = (turn.number, turn.now);
        change(self);
        Ok(())
    }

    fn readable(&self, request: &Request) -> Result<(), Failure> {
        condition::check(request, Some(self), Use::Read)?;
        self.lease.permits_read(request.lease_id()?)
    }

    fn get(&self, request: &Request) -> Outcome {
        self.readable(request)?;
        let length = self.content.len();
        let Some(range) = request.header("x-ms-range").or(request.header("range")) else {
            let body = self.content.clone();
            return Ok(Response { body, ..self.described(Response::new(200)).with("content-length", length) });
        };
        let (first, last) =
            range.strip_prefix("bytes=").and_then(|range| range.split_once('-')).ok_or(failure::INVALID_HEADER)?;
        let first: usize = first.parse().map_err(|_| failure::INVALID_HEADER)?;
        let end = last.parse().map_or(length, |last: usize| length.min(last + 1));
        let body = self.content.get(first..end).filter(|part| !part.is_empty()).ok_or(failure::INVALID_RANGE)?.to_vec();
        let response = self.described(Response::new(206)).with("content-length", body.len());
        Ok(Response { body, ..response.with("content-range", format!("bytes {first}-{}/{length}", end - 1)) })
    }

    fn described(&self, response: Response) -> Response {
        let (state, status, duration) = self.lease.shown();
        let mut response = response
            .with("x-ms-blob-type", self.kind())
            .with("x-ms-lease-state", state)
            .with("x-ms-lease-status", status)
            .with("content-type", "application/octet-stream");
        if let Some(duration) = duration {
            response = response.with("x-ms-lease-duration", duration);
        }
        if !self.tags.is_empty() {
            response = response.with("x-ms-tag-count", self.tags.len());
        }
        self.metadata
            .iter()
            .fold(response, |response, (name, value)| response.with(&format!("x-ms-meta-{name}"), value))
    }
}

/// 8 KiB at the most, names and values together. See
/// [Setting metadata](https://learn.microsoft.com/rest/api/storageservices/setting-and-retrieving-properties-and-metadata-for-blob-resources).
fn metadata(request: &Request) -> Result<BTreeMap<String, String>, Failure> {
    let metadata = request.headers_under("x-ms-meta-");
    let length: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if length > 8_192 { Err(failure::METADATA_TOO_LARGE) } else { Ok(metadata) }
}

/// 0 to 60 seconds.
fn break_period(text: &str) -> Result<Duration, Failure> {
    let seconds = text.parse().ok().filter(|seconds| *seconds <= 60).ok_or(failure::INVALID_HEADER)?;
    Ok(Duration::from_secs(seconds))
}

/// A lease id that nobody has proposed. The same run gives the same ids.
fn generated(number: u64) -> Uuid {
    Uuid::from_u64_pair(0x6f72_6163_6c65_4000, 0x8000_0000_0000_0000 | number)
}
