//! A seeded exploration: hosts with clocks of different rates contend for one store while requests and answers are
//! lost, delayed, doubled and reordered, processes pause, crash and restart, machines are restored from copies, clocks jump, and leaders' tasks end, hang
//! and turn deaf.
//!
//! Everything hangs on the seed. `ELECTION_SEEDS=100000` looks at more of them than a normal run does, and
//! `ELECTION_SEED=17` replays one, which prints all that happens in it under `-- --nocapture`.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use testkit::store::Rules;

use crate::election::world::{Tally, World};
use testkit::random::Random;

/// How many seeds a normal run looks at, of the store that most use.
const SEEDS: u64 = 2_000;

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} must be a number, not {value:?}")))
}

fn world(seed: u64, document: bool, grants: u32, trace: bool) -> World {
    let mut random = Random::new(seed);
    let rules = Rules {
        document,
        revives: random.chance(50),
        looks_first: random.chance(50),
        hints: random.chance(30),
        withholds: 100 - grants,
        clock_ms: None,
    };
    World::new(random.fork(), rules, trace)
}

/// Runs a share of the seeds, on all cores; how often what was seen, all together.
fn explore(one_in: u64, document: bool, grants: u32) -> Tally {
    if let Some(seed) = number("ELECTION_SEED") {
        world(seed, document, grants, true).run();
        return Tally::new();
    }
    let seeds = number("ELECTION_SEEDS").unwrap_or(SEEDS).div_ceil(one_in);
    let next = AtomicU64::new(0);
    let work = || {
        let mut seen = Tally::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return seen;
            }
            let mut world = world(seed, document, grants, false);
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| world.run())) {
                next.store(seeds, Ordering::Relaxed);
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
                panic!("{text}\nreplay it with ELECTION_SEED={seed}, this test's name and -- --nocapture");
            }
            add(&mut seen, world.tally);
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut tally = Tally::new();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            add(&mut tally, worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
    });
    tally
}

fn add(tally: &mut Tally, seen: Tally) {
    for (what, times) in seen {
        *tally.entry(what).or_default() += times;
    }
}

/// An exploration that never comes across what it is to explore finds nothing.
fn assert_seen(tally: &Tally, what: &[&str]) {
    // A replay and a handful of seeds see what they see.
    let enough = tally.get("elected").is_some_and(|elected| *elected >= 1_000);
    for what in what.iter().filter(|_| enough) {
        assert!(tally.get(*what).is_some_and(|times| *times >= 3), "{what}: too seldom in {tally:?}");
    }
}

const EVERYWHERE: [&str; 13] = [
    "clock jumped",
    "copies",
    "ended",
    "foreign lease",
    "granted too late",
    "lease lost",
    "left by choice",
    "overrun",
    "release failed",
    "renewal timed out",
    "stalled",
    "time-outs",
    "unsettled claims",
];

#[test]
fn invariants_1_to_16_hold_on_a_lease_store_whatever_happens() {
    let tally = explore(1, false, 100);
    assert_seen(&tally, &EVERYWHERE);
}

#[test]
fn invariants_1_to_16_hold_on_a_document_store_whatever_happens() {
    let tally = explore(3, true, 100);
    assert_seen(&tally, &EVERYWHERE);
    assert_seen(&tally, &["lapsed versions"]);
}

#[test]
fn invariants_1_to_16_hold_on_a_store_that_grants_less_than_it_is_asked_for() {
    let tally = explore(8, false, 80);
    assert_seen(&tally, &["renewal timed out"]);
}
