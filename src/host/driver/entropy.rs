//! Randomness for ids and jitter.

use crate::claim::ClaimId;
use crate::election::Entropy;
use crate::sources::Sources;

impl Entropy for Sources {
    fn claim_id(&mut self) -> ClaimId {
        ClaimId::random_from(self)
    }

    fn fraction(&mut self) -> f64 {
        Sources::fraction(self)
    }
}
