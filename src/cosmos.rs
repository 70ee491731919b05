//! Azure Cosmos DB: the document that elects, and the writer that older leaders cannot use.

pub(crate) mod account;
pub(crate) mod address;
pub(crate) mod check;
pub(crate) mod connection;
mod documents;
pub(crate) mod errors;
#[cfg(test)]
mod generated;
#[cfg(any(test, fuzzing))]
pub(crate) mod laws;
mod lease;
pub(crate) mod writer;

pub use address::CosmosAddress;
pub use lease::{CosmosDistributedMutex, CosmosMutexOptions};
pub use writer::{CommittedBatch, FencedPartition, RefusedOperation};
