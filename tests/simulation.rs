//! A simulation of whole elections: the real core, the real host and the real document store, in virtual time, against a
//! hostile store on a hostile network.
//!
//! Each schedule hangs on one number, its seed: which hosts there are and how they are set, which store, what goes wrong
//! and when, what the leaders' tasks are like, every delay and every jitter. Two to four workers contend for 120 virtual
//! seconds of mischief, and then in a calm in which somebody has to lead. What must not be is noted at the instant in which
//! it happens, see [`simulator::monitor`].
//!
//! ```sh
//! cargo test --release --test simulation -- --nocapture                     # 20,000 schedules
//! SIM_SEEDS=1000000 cargo test --release --test simulation -- --nocapture   # as many as you like, from SIM_FROM on
//! SIM_SEED=17 cargo test --test simulation -- --nocapture                   # one, with all that happens in it
//! ```
//!
//! The last line says `schedules=<n> violations=<n>`; each violation comes with its seed and the command that replays it.

#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs)]

// The product draws ids and jitter from the operating system, by way of the crate `uuid`; a schedule that is to be the
// same each time needs them from its seed. So the product's own sources are compiled into this test, with another `uuid`:
// all but its stores for Azure, which have no part in this.
extern crate self as azure_leader_election;
extern crate self as uuid;

#[path = "../src"]
#[allow(dead_code, unused_imports)]
mod product {
    pub mod caught;
    pub mod claim;
    pub mod clock;
    pub mod document;
    pub mod election;
    pub mod error;
    pub mod fencing;
    pub mod health;
    pub mod host;
    pub mod leadership;
    pub mod mutex;
    pub mod options;
    pub mod renewal_thread;
    pub mod requests;
    pub mod status;
    pub mod telemetry;
    pub mod timing;
    pub mod user_code;
    pub mod watchdog;
}

pub use async_trait::async_trait;
pub use claim::{Claim, ClaimId, HolderId};
pub use election::{AfterTask, EndReason};
pub use error::{Error, ErrorKind, Result};
pub use fencing::FencingToken;
pub use host::{LeaderHost, TaskError};
pub use leadership::Leadership;
pub use mutex::{Acquire, DistributedMutex, Grant, Held, Leader, Loss, Observation, Renew, Version};
pub use options::{LeaderHostOptions, Pump};
pub use product::{
    caught, claim, clock, document, election, error, fencing, health, host, leadership, mutex, options, renewal_thread,
    requests, status, telemetry, timing, user_code, watchdog,
};
pub use simulator::ids::Uuid;
pub use status::{LeaderEvent, LeaderEvents, Operation, Status};
pub use timing::{Timing, TimingOptions};
pub use tokio_util::sync::CancellationToken;

#[path = "simulation/mod.rs"]
mod simulator;

fn main() -> std::process::ExitCode {
    simulator::main()
}
