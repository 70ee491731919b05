//! A simulation of whole elections: the real core, the real host and the real document store, of the very crate that workers
//! link, in virtual time, against a hostile store on a hostile network.
//!
//! Each schedule hangs on one number, its seed: which hosts there are and how they are set, which store, what goes wrong
//! and when, what the leaders' tasks are like, every delay and every jitter. Two to four workers contend for 120 virtual
//! seconds of mischief, and then in a calm in which somebody has to lead. What must not be is noted at the instant in which
//! it happens, by the referee of all tests: see [`simulator::monitor`].
//!
//! ```sh
//! cargo test --release --test simulation -- --nocapture                     # 20,000 schedules
//! SIM_SEEDS=1000000 cargo test --release --test simulation -- --nocapture   # as many as you like, from SIM_FROM on
//! SIM_SEED=17 cargo test --test simulation -- --nocapture                   # one, with all that happens in it
//! ```
//!
//! The last line says `schedules=<n> violations=<n>`; each violation comes with its seed and the command that replays it.

#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs)]

#[path = "simulation/mod.rs"]
mod simulator;

fn main() -> std::process::ExitCode {
    simulator::main()
}
