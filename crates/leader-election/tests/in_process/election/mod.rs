//! The election's core, invariant by invariant.
//!
//! No runtime, no clock, no store: time is an argument, and a test sends and answers by hand. The numbers in the tests'
//! names are those in the header of `src/election.rs`. What single tests cannot reach, a seeded exploration of several
//! elections against one store looks for; see [`exploration`].

mod bench;
mod candidate;
mod document;
mod exploration;
mod host;
mod hostile;
mod mischief;
mod next_term;
mod patience;
mod shutdown;
mod stall;
mod store;
mod tasks;
mod term;
mod timers;
mod timing;
mod way_out;
mod world;
