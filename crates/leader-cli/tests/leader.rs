//! The command `leader`: real processes, killed and stopped, and what becomes of what they run.

#![cfg(unix)]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

#[path = "leader/azure.rs"]
mod azure;
#[path = "leader/breaking.rs"]
mod breaking;
#[path = "leader/checking.rs"]
mod checking;
#[path = "leader/command.rs"]
mod command;
#[path = "leader/demo.rs"]
mod demo;
#[path = "leader/ends.rs"]
mod ends;
#[cfg(target_os = "linux")]
#[path = "leader/foreign.rs"]
mod foreign;
#[path = "leader/listing.rs"]
mod listing;
#[path = "leader/rig.rs"]
mod rig;
#[path = "leader/seeing.rs"]
mod seeing;
#[path = "leader/signals.rs"]
mod signals;
#[path = "leader/signing_in.rs"]
mod signing_in;
#[path = "leader/unread.rs"]
mod unread;
#[path = "leader/words.rs"]
mod words;
