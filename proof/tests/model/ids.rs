//! Claim ids in sequence, and no chance: the same choices lead to the same state.

use std::hash::{Hash, Hasher};

use leader_election::ClaimId;
use leader_election::election::Entropy;

/// A claim, by the candidate that minted it and how many that candidate had minted before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimNo {
    pub host: u8,
    pub number: u32,
}

impl ClaimNo {
    pub fn of(id: ClaimId) -> Self {
        let mut bytes = IdBytes::default();
        id.hash(&mut bytes);
        Self::from_bytes(bytes.0)
    }

    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let id = u128::from_be_bytes(bytes);
        Self { host: (id >> 64) as u8, number: id as u32 }
    }

    fn id(self) -> ClaimId {
        ClaimId::from_u128(u128::from(self.host) << 64 | u128::from(self.number))
    }
}

/// The entropy of one candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    pub latest: ClaimNo,
    /// What each draw yields, in per cent: one half leaves a jittered pause as it is.
    pub percent: u8,
}

impl Entropy for Ids {
    fn claim_id(&mut self) -> ClaimId {
        self.latest.number += 1;
        self.latest.id()
    }

    fn fraction(&mut self) -> f64 {
        f64::from(self.percent) / 100.0
    }
}

/// How many ids were minted tells nothing of what is to come.
impl Hash for Ids {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// The only way to the number inside an id is the one that its hash takes.
#[derive(Default)]
struct IdBytes([u8; 16]);

impl Hasher for IdBytes {
    fn write(&mut self, bytes: &[u8]) {
        if let Ok(id) = bytes.try_into() {
            self.0 = id;
        }
    }

    fn finish(&self) -> u64 {
        0
    }
}
