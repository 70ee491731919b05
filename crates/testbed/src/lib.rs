//! What the tests need from outside the crate: real servers, and ways to sign in to them.
//!
//! - [`node`]: servers that npm installs, which end however the test process ends;
//! - [`http`]: servers within the test process;
//! - [`proxy`]: a network that loses, delays and doubles;
//! - [`azurite`]: starts Microsoft's storage emulator and ends it, however the test process ends;
//! - [`canary`]: secrets, and a search for them in everything that is shown;
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

// A test that cannot have its server ends there: a panic is how it says so.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::new_without_default, missing_docs)]

pub mod azurite;
pub mod canary;
pub mod cosmos;
pub mod credential;
pub mod critical_section;
pub mod faketime;
pub mod figures;
pub mod http;
pub mod mischief;
pub mod names;
pub mod node;
pub mod operator;
pub mod oracle;
#[cfg(unix)]
pub mod pair;
pub mod plot;
#[cfg(unix)]
pub mod postgres;
#[cfg(unix)]
pub mod proxy;
pub use testkit::random;
pub mod sas;
pub mod transport;
#[cfg(unix)]
pub mod worker;
