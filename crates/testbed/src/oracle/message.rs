//! What goes into the oracle and what comes out of it.

use std::collections::BTreeMap;

use azure_core::http::Url;
use percent_encoding::percent_decode_str;
use uuid::Uuid;

use super::failure::{self, Failure};
use super::lease::parse_id;

/// A request to the blob service.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub container: String,
    /// Empty for a request on the container.
    pub blob: String,
    pub body: Vec<u8>,
    query: BTreeMap<String, String>,
    /// By their names in lower case.
    headers: BTreeMap<String, String>,
}

impl Request {
    /// The account is the first part of the path where the host is a number or `localhost`, and a part of the host's name
    /// elsewhere.
    pub fn new(
        method: &str,
        url: &Url,
        headers: impl IntoIterator<Item = (String, String)>,
        body: impl Into<Vec<u8>>,
    ) -> Self {
        let host = url.host_str().unwrap_or_default();
        let by_number = host == "localhost" || host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok();
        let path = url.path().trim_start_matches('/');
        let path = if by_number { path.split_once('/').map_or("", |(_account, path)| path) } else { path };
        let (container, blob) = path.split_once('/').unwrap_or((path, ""));
        Self {
            method: method.to_ascii_uppercase(),
            container: container.to_owned(),
            blob: percent_decode_str(blob).decode_utf8_lossy().into_owned(),
            body: body.into(),
            query: url.query_pairs().map(|(name, value)| (name.to_ascii_lowercase(), value.into_owned())).collect(),
            headers: headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect(),
        }
    }

    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// An empty header is an absent one.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    pub fn required(&self, name: &str) -> Result<&str, Failure> {
        self.header(name).ok_or(failure::MISSING_HEADER)
    }

    pub fn lease_id(&self) -> Result<Option<Uuid>, Failure> {
        self.header("x-ms-lease-id").map(parse_id).transpose()
    }

    /// The headers that begin so, by the rest of their names.
    pub fn headers_under(&self, prefix: &str) -> BTreeMap<String, String> {
        let of = self
            .headers
            .range(prefix.to_owned()..)
            .map_while(|(name, value)| Some((name.strip_prefix(prefix)?, value)));
        of.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
    }

    /// Whether this is the lease operation of that name.
    pub fn is_lease(&self, action: &str) -> bool {
        self.query("comp") == Some("lease") && self.header("x-ms-lease-action") == Some(action)
    }
}

/// The service's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub fn failed(failure: Failure) -> Self {
        let Failure { status, code } = failure;
        let response = Self::new(status).with("x-ms-error-code", code);
        if status == 304 {
            return response;
        }
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
        );
        Self { body: body.into_bytes(), ..response.with("content-type", "application/xml") }
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}
