//! How long a request waits for its access token before it fails with how long signing in has taken.
//!
//! A host drops an attempt at its limit, and then nothing is known but that there was no answer. So the store's call fails by
//! itself before that, with what it waited for; the fetch goes on, and the next attempt finds the token. A store does not know
//! the limit of an attempt, but the lease, which the limits follow.

use std::time::Duration;

/// For an attempt of a host's: a quarter of the attempt timeout that goes with the lease by default, which is the least that a
/// candidate waits for an answer.
pub fn within_an_attempt(lease: Duration) -> Duration {
    lease / 20
}

/// For a look from outside, by somebody who waits for it.
pub const OF_A_LOOK: Duration = Duration::from_secs(9);
