//! The seed of all that goes wrong in a run.

use std::hash::{BuildHasher, Hasher, RandomState};

use crate::figures::asked_for;
use crate::random::mix;

/// `LEADER_SEED`, or another one each time.
///
/// The same one brings the same faults to the same requests of each worker, the same clocks and the same pauses before a harm;
/// what the machine does in between, and so which request is the fiftieth, is up to the machine.
pub fn seed() -> u64 {
    asked_for("LEADER_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish())
}

/// A seed of this part's own.
pub fn seed_of(seed: u64, part: &str) -> u64 {
    part.bytes().fold(mix(seed), |seed, byte| mix(seed ^ u64::from(byte)))
}
