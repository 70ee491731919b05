//! The store on real Redis servers, which each test starts and ends. By `cargo test -p leader-election-redis -- --ignored`.

#![cfg(unix)]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod common;
mod contract;
mod failover;
mod faults;
mod fence;
mod place;
mod push;
mod refusals;
mod secrets;
