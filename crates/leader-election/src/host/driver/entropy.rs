//! Randomness for ids and jitter.

use crate::claim::ClaimId;
use crate::election::Entropy;

/// Random numbers of the operating system.
#[derive(Debug)]
pub(super) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn claim_id(&mut self) -> ClaimId {
        ClaimId::random()
    }

    fn fraction(&mut self) -> f64 {
        // The low half of a random UUID, of which 62 bits are random.
        let random = uuid::Uuid::new_v4().as_u64_pair().1 & ((1 << 53) - 1);
        random as f64 / (1u64 << 53) as f64
    }
}
