//! What holds whatever a lease blob's metadata, a URL, a name or an answer of the blob service says.

#![allow(clippy::expect_used)]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use azure_core::error::ErrorKind as SdkKind;
use azure_core::http::headers::{HeaderName, Headers};
use azure_core::http::{AsyncRawResponse, ClientOptions, HttpClient, RawResponse, Request, StatusCode, Transport};
use azure_core::time::OffsetDateTime;
use azure_storage_blob::{BlobContainerClient, BlobContainerClientOptions};
use percent_encoding::percent_decode_str;

use super::address::Address;
use super::errors;
use super::lease::wire::{Metadata, Record};
use crate::laws::{CANARY, presentable};
use leader_election::{Claim, Error, ErrorKind, FencingToken, HolderId, LeaderData, Result};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Whatever metadata is read as a record is within bounds, and a term can follow it; all else is an error that names the key.
pub(crate) fn metadata(metadata: &Metadata) {
    let present = metadata.keys().any(|name| is_ours(name) || name.eq_ignore_ascii_case("leaderside"));
    let record = match Record::read(metadata) {
        Ok(None) => return assert!(!present, "half a record is no new beginning: {metadata:?}"),
        Ok(Some(record)) => record,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::CorruptRecord);
            assert!(error.to_string().contains("metadata leader"), "{error}");
            return presentable(&error);
        }
    };
    let leader = &record.leader;
    assert!(present && HolderId::new(leader.holder.as_str()).is_ok());
    assert!((1..=FencingToken::MAX).contains(&leader.fencing_token.get()));
    assert!(leader.lease.is_some_and(|lease| lease <= DAY) && leader.renew_every.is_some_and(|rhythm| rhythm <= DAY));
    assert!(leader.data.as_ref().is_none_or(|data| (1..=LeaderData::MAX).contains(&data.as_str().len())));
    match FencingToken::next(Some(leader.fencing_token), 0) {
        Ok(next) => assert!(next > leader.fencing_token),
        Err(_) => assert_eq!(leader.fencing_token.get(), FencingToken::MAX, "there is none above it"),
    }
}

/// The record of a new term is read back as it was written, over whatever stood there; all else in the metadata stays.
pub(crate) fn round_trip(
    claim: &Claim,
    data: Option<&LeaderData>,
    token: FencingToken,
    server_time: OffsetDateTime,
    before: &Metadata,
) {
    // One of another's side records is refused, whatever else stands in it.
    let mut before = before.clone();
    before.retain(|name, _| !name.eq_ignore_ascii_case("leaderside"));
    let record = Record::new(claim, data, token, server_time);
    let mut metadata = before.clone();
    record.write(&mut metadata);
    let read = Record::read(&metadata).expect("readable").expect("present");
    assert_eq!(read, record);
    assert_eq!(read.leader.elected_at, Some(SystemTime::from(server_time)));
    assert_eq!(read.leader.data.as_ref(), data);
    for (name, value) in &metadata {
        if is_ours(name) {
            // Or it would not come through as a header.
            assert!(
                value.bytes().all(|byte| matches!(byte, b' '..=b'~'))
                    && value.trim() == value
                    && !value.contains("  ")
                    && !value.contains(&claim.id.expose()),
                "{value}"
            );
        } else {
            assert_eq!(before.get(name), Some(value));
        }
    }
    let strangers = before.keys().filter(|name| !is_ours(name)).count();
    assert_eq!(metadata.len(), strangers + 6 + usize::from(data.is_some()));
}

/// An address that is accepted leads to that blob and nowhere else, and shows no signature; all else is refused by name.
pub(crate) fn address(container_url: &str, blob_name: &str) {
    let azure = [false, true].map(|signed| Address::azure(container_url, blob_name, signed));
    assert!(azure.iter().filter(|address| address.is_ok()).count() < 2, "with a signature or without");
    for address in azure {
        check_address(address, blob_name, |scheme, _| scheme == "https");
    }
    let loopback = |host: &str| matches!(host, "localhost" | "[::1]") || host.starts_with("127.");
    check_address(Address::emulator(container_url, blob_name), blob_name, |_, host| loopback(host));
}

fn check_address(address: Result<Address>, blob_name: &str, allowed: impl Fn(&str, &str) -> bool) {
    let address = match address {
        Ok(address) => address,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::InvalidSetting);
            let named = ["container URL", "container name", "blob name", "emulator's URL"];
            assert!(named.iter().any(|name| error.to_string().contains(name)), "{error}");
            return presentable(&error);
        }
    };
    let url = address.container_url();
    assert!(allowed(url.scheme(), address.host()), "{address}");
    assert!((3..=63).contains(&address.container().len()));
    assert!((1..=1024).contains(&blob_name.chars().count()) && !blob_name.chars().any(char::is_control));
    let shown = address.to_string();
    let place = shown.strip_suffix(blob_name).expect("ends with the blob's name");
    assert!(!place.contains(CANARY) || url.path().contains(CANARY), "{shown}");
    assert!(!place.contains(['?', '#']), "{shown}");

    // The SDK does not take a container without a credential or a signature amiss before anything is sent.
    let client_options =
        ClientOptions { transport: Some(Transport::new(Arc::new(Nowhere))), ..ClientOptions::default() };
    let options = BlobContainerClientOptions { client_options, ..BlobContainerClientOptions::default() };
    let client = BlobContainerClient::new(url.clone(), None, Some(options)).expect("a client");
    let blob = client.blob_client(blob_name).url().clone();
    let (before, last) = blob.path().rsplit_once('/').expect("below the container");
    assert_eq!(before, url.path(), "{blob_name:?} is another container's");
    assert_eq!(percent_decode_str(last).decode_utf8().expect("UTF-8"), blob_name);
    assert_eq!((blob.host_str(), blob.query()), (url.host_str(), url.query()));
}

/// A client that sends nothing, as one that could would take long to make.
#[derive(Debug)]
struct Nowhere;

#[async_trait]
impl HttpClient for Nowhere {
    async fn execute_request(&self, _request: &Request) -> azure_core::Result<AsyncRawResponse> {
        Err(SdkKind::Io.into())
    }
}

/// Whatever the service answers has a kind, by which the election goes on or ends, and can be shown.
pub(crate) fn answer(status: u16, code: Option<&str>, headers: &[(&'static str, String)]) {
    let address = Address::azure("https://acct.blob.core.windows.net/leases", "b", false).expect("valid");
    let error = sdk_error(status, code, headers);
    let explained = errors::explain("reading", &address, &error);
    presentable(&explained);
    assert!(explained.to_string().contains(&format!("HTTP {status}")));
    match status {
        429 => assert_eq!(explained.kind(), ErrorKind::Throttled),
        408 | 500..=599 => assert!(explained.is_transient(), "{explained}"),
        401 | 403 => assert_eq!(explained.kind(), ErrorKind::Denied),
        404 => assert_eq!(explained.kind(), ErrorKind::NotFound),
        409 => {}
        _ => assert!(!explained.is_transient(), "{explained}"),
    }
    if errors::refusal(&error).is_some() {
        assert!(matches!(status, 404 | 409 | 412), "a refusal is the service's definite word");
    }
    if errors::is_absent_blob(&error) || errors::is_absent_container(&error) {
        assert_eq!(status, 404);
    }
}

/// An answer as the SDK reports it.
pub(crate) fn sdk_error(status: u16, code: Option<&str>, headers: &[(&'static str, String)]) -> azure_core::Error {
    let mut all = Headers::new();
    for (name, value) in headers {
        all.insert(HeaderName::from_static(name), value.clone());
    }
    let status = StatusCode::from(status);
    let raw_response = Some(Box::new(RawResponse::from_bytes(status, all, Vec::new())));
    let kind = SdkKind::HttpResponse { status, error_code: code.map(str::to_owned), raw_response };
    azure_core::Error::with_message(kind, format!("https://acct/?sig={CANARY}"))
}

/// Whatever keeps an answer from coming has a kind and shows no signature.
pub(crate) fn silence(kind: SdkKind, text: &str) {
    let address = Address::azure("https://acct.blob.core.windows.net/leases", "b", false).expect("valid");
    let inner = std::io::Error::other(text.to_owned());
    let error = azure_core::Error::with_error(kind, inner, text.to_owned());
    let explained: Error = errors::explain("reading", &address, &error);
    presentable(&explained);
    let kinds = [ErrorKind::Credential, ErrorKind::NotFound, ErrorKind::Refused, ErrorKind::Unreachable];
    assert!(kinds.contains(&explained.kind()), "{explained}");
}

fn is_ours(name: &str) -> bool {
    let names =
        ["leaderholder", "leadertoken", "leaderclaim", "leaderelected", "leaderleasems", "leaderrenewms", "leaderdata"];
    names.contains(&name.to_ascii_lowercase().as_str())
}
