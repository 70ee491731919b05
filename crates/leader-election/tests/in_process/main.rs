//! All tests of the core that can share a process. Those that block threads, or listen to the whole process, have binaries of their own.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod contract;
mod contract_file;
mod election;
mod file;
mod host;
#[path = "../host_support/mod.rs"]
mod host_support;
mod properties;
mod quorum;
mod test_util;
