//! What the tests need from outside the crate: real servers, and ways to sign in to them.
//!
//! - [`node`]: servers that npm installs, which end however the test process ends;
//! - [`http`]: servers within the test process;
//! - [`proxy`]: a network that loses, delays and doubles;
//! - [`azurite`]: starts Microsoft's storage emulator and ends it, however the test process ends;
//! - [`cosmos`]: two Cosmos DB accounts on this machine;
//! - [`critical_section`]: workers that read, think and write, and a checker of what comes of it;
//! - [`faketime`]: clocks at another rate;
//! - [`figures`]: what many rounds come to;
//! - [`sas`]: signs shared access signatures for it;
//! - [`credential`]: bearer tokens that it accepts, and ones that it refuses;
//! - [`mischief`]: what goes wrong between a blob client and the service;
//! - [`operator`]: what is done to the lease blob behind the store's back;
//! - [`plot`]: draws failover times;
//! - [`postgres`]: a PostgreSQL server that ends however the test process ends;
//! - [`random`]: the same numbers for the same seed;
//! - [`oracle`]: a strict blob service of the project's own, by the documentation;
//! - [`worker`]: real worker processes, which end however the test process ends;
//! - [`pair`]: two of them, of which one leads;
//! - [`transport`]: an HTTP client that trusts its certificate.

// Every test binary compiles this module for itself and uses only a part of it.
#![allow(dead_code)]
// A test that cannot have its server ends there: a panic is how it says so.
#![allow(clippy::expect_used, clippy::panic)]

#[cfg(feature = "blob")]
pub mod azurite;
#[cfg(feature = "cosmos")]
pub mod cosmos;
#[cfg(feature = "blob")]
pub mod credential;
#[cfg(all(feature = "blob", feature = "cosmos", unix))]
pub mod critical_section;
pub mod faketime;
pub mod figures;
#[cfg(any(feature = "blob", feature = "cosmos"))]
pub mod http;
#[cfg(feature = "blob")]
pub mod mischief;
pub mod names;
#[cfg(any(feature = "blob", feature = "cosmos"))]
pub mod node;
#[cfg(feature = "blob")]
pub mod operator;
#[cfg(feature = "blob")]
pub mod oracle;
#[cfg(all(any(feature = "blob", feature = "cosmos"), unix))]
pub mod pair;
#[cfg(all(feature = "blob", feature = "cosmos", unix))]
pub mod plot;
#[cfg(unix)]
pub mod postgres;
#[cfg(all(any(feature = "blob", feature = "cosmos"), unix))]
pub mod proxy;
pub mod random;
#[cfg(feature = "blob")]
pub mod sas;
#[cfg(feature = "blob")]
pub mod transport;
#[cfg(unix)]
pub mod worker;
