//! Real workers with a critical section, stopped, killed and cut off in the middle of it, and a checker of what came of it.
//!
//! - [`rig`]: servers, and several elections at once, round by round;
//! - [`lane`]: one election with its register and two workers, and what is done to them;
//! - [`story`]: what happened in a round, for those that took long;
//! - [`history`]: the verdict over all that the workers said, and over what stands in the register at the end.

// Each test binary uses only a part of these.
#![allow(unused_imports)]

mod history;
mod lane;
mod rig;
mod story;

pub use history::{Verdict, judge};
pub use lane::Harm;
pub use rig::{Outcome, Pace, Plan, percentile, run};
pub use story::Round;
