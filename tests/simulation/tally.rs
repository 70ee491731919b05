//! What has to have come to pass for a run to mean anything.

use super::log::Tally;

/// A simulation that never comes across what it is to explore finds nothing.
const EVERYTHING: &[&str] = &[];

/// How often at least, in a thousand schedules.
const AT_LEAST: u64 = 5;

pub fn missing(tally: &Tally) -> Vec<&'static str> {
    let seen = |what: &&&str| tally.get(**what).is_some_and(|times| *times >= AT_LEAST);
    EVERYTHING.iter().filter(|what| !seen(what)).copied().collect()
}
