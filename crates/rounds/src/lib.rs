//! Rounds of real processes: two workers of an election, of which the leader is killed, stopped, cut off or told to end, again and
//! again, until it is known what comes of it.
//!
//! - [`service`]: the servers of a store, and the way to them;
//! - [`lane`]: one election with its two workers and its ledger;
//! - [`run`]: many lanes at once, wave by wave;
//! - [`outcome`]: the figures, and the verdict over what stands in the ledgers;
//! - [`ledger`]: what the leaders write to, which refuses older ones.

// A round that cannot be played ends there: a panic is how it says so.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, missing_docs)]
#![cfg(unix)]

pub mod lane;
pub mod ledger;
pub mod outcome;
pub mod run;
pub mod service;

pub use lane::Harm;
pub use run::{Plan, run};
pub use service::Service;
