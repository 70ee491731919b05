//! The simulator; see the test's own documentation.

mod clock;
mod log;
mod mischief;
pub mod monitor;
mod network;
mod plan;
mod port;
mod process;
mod resource;
mod run;
mod schedule;
mod store;
mod tally;
mod tasks;
mod world;

pub use run::main;
