//! What has to have come to pass for a run to mean anything.

use super::log::Tally;

/// A simulation that never comes across what it is to explore finds nothing.
const EVERYTHING: &[&str] = &[
    // On the network, and in the store's code.
    "cut off",
    "failed after it was carried out",
    "hangs",
    "late",
    "late duplicate",
    "lost reply",
    "outage",
    "partition",
    "phantom conflict",
    "refused",
    "slow answer",
    "store's code panics",
    "throttled",
    "unavailable",
    // Done to the store by others.
    "lease broken",
    "lease usurped",
    "record deleted",
    "store rolled back",
    "two valid after a break",
    // Done to the hosts.
    "asked to step down",
    "clock runs at another rate",
    "clock set back",
    "clock set forward",
    "host dropped",
    "killed",
    "machine suspended",
    "process paused",
    "restarts",
    "run dropped",
    "shut down",
    // Done by the leaders' tasks.
    "heartbeat stops",
    "stale writes refused by the fence",
    "stale writes without a fence",
    "stale writes without a fence, with care",
    "task blocks",
    "task fails",
    "task is deaf",
    "task is done",
    "task is done at once",
    "task is slow to stop",
    "task obeys",
    "task panics",
    "task panics when cancelled",
    "task steps down",
    "task writes with care",
    "task writes without care",
    // Done by the hosts.
    "ended: clock jumped",
    "ended: lease lost",
    "ended: renewal timed out",
    "ended: shutdown",
    "ended: stalled",
    "ended: stepped down",
    "ended: task ended",
    "failed: timeout",
    "foreign lease",
    "granted too late",
    "lapsed versions",
    "release failed",
    "repeated claims",
    "run ended by a refusal",
    "run ended by its task",
    "run ended well",
];

/// How often at least, in a run of a thousand schedules or more.
const AT_LEAST: u64 = 3;

pub fn missing(tally: &Tally) -> Vec<&'static str> {
    let seen = |what: &&&str| tally.get(**what).is_some_and(|times| *times >= AT_LEAST);
    EVERYTHING.iter().filter(|what| !seen(what)).copied().collect()
}
