//! When to fetch again. Pure: the randomness is an argument, a fraction from 0 up to 1.

use std::time::Duration;

use crate::sources::Sources;

/// How long before its end a secret is fetched anew; of a short one, half its life.
const EARLY: Duration = Duration::from_secs(600);
/// Many sources keep the secret themselves and give the same one out until five minutes before its end. The workers of a
/// fleet then all come to that instant together, and are spread over the next minute.
const SOURCES_OWN: Duration = Duration::from_secs(300);
const SPREAD: Duration = Duration::from_secs(60);
/// The least and the most between two looks at a source that goes on giving out the same secret near its end.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));
/// After failures: with each one twice as long. Nobody waits for it while there is a good secret.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
const LONGEST_PAUSE_WHILE_GOOD: Duration = Duration::from_secs(30);
/// What a service asks for is kept to, up to this.
const LONGEST_ASKED: Duration = Duration::from_secs(300);
/// How long a fetch may take. One that is given up may leave a program running, so the next one has more time.
const LIMIT: Duration = Duration::from_secs(60);
const LONGEST_LIMIT: Duration = Duration::from_secs(120);
/// Between two fetches, whatever their outcome: a secret may come that is good for no time at all.
pub(super) const SHORTEST_REST: Duration = Duration::from_secs(1);

/// A secret that is past its end when it comes tells of a clock that is wrong, more likely this machine's. It is used, and
/// the service judges.
pub(super) const LIFE_BY_A_WRONG_CLOCK: Duration = Duration::from_secs(60);

/// After what time a secret that is good for `left` is fetched anew; `same` if it is the one that was there before.
pub(super) fn refresh_after(left: Duration, same: bool, fraction: f64) -> Duration {
    if !same {
        let early = EARLY.min(left / 2);
        return (left.saturating_sub(early) + early.mul_f64(fraction / 4.0)).max(SHORTEST_REST);
    }
    match left.checked_sub(SOURCES_OWN) {
        Some(until) => until + SPREAD.mul_f64(fraction).max(LOOK_AGAIN.0),
        None => (left / 8).clamp(LOOK_AGAIN.0, LOOK_AGAIN.1),
    }
}

/// How long to wait after so many failures in a row, of which the last one asked for `asked`.
pub(super) fn pause(failures: u32, asked: Option<Duration>, is_good: bool, fraction: f64) -> Duration {
    let longest = if is_good { LONGEST_PAUSE_WHILE_GOOD } else { LONGEST_PAUSE };
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10));
    let own = doubled.min(longest).mul_f64(0.5 + fraction);
    match asked.map(|asked| asked.min(LONGEST_ASKED)) {
        Some(asked) if asked > own => asked.mul_f64(1.0 + fraction / 10.0),
        _ => own,
    }
}

/// How long a fetch may take, after so many in a row that took too long.
pub(super) fn limit(too_long: u32) -> Duration {
    LIMIT.saturating_mul(1 << too_long.min(10)).min(LONGEST_LIMIT)
}

/// A random fraction.
pub(super) fn random() -> f64 {
    Sources::system().fraction()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_secret_is_fetched_anew_well_before_its_end_however_long_it_lives() {
        for left in [3, 10, 60, 290, 315, 3600, 86_400, 315_360_000].map(Duration::from_secs) {
            for fraction in [0.0, 0.5, 0.999] {
                let after = refresh_after(left, false, fraction);
                let early = left - after;
                assert!(early >= (left / 3).min(MINUTE * 7), "{left:?}: only {early:?} before its end");
            }
        }
    }

    #[test]
    fn a_source_that_keeps_its_secret_until_five_minutes_before_the_end_is_asked_after_that_and_not_by_all_at_once() {
        let (left, window) = (MINUTE * 9, MINUTE * 5);
        let asked = [0.0, 0.5, 0.999].map(|fraction| left - refresh_after(left, true, fraction));
        assert!(asked.iter().all(|before| *before <= window && *before > window - MINUTE), "{asked:?}");
        assert!(asked[0] - asked[2] > MINUTE / 2, "spread: {asked:?}");
        // Within that time it is asked again and again, and never without a pause.
        let mut left = window - MINUTE;
        for _ in 0..10 {
            let after = refresh_after(left, true, 0.0);
            assert!(after >= LOOK_AGAIN.0 && after <= LOOK_AGAIN.1);
            left = left.saturating_sub(after);
        }
        assert!(left < MINUTE * 2);
    }

    #[test]
    fn pauses_double_up_to_a_limit_differ_by_chance_and_keep_to_what_the_service_asks() {
        let at = |failures, asked, good| pause(failures, asked, good, 0.5);
        assert_eq!([1, 2, 3, 4, 5, 99].map(|n| at(n, None, false).as_secs()), [1, 2, 4, 8, 8, 8]);
        assert_eq!(at(99, None, true), LONGEST_PAUSE_WHILE_GOOD);
        assert!(pause(3, None, false, 0.0) * 2 < pause(3, None, false, 0.99));
        let asked = at(1, Some(MINUTE), false);
        assert!(asked >= MINUTE && asked < MINUTE * 2, "{asked:?}");
        assert!(at(1, Some(Duration::MAX), true) < MINUTE * 6, "an absurd wish is no reason to stop for good");
        assert_eq!(at(4, Some(Duration::ZERO), false).as_secs(), 8, "nor to ask without a pause");
    }

    #[test]
    fn the_limit_of_a_fetch_grows_and_stays_finite() {
        assert_eq!([0, 1, 2, u32::MAX].map(|n| limit(n).as_secs()), [60, 120, 120, 120]);
    }
}
