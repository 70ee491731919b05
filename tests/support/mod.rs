//! What the tests need from outside the crate: a real storage server, and ways to sign in to it.
//!
//! - [`azurite`]: starts Microsoft's storage emulator and ends it, however the test process ends;
//! - [`sas`]: signs shared access signatures for it;
//! - [`credential`]: bearer tokens that it accepts, and ones that it refuses;
//! - [`operator`]: what is done to the lease blob behind the store's back;
//! - [`worker`]: real worker processes;
//! - [`transport`]: an HTTP client that trusts its certificate.

// Every test binary compiles this module for itself and uses only a part of it.
#![allow(dead_code)]
// A test that cannot have its server ends there: a panic is how it says so.
#![allow(clippy::expect_used, clippy::panic)]

pub mod azurite;
pub mod credential;
pub mod names;
pub mod operator;
pub mod sas;
pub mod transport;
#[cfg(unix)]
pub mod worker;
