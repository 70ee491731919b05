//! Azure blobs that refuse older leaders: by their tags, or, where an account has none, by their ETag.

mod by_etag;
mod by_tag;
mod content;
mod errors;
#[cfg(test)]
mod generated;
#[cfg(any(test, fuzzing))]
pub(crate) mod laws;
mod mark;
mod way;

pub use by_etag::FencedStateBlob;
pub use by_tag::FencedBlob;
pub use content::BlobContent;

use std::time::Duration;

/// How long an operation on a blob may take, all its requests together, unless the caller says otherwise.
const LIMIT: Duration = Duration::from_secs(60);
