//! Days of leadership in seconds: the real host, the real blob store and the real Azure SDK client, over the strict
//! oracle of leases in memory, in tokio's paused time.
//!
//! Three workers contend. Requests are delayed, lost, repeated, refused and swallowed; workers crash, restart, are cut off
//! and hand over; the service fails and throttles; operators break the lease with a period. The [`referee`] sees every
//! election, every task and every request that is carried out, at that instant: at most one worker is valid, tokens rise,
//! the lease is released only when the task is gone, a vacancy ends within a poll and a second of the moment when it could,
//! the requests of a calm minute are those of the README's table, and a graceful stop is bounded.
//!
//! `VIRTUAL_DAYS=30` for longer (take `--release`), `VIRTUAL_SEED=7` for another course of events. A seed brings
//! the very same course again: the hosts draw their claim ids and their jitter from it as well.
//!
//! Real time in the path, as read in azure_core 1.1: the retry policy reads the wall clock after a request that is to be
//! retried, which with no retries at all decides nothing; the bearer token policy judges a token's age by the wall clock,
//! so here it asks for a token with every request. All sleeps are tokio's.
//!
//! There is no sibling for Cosmos DB, as its store takes no transport: its requests go from threads of their own, which no
//! test can pause, by a client that it builds itself, and the SDK's driver times them by the clock of the machine.

#![allow(clippy::expect_used, clippy::unwrap_used)]

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

use std::thread;
use std::time::Duration;

use episodes::World;
use referee::Verdict;
use tokio::runtime::{Builder, Handle};

/// So many courses of events side by side, each with a clock and a share of the days of its own.
const WORLDS: u64 = 4;

#[test]
fn for_days_one_leads_at_a_time_whatever_happens_and_nobody_asks_more_than_is_due() {
    let days = number("VIRTUAL_DAYS").unwrap_or(1);
    let first = number("VIRTUAL_SEED").unwrap_or(1);
    println!("VIRTUAL_DAYS={days} VIRTUAL_SEED={first}");
    let share = Duration::from_secs(days * 24 * 3600) / WORLDS as u32;
    let worlds: Vec<_> = (first..first + WORLDS).map(|seed| thread::spawn(move || live(seed, share))).collect();
    let verdicts: Vec<_> = worlds.into_iter().map(|world| world.join().expect("a world that does not panic")).collect();

    let sum = |of: fn(&Verdict) -> u64| verdicts.iter().map(of).sum::<u64>();
    let (requests, elections, strict) =
        (sum(|verdict| verdict.requests), sum(|verdict| verdict.elections), sum(|verdict| verdict.strict));
    let violations: Vec<_> = verdicts.iter().flat_map(|verdict| verdict.violations.clone()).collect();
    let mut failovers: Vec<_> = verdicts.iter().flat_map(|verdict| verdict.failovers.clone()).collect();
    failovers.sort();
    let p99 = failovers.get(failovers.len() * 99 / 100).map_or(0.0, Duration::as_secs_f64);
    let (hours, broken) = (days * 24, violations.len());
    println!("virtual_hours={hours} requests={requests} elections={elections} violations={broken} p99={p99:.1}s");
    println!("failovers={} longest={:?} vacancies without excuse={strict}", failovers.len(), failovers.last());
    assert!(violations.is_empty(), "{}", violations.join("\n"));
    assert!(elections >= 50 * days && strict >= 20 * days, "hardly anything happened: {verdicts:?}");
}

#[test]
fn the_same_seed_gives_the_same_course_of_events() {
    let course = || {
        let verdict = live(17, Duration::from_secs(2 * 3600));
        assert!(verdict.requests > 1_000 && verdict.elections > 1, "hardly anything happened: {verdict:?}");
        format!("{verdict:?}")
    };
    let twice = [course, course].map(thread::spawn).map(|thread| thread.join().expect("no panic"));
    assert_eq!(twice[0], twice[1]);
}

/// One course of events, until that time by its own clock.
fn live(seed: u64, end: Duration) -> Verdict {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
    let verdict = runtime.block_on(async {
        let mut world = World::new(seed);
        let mut settled = None;
        while world.referee.now() < end {
            world.episode().await;
            if settled.is_none() && world.referee.now() > end / 2 {
                settled = resident_bytes();
            }
        }
        let referee = world.stop().await;
        // What was lost in the network is given up after half a minute, and what is late comes a little later still.
        tokio::time::sleep(Duration::from_secs(120)).await;
        if let Some((before, after)) =
            settled.zip(resident_bytes()).filter(|(before, after)| before + (16 << 20) < *after)
        {
            referee.violation(&format!("memory grows: {before} bytes half-way, {after} at the end"));
        }
        let tasks = Handle::current().metrics().num_alive_tasks();
        if tasks > 0 {
            referee.violation(&format!("{tasks} tasks are left over"));
        }
        referee.verdict()
    });
    let violations = verdict.violations.iter().map(|what| format!("VIRTUAL_SEED={seed}: {what}")).collect();
    Verdict { violations, ..verdict }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().expect("a number"))
}

/// The memory that this process has, where the system tells.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(statm.split_whitespace().nth(1)?.parse::<u64>().ok()? * 4096)
}
