//! The store on real etcd, which each test starts and ends. By `cargo test -p leader-election-etcd -- --ignored`; `LEADER_ETCD_SCALE=10` makes the
//! long ones ten times as long.

#![cfg(unix)]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;
mod contract;
mod errors;
mod failover;
mod fenced;
mod outages;
mod push;
mod snapshot;
