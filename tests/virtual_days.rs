//! Days of leadership in seconds: the real host, the real blob store and the real Azure SDK client, over the strict
//! oracle of leases in memory, in tokio's paused time.
//!
//! Three workers contend. Requests are delayed, lost, repeated, refused and swallowed; workers crash, restart, are cut off
//! and hand over; the service fails and throttles; operators break the lease with a period. The [`referee`] sees every
//! election, every task and every request that is carried out, at that instant: at most one worker is valid, tokens rise,
//! the lease is released only when the task is gone, a vacancy ends within a poll and a second of the moment when it could,
//! the requests of a calm minute are those of the README's table, and a graceful stop is bounded.
//!
//! `VIRTUAL_DAYS=30` for longer (take `--release`), `VIRTUAL_SEED=7` for another course of events. The jitter and the
//! claim ids of the hosts come from the operating system, so that a seed repeats the faults and not each millisecond.
//!
//! Real time in the path, as read in azure_core 1.1: the retry policy reads the wall clock after a request that is to be
//! retried, which with no retries at all decides nothing; the bearer token policy judges a token's age by the wall clock,
//! so here it asks for a token with every request. All sleeps are tokio's.

#![cfg(feature = "blob")]
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod support;

#[path = "virtual_days/dice.rs"]
mod dice;
#[path = "virtual_days/episodes.rs"]
mod episodes;
#[path = "virtual_days/referee.rs"]
mod referee;
#[path = "virtual_days/tally.rs"]
mod tally;
#[path = "virtual_days/weather.rs"]
mod weather;
#[path = "virtual_days/worker.rs"]
mod worker;

use std::time::Duration;

use episodes::World;

#[tokio::test(start_paused = true)]
async fn for_days_one_leads_at_a_time_whatever_happens_and_nobody_asks_more_than_is_due() {
    let days = number("VIRTUAL_DAYS").unwrap_or(1);
    let seed = number("VIRTUAL_SEED").unwrap_or(1);
    println!("VIRTUAL_DAYS={days} VIRTUAL_SEED={seed}");
    let mut world = World::new(seed);
    let end = Duration::from_secs(days * 24 * 3600);
    let mut settled = None;
    while world.referee.now() < end {
        world.episode().await;
        if settled.is_none() && world.referee.now() > Duration::from_secs(6 * 3600) {
            settled = resident_bytes();
        }
    }
    let hours = world.referee.now().as_secs() / 3600;
    let referee = world.stop().await;

    // What was lost in the network is given up after half a minute, and what is late is later still.
    tokio::time::sleep(Duration::from_secs(120)).await;
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let verdict = referee.verdict();
    let mut failovers = verdict.failovers.clone();
    failovers.sort();
    let p99 = failovers[failovers.len().saturating_sub(1) * 99 / 100];
    println!(
        "virtual_hours={hours} requests={} elections={} violations={} p99={:.1}s",
        verdict.requests,
        verdict.elections,
        verdict.violations.len(),
        p99.as_secs_f64()
    );
    println!("failovers={} longest={:?} vacancies_without_excuse={}", failovers.len(), failovers.last(), verdict.strict);
    assert!(verdict.violations.is_empty(), "seed {seed}:\n{}", verdict.violations.join("\n"));
    assert!(verdict.elections >= 50 * days && verdict.strict >= 20 * days, "hardly anything happened: {verdict:?}");
    assert_eq!(tasks, 0, "tasks are left over");
    if let (Some(before), Some(after)) = (settled, resident_bytes()) {
        println!("resident after 6 h: {} KiB, at the end: {} KiB", before / 1024, after / 1024);
        assert!(after.saturating_sub(before) < 16 << 20, "memory grows");
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().expect("a number"))
}

/// The memory that this process has, where the system tells.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(statm.split_whitespace().nth(1)?.parse::<u64>().ok()? * 4096)
}
