//! The store on Service Bus, on the broker.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod common;
mod contract;
mod errors;
mod faults;
mod hosts;
mod links;
mod push;
mod sign_in;
mod writer;
