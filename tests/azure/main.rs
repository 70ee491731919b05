//! The stores and writers of Azure, against emulators. They share a process, and so its emulators.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod blob;
mod blob_beside;
mod blob_errors;
mod contract_blob;
mod contract_blob_document;
mod contract_cosmos;
mod contract_quorum;
mod cosmos;
mod cosmos_crowd;
mod credentials;
mod fencing_blob;
mod fencing_cosmos;
mod oracle;
