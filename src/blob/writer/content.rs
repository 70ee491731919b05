//! What stands in a blob.

use std::collections::HashMap;
use std::fmt;

use azure_core::http::Etag;
use azure_storage_blob::BlobClient;
use azure_storage_blob::models::BlobClientDownloadOptions;

use crate::blob::etag::strong_etag;
use leader_election::{Error, ErrorKind, Result};

/// The key of the metadata that says that a blob is deleted, and stands there for its fence alone. Azure keeps keys in
/// lower case.
pub(super) const DELETED: &str = "fence_deleted";

/// What stood in a blob when it was read. See [`FencedBlob::read`](crate::FencedBlob::read).
///
/// ```
/// use azure_leader_election::BlobContent;
///
/// fn invoices(state: Option<BlobContent>) -> String {
///     state.map_or_else(String::new, |state| String::from_utf8_lossy(&state.bytes).into_owned())
/// }
/// # assert_eq!(invoices(None), "");
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobContent {
    /// All of it.
    pub bytes: Vec<u8>,
    /// The version that was read: `if_match` of a write that must not miss a change in between.
    pub etag: Etag,
}

impl fmt::Debug for BlobContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobContent").field("len", &self.bytes.len()).field("etag", &self.etag).finish_non_exhaustive()
    }
}

/// `Ok(None)` for a blob that was deleted, and only its fence is left.
pub(super) async fn download(
    blob: &BlobClient,
    options: BlobClientDownloadOptions<'_>,
) -> azure_core::Result<Result<Option<BlobContent>>> {
    let response = blob.download(Some(options)).await?;
    if is_deleted(&response.properties.metadata) {
        return Ok(Ok(None));
    }
    let Some(etag) = response.properties.etag.map(strong_etag) else {
        return Ok(Err(Error::new(ErrorKind::Refused, "the service's answer has no ETag")));
    };
    let bytes = response.body.collect().await?.to_vec();
    Ok(Ok(Some(BlobContent { bytes, etag })))
}

pub(super) fn is_deleted(metadata: &HashMap<String, String>) -> bool {
    metadata.keys().any(|key| key.eq_ignore_ascii_case(DELETED))
}

pub(super) fn tombstone() -> HashMap<String, String> {
    HashMap::from([(DELETED.to_owned(), "true".to_owned())])
}
