//! How long a call waits for something of the store's own before it fails with what it waited for: for an access token, by
//! [`SharedSecret::get`](super::credential::SharedSecret::get), or for a lock that another process holds.
//!
//! A host drops an attempt at its limit, and then nothing is known but that there was no answer. So the store's call fails by
//! itself before that, with what it waited for; the fetch goes on, and the next attempt finds the token. A store does not know
//! the limit of an attempt, but the lease, which the limits follow.

use std::time::Duration;

/// For an attempt of a host's: a quarter of the attempt timeout that goes with the lease by default (a fifth of the lease, 6 s at the most), which
/// is the least that a candidate waits for an answer. Take it in `try_acquire`, `renew` and `release`.
///
/// ```
/// use leader_election::kit::patience::within_an_attempt;
/// use std::time::Duration;
///
/// assert_eq!(within_an_attempt(Duration::from_secs(15)), Duration::from_millis(750));
/// ```
#[must_use]
pub fn within_an_attempt(lease: Duration) -> Duration {
    lease / 20
}

/// For a look from outside, by somebody who waits for it: `observe`, the calls of an operator, and a fenced write. 9 s.
pub const OF_A_LOOK: Duration = Duration::from_secs(9);
