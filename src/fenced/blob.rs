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

pub use content::BlobContent;
pub use state::FencedStateBlob;
pub use tagged::FencedBlob;

use std::future::Future;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// How long an operation on a blob may take, all its requests together, unless the caller says otherwise.
const LIMIT: Duration = Duration::from_secs(60);

async fn within<T>(limit: Duration, operation: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(limit, operation).await.unwrap_or_else(|_| {
        Err(Error::new(
            ErrorKind::Timeout,
            format!("the blob was not written or read within {limit:?}; whether a write was carried out is not known"),
        ))
    })
}
