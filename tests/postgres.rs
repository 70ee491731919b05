//! What `samples/ledger` says of its writes, held against a real PostgreSQL server: a leader that has been replaced
//! changes nothing, whatever it has read and wherever it waits.
//!
//! `cargo test --test postgres -- --ignored` runs them all; they start a server of their own.

#![cfg(unix)]
#![allow(clippy::expect_used, clippy::unwrap_used)]

#[path = "../samples/ledger/mod.rs"]
mod ledger;

#[path = "postgres/books.rs"]
mod books;
#[path = "postgres/crowd.rs"]
mod crowd;
#[path = "postgres/guarded_row.rs"]
mod guarded_row;
#[path = "postgres/paused_process.rs"]
mod paused_process;
#[path = "postgres/transaction.rs"]
mod transaction;
