//! What a credential that is slow, throttled, refused or silent costs: at the start, and when it is asked for a new token while
//! the present one is good. On blobs, on Cosmos DB, and for the fenced writers. Each test prints its part of the table.

#![allow(clippy::expect_used, clippy::unwrap_used)]

#[path = "credentials/blob.rs"]
mod blob;
#[path = "credentials/cosmos.rs"]
mod cosmos;
#[path = "credentials/fence.rs"]
mod fence;
#[path = "credentials/moody.rs"]
mod moody;
#[path = "credentials/seen.rs"]
mod seen;
