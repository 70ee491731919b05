//! Real workers with a critical section, stopped, killed and cut off in the middle of it, and a checker of what came of it.
//!
//! - [`rig`]: servers, and several elections at once, round by round;
//! - [`lane`]: one election with its register and two workers, and what is done to them;
//! - [`story`]: what happened in a round, for those that took long;
//! - [`service`]: what the service did to the register;
//! - [`history`]: the verdict over all that the workers said, over what the service did, and over what stands in the register at
//!   the end;
//! - [`outcome`]: the figures of a run.

// Each test binary uses only a part of these.
#![allow(unused_imports)]

mod history;
mod lane;
mod outcome;
mod rig;
mod seed;
mod service;
mod story;

pub use history::{Verdict, judge};
pub use lane::Harm;
pub use outcome::Outcome;
pub use rig::{Pace, Plan, run};
pub use service::{Reply, Write};
pub use story::Round;
