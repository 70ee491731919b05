//! Azure Blob Storage: the lease that elects, and the writers that older leaders cannot use.

pub(crate) mod address;
pub(crate) mod check;
mod date;
mod document;
mod emulator_key;
pub(crate) mod errors;
mod etag;
mod fresh;
#[cfg(test)]
mod generated;
#[cfg(any(test, fuzzing))]
pub(crate) mod laws;
mod lease;
mod opened;
mod place;
mod small;
pub(crate) mod transport;
pub(crate) mod writer;

pub use document::BlobDocumentMutex;
pub use lease::{BlobDistributedMutex, BlobMutexOptions, Create};
pub use writer::{BlobContent, FencedBlob, FencedStateBlob};
