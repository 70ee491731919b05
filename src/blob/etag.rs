//! Versions of blobs, as the SDK holds them.

use azure_core::http::Etag;
use leader_election_http::etag::strong;

/// The version as the service itself wrote it, also where a proxy has marked it as weak.
pub(crate) fn strong_etag(etag: Etag) -> Etag {
    let text: &str = etag.as_ref();
    if strong(text).len() == text.len() { etag } else { Etag::from(strong(text).to_owned()) }
}
