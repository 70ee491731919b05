//! A service's time, which fencing tokens follow, from answers that tell whole seconds only.
//!
//! A token that follows the service's time goes on rising when the record was deleted. A store passes that time to
//! [`next_token`](super::record::next_token), or as [`Stored::server_ms`](crate::document::Stored::server_ms). It is of this use alone: no lease is
//! counted by it.
//!
//! ```
//! use leader_election::kit::service_time::{at_least, millis_in};
//! use std::time::Duration;
//!
//! // A header said `Date: Fri, 20 Nov 2026 00:00:00 GMT`.
//! let told = millis_in(1_795_132_800).expect("in range");
//! assert_eq!(told / 1_000, 1_795_132_800);
//! // A minute later, without asking again.
//! assert!(at_least(told, Duration::from_secs(60)) > told + 57_000);
//! ```

use std::time::Duration;
use std::time::SystemTime;

use crate::timing::MAX_CLOCK_RATE;

/// Milliseconds since 1970 on the service's clock, of which it told this second since 1970; `None` where there is no such number.
///
/// Where in that second is taken from the local clock: then tokens also rise when a record is deleted and created anew within
/// one second, at least by the same machine. The second itself is always the service's.
#[must_use]
pub fn millis_in(second: u64) -> Option<u64> {
    let begin = second.checked_mul(1_000)?;
    let local = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let local = u64::try_from(local.as_millis()).unwrap_or(u64::MAX);
    Some(local.clamp(begin, begin.checked_add(999)?))
}

/// What the service's clock shows at the least, in milliseconds since 1970, after this time on the local one: clocks may run at
/// rates up to 5 % apart.
#[must_use]
pub fn at_least(told_ms: u64, elapsed: Duration) -> u64 {
    let passed = elapsed.div_f64(MAX_CLOCK_RATE).as_millis();
    told_ms.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_the_services_and_the_rest_is_local() {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
        assert_eq!(millis_in(now - 3_600), Some((now - 3_600) * 1_000 + 999), "a local clock that is ahead");
        assert_eq!(millis_in(now + 3_600), Some((now + 3_600) * 1_000), "one that is behind");
        assert_eq!(millis_in(u64::MAX), None);
        let (first, second) = (millis_in(now), millis_in(now));
        assert!(first <= second);
    }

    #[test]
    fn a_local_clock_that_runs_fast_does_not_get_ahead_of_the_service() {
        // 105 s on a local clock that runs 5 % fast are 100 s.
        assert_eq!(at_least(1_000, Duration::from_secs(105)), 101_000);
    }
}
