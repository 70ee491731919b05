//! What a credential that is slow, throttled, refused or silent costs: at the start, and when it is asked for a new token while
//! the present one is good. On blobs, on Cosmos DB, and for the fenced writers. Each test prints its part of the table.

mod blob;
mod cosmos;
mod fence;
mod moody;
mod seen;
