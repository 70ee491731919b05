//! Two Cosmos DB accounts for tests, both over plain http on this machine, so that several processes can share one.
//!
//! - [`Emulator`]: Microsoft's own, inside the test process, with faults at will and a look behind the curtain;
//! - [`VercelServer`]: a process of its own, by other people: a second opinion.
//!
//! Both refuse to start unless the environment variable `COSMOS_DISABLE_IMDS` is set, as `.cargo/config.toml` does:
//! without it every client looks for Azure's metadata service first, and tests stay on this machine.

// Each test binary uses only a part of these.
#![allow(unused_imports)]

pub mod client;
pub mod election;
mod emulator;
mod token;
mod vercel;

pub use client::signed_in;
pub use emulator::{Emulator, EmulatorOptions, Kind};
pub use token::EmulatorToken;
pub use vercel::VercelServer;

fn assert_that_clients_stay_here() {
    assert!(std::env::var_os("COSMOS_DISABLE_IMDS").is_some(), "set the environment variable COSMOS_DISABLE_IMDS");
}

/// A key in the form that Cosmos DB gives; the emulator accepts no other, the other server accepts any.
pub const KEY: &str = "dGhpcyBrZXkgcHJvdGVjdHMgbm90aGluZywgaXQgaXMgZm9yIHRoZSB0ZXN0cyBvZiB0aGlzIHJlcG8=";
