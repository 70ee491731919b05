//! Azure blobs that refuse older leaders: by their tags, or, where an account has none, by their ETag.

#[cfg(any(test, fuzzing))]
pub(crate) mod checks;
mod content;
mod failure;
mod mark;
#[cfg(test)]
mod properties;
mod state;
mod tagged;
mod way;

pub use content::BlobContent;
pub use state::FencedStateBlob;
pub use tagged::FencedBlob;

use std::time::Duration;

/// How long an operation on a blob may take, all its requests together, unless the caller says otherwise.
const LIMIT: Duration = Duration::from_secs(60);
