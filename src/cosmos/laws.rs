//! What holds whatever a leader document, an endpoint, a name or an answer of Cosmos DB says.

#![allow(clippy::expect_used)]

use std::time::Duration;

use azure_data_cosmos::{CosmosError, CosmosStatus};
use serde_json::Value;

use super::address::{Address, CosmosAddress};
use super::errors;
use super::lease::wire::{self, NAMES};
use crate::laws::{CANARY, presentable};
use leader_election::{Error, ErrorKind, FencingToken, HolderId, Timing, Version, document::Record};

fn version() -> Version {
    Version::new("\"1\"").expect("valid")
}

/// Whatever document is read is within bounds and can be written again, as a renewal does; all else is an error that names
/// the field.
pub(crate) fn document(document: Value) {
    let stored = match wire::read(version(), document.clone()) {
        Ok(stored) => stored,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::CorruptRecord);
            let named = NAMES.iter().any(|name| error.to_string().contains(name));
            assert!(named || error.to_string().contains("no JSON object"), "{error}");
            return presentable(&error);
        }
    };
    let Record { holder, previous, claim, write, fencing_token, lease, renew_every, .. } = &stored.record;
    assert!([holder, previous].into_iter().flatten().all(|holder| HolderId::new(holder.as_str()).is_ok()));
    assert!(claim.len() <= 256 && write.len() <= 256);
    assert!((1..=FencingToken::MAX).contains(&fencing_token.get()));
    assert!(*lease <= Timing::MAX_LEASE && *renew_every <= Timing::MAX_LEASE);
    assert!(stored.server_ms.is_none_or(|ms| ms < FencingToken::MAX));
    // A token follows, unless there is none left.
    let next = FencingToken::next(Some(*fencing_token), stored.server_ms.unwrap_or_default());
    assert!(next.map_or(fencing_token.get() == FencingToken::MAX, |next| next > *fencing_token));
    round_trip(&stored.record, &document);
}

/// A record, to be changed.
#[cfg(test)]
pub(crate) fn record() -> Record {
    let document = serde_json::json!({
        "schemaVersion": 1, "holder": "worker-7", "previousHolder": "", "claim": "7", "write": "1", "fencingToken": 7,
        "leaseMs": 3_000, "renewEveryMs": 1_000, "renewals": 4, "electedAt": "1970-01-01T00:00:00Z", "renewedAt": null,
    });
    wire::read(version(), document).expect("readable").record
}

/// A record is read back as it was written, and what else stands in the document stays, but for what the service writes.
pub(crate) fn round_trip(record: &Record, before: &Value) {
    let rest = before.as_object().cloned().unwrap_or_default();
    let written = wire::write("nightly", record, &rest);
    let read = wire::read(version(), written).expect("its own document");
    assert_eq!(read.record, *record);
    let is_strangers = |name: &&String| !name.starts_with('_') && !NAMES.contains(&name.as_str());
    for name in rest.keys().filter(is_strangers) {
        assert_eq!(read.rest.get(name), rest.get(name), "{name}");
    }
}

/// An address that is accepted names one account and shows no more; all else is refused by name.
pub(crate) fn address(endpoint: &str, database: &str, container: &str, election: &str) {
    let container_address = CosmosAddress::new(endpoint, database, container);
    let address = container_address.and_then(|container| Address::of_election(Some(container), election));
    let address = match address {
        Ok(address) => address,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::InvalidSetting);
            let named = ["Cosmos DB endpoint", "database name", "container name", "election name"];
            assert!(named.iter().any(|name| error.to_string().contains(name)), "{error}");
            return presentable(&error);
        }
    };
    let account = address.container.as_ref().expect("as given");
    let url = account.url();
    let loopback = ["localhost", "127.0.0.1", "[::1]"].contains(&account.host());
    assert!(url.scheme() == "https" || (url.scheme() == "http" && loopback), "{url}");
    assert!(!url.as_str().contains(['?', '#', '@']) && url.path() == "/", "{url}");
    for name in [database, container, election] {
        assert!((1..=255).contains(&name.chars().count()) && !name.contains(['/', '\\', '?', '#']));
        assert!(!name.chars().any(char::is_control) && name.trim() == name);
    }
    assert_eq!(address.to_string(), format!("{url}{database}/{container}/{election}"));
    // A name is one segment of a resource's path, and must lead nowhere else.
    // The SDK encodes a percent sign and leaves dots as they are.
    let [database, container, election] = [database, container, election].map(|name| name.replace('%', "%25"));
    let resource = url.join(&format!("dbs/{database}/colls/{container}/docs/{election}"));
    assert_eq!(resource.map_or(0, |url| url.path().split('/').count()), 7, "{address} leads elsewhere");
}

/// Whatever the service answers has a kind, by which the election goes on or ends, and can be shown.
pub(crate) fn answer(status: u16, sub_status: Option<u16>, wait: Option<Duration>) {
    let explained = errors::status("reading", &place(), status, sub_status, wait);
    presentable(&explained);
    assert_eq!(explained.retry_after(), wait);
    match status {
        429 => assert_eq!(explained.kind(), ErrorKind::Throttled),
        408 | 500..=599 => assert!(explained.is_transient(), "{explained}"),
        401 | 403 => assert_eq!(explained.kind(), ErrorKind::Denied),
        404 => assert_eq!(explained.kind(), ErrorKind::NotFound),
        410 | 449 => {}
        _ => assert!(!explained.is_transient(), "{explained}"),
    }
}

/// Whatever keeps an answer from coming has a kind and shows no secret, whatever status the SDK makes up for it.
pub(crate) fn silence(status: u16, text: &str) {
    let status = CosmosStatus::new(status.into());
    let inner = std::io::Error::other(text.to_owned());
    let error = CosmosError::builder().with_status(status).with_message(text.to_owned()).with_source(inner).build();
    let explained: Error = errors::explain("reading", &place(), &error);
    presentable(&explained);
    let kinds = [ErrorKind::NotFound, ErrorKind::Refused, ErrorKind::Unreachable];
    assert!(kinds.contains(&explained.kind()), "{explained}");
    assert!(!explained.to_string().contains(CANARY));
}

pub(super) fn place() -> Address {
    let container = CosmosAddress::new("https://acct.documents.azure.com/", "workers", "leaders").expect("valid");
    Address::of_election(Some(container), "nightly").expect("valid")
}
