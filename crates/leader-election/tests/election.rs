//! The election's core, invariant by invariant.
//!
//! No runtime, no clock, no store: time is an argument, and a test sends and answers by hand. The numbers in the tests'
//! names are those in the header of `src/election.rs`. What single tests cannot reach, a seeded exploration of several
//! elections against one store looks for; see [`exploration`].

#![allow(clippy::expect_used, clippy::unwrap_used)]

#[path = "election/bench.rs"]
mod bench;
#[path = "election/candidate.rs"]
mod candidate;
#[path = "election/document.rs"]
mod document;
#[path = "election/exploration.rs"]
mod exploration;
#[path = "election/host.rs"]
mod host;
#[path = "election/hostile.rs"]
mod hostile;
#[path = "election/mischief.rs"]
mod mischief;
#[path = "election/next_term.rs"]
mod next_term;
#[path = "election/patience.rs"]
mod patience;
#[path = "support/random.rs"]
mod random;
#[path = "election/shutdown.rs"]
mod shutdown;
#[path = "election/stall.rs"]
mod stall;
#[path = "election/store.rs"]
mod store;
#[path = "election/tasks.rs"]
mod tasks;
#[path = "election/term.rs"]
mod term;
#[path = "election/timers.rs"]
mod timers;
#[path = "election/timing.rs"]
mod timing;
#[path = "election/way_out.rs"]
mod way_out;
#[path = "election/world.rs"]
mod world;
