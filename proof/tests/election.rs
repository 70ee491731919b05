//! The core's tests of the election, optimized.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "../../crates/leader-election/tests/in_process/election/mod.rs"]
mod election;
