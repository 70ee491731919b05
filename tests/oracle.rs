//! The strict blob service of these tests is what it says: the blob store passes the contract suite on it, and where it
//! and Azurite differ is known in full.

#![allow(clippy::expect_used, clippy::unwrap_used)]

#[path = "oracle/contract.rs"]
mod contract;

#[path = "oracle/advice.rs"]
mod advice;
#[path = "oracle/agreement.rs"]
mod agreement;
#[path = "oracle/differences.rs"]
mod differences;
#[path = "oracle/documented.rs"]
mod documented;
#[path = "oracle/network.rs"]
mod network;
#[path = "oracle/proxy.rs"]
mod proxy;
#[path = "oracle/rows.rs"]
mod rows;
