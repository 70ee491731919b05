//! Stands in for the crate `uuid` in the product's sources: what is random there comes from the schedule's seed here.

use std::cell::RefCell;

use super::random::{Random, mix};

thread_local! {
    /// Of the schedule that runs on this thread.
    static RANDOM: RefCell<Random> = const { RefCell::new(Random::new(0)) };
}

/// From here on this thread draws what this seed gives.
pub fn seed(seed: u64) {
    RANDOM.set(Random::new(seed));
}

fn draw() -> u64 {
    RANDOM.with_borrow_mut(Random::next)
}

/// As much of a UUID as the product uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid([u8; 16]);

impl Uuid {
    pub fn new_v4() -> Self {
        Self::from_u128(u128::from(draw()) << 64 | u128::from(draw()))
    }

    pub const fn from_u128(id: u128) -> Self {
        Self(id.to_be_bytes())
    }

    /// Another name for the same id; here it need not be one-way.
    pub fn new_v5(namespace: &Self, name: &[u8]) -> Self {
        let (mut high, mut low) = namespace.as_u64_pair();
        for byte in name {
            high = mix(high ^ u64::from(*byte));
            low = mix(low.wrapping_add(high));
        }
        Self::from_u128(u128::from(high) << 64 | u128::from(low))
    }

    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub fn as_u64_pair(&self) -> (u64, u64) {
        let id = u128::from_be_bytes(self.0);
        ((id >> 64) as u64, id as u64)
    }

    pub fn simple(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }

    pub fn hyphenated(&self) -> String {
        self.simple()
    }
}
