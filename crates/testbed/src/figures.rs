//! Figures of many rounds.

use std::time::Duration;

/// From so many rounds on figures are judged, not only what must never happen: below it the slowest of a hundred is the slowest
/// of all, and one that a busy machine held up would decide.
pub const MANY: usize = 100;

/// Of so many in a hundred, how long the slowest took, in seconds.
pub fn percentile(times: impl Iterator<Item = Duration>, percent: usize) -> f64 {
    let mut sorted: Vec<_> = times.collect();
    sorted.sort();
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).map_or(f64::NAN, Duration::as_secs_f64)
}

/// Ends the report of a run.
pub fn print_last_line(takeovers: &[Duration], stale_accepted: usize) {
    let p99 = percentile(takeovers.iter().copied(), 99);
    println!("rounds={} stale_accepted={stale_accepted} p99={p99:.1}s", takeovers.len());
}

/// What the environment asks for.
pub fn asked_for<T: std::str::FromStr>(variable: &str) -> Option<T> {
    let asked = std::env::var(variable).ok()?;
    // What is misspelt must not run something else in silence.
    Some(asked.parse().unwrap_or_else(|_| panic!("{variable}={asked}")))
}
