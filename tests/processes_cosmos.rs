//! Real worker processes against Microsoft's emulator of Cosmos DB: killed, and told to end.
//!
//! `LEADER_ROUNDS=20 cargo test --test processes_cosmos -- --nocapture` runs more rounds and prints what it measured.

#![cfg(all(feature = "cosmos", unix))]
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod support;

use std::time::Duration;

use nix::sys::signal::Signal;
use support::cosmos::{Emulator, EmulatorOptions, KEY};
use support::pair::{PATIENCE, Pair};
use support::worker::{Worker, report};

const LEASE: Duration = Duration::from_secs(3);

#[test]
fn a_killed_leader_is_replaced_when_its_lease_has_run_out() {
    let waits = rounds(Pair::kill_the_leader);
    report("sigkill", &waits);
    // The last renewal is at most one rhythm old, so the lease lives for two thirds of its length at the least.
    assert!(waits.iter().all(|wait| *wait > LEASE / 2), "nobody takes over while the lease runs: {waits:?}");
    assert!(waits.iter().all(|wait| *wait < LEASE * 3), "no second lease of vacancy: {waits:?}");
}

#[test]
fn a_leader_told_to_end_hands_over_at_once() {
    let waits = rounds(Pair::tell_the_leader_to_end);
    report("sigterm", &waits);
    assert!(waits.iter().all(|wait| *wait < LEASE), "a hand-over does not wait for the lease: {waits:?}");
}

/// Nobody compares a remote time with the local one: a worker whose clock is an hour ahead takes nothing over early, and
/// one whose clock is an hour behind loses nothing.
#[test]
#[ignore = "needs libfaketime: LEADER_FAKETIME=<path of libfaketime.so.1> cargo test --test processes_cosmos -- --ignored"]
fn clocks_an_hour_apart_make_no_early_takeover_and_no_lost_leader() {
    let library = std::env::var("LEADER_FAKETIME").expect("LEADER_FAKETIME is the path of libfaketime.so.1");
    let ahead = [("COSMOS_KEY", KEY), ("LD_PRELOAD", library.as_str()), ("FAKETIME", "+3600")];
    let right = [("COSMOS_KEY", KEY)];
    let emulator = Emulator::start(EmulatorOptions::default());
    emulator.create_container("workers", "leaders");
    for (round, (leaders, standbys)) in [(&right[..], &ahead[..]), (&ahead[..], &right[..])].into_iter().enumerate() {
        let (endpoint, election) = (emulator.endpoint(), format!("skewed-{round}"));
        let worker = |name: &str, environment| {
            let arguments = [&endpoint, "workers", "leaders", &election, "--lease", "3", "--poll", "0.5"];
            Worker::start("cosmos_worker", &arguments, name, environment)
        };
        let leader = worker("first", leaders);
        let (_, started) = leader.wait_for(0, "task started", PATIENCE);
        let standby = worker("second", standbys);
        let (_, watching) = standby.wait_for(0, "standby, first", PATIENCE);
        assert!(started.at.abs_diff(watching.at) > 3_500_000, "the clocks are an hour apart");
        std::thread::sleep(LEASE * 4);
        assert!(!standby.lines().iter().any(|line| line.text.contains("elected")), "it took over early");
        assert!(!leader.lines().iter().any(|line| line.text.contains("ended")), "it lost the lead");
        let killed = std::time::Instant::now();
        leader.signal(Signal::SIGKILL);
        let (_, taken) = standby.wait_for(0, "task started", PATIENCE);
        assert!(taken.token() > started.token(), "tokens rise");
        println!("clocks an hour apart: takeover {:.2}s after the kill", killed.elapsed().as_secs_f64());
    }
}

/// Runs the rounds, each on an election of its own, a few at once.
fn rounds(round: fn(Pair) -> Duration) -> Vec<Duration> {
    let emulator = Emulator::start(EmulatorOptions::default());
    emulator.create_container("workers", "leaders");
    let endpoint = emulator.endpoint();
    let count = std::env::var("LEADER_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(2);
    let numbers: Vec<usize> = (0..count).collect();
    let mut waits = Vec::new();
    for some in numbers.chunks(5) {
        let threads: Vec<_> = some
            .iter()
            .map(|number| {
                let (endpoint, number) = (endpoint.clone(), *number);
                std::thread::spawn(move || {
                    let election = format!("round-{number}");
                    let worker = |name: &str| {
                        let arguments = [&endpoint, "workers", "leaders", &election, "--lease", "3", "--poll", "0.5"];
                        Worker::start("cosmos_worker", &arguments, &format!("{name}-{number}"), &[("COSMOS_KEY", KEY)])
                    };
                    let pair = Pair::start(worker);
                    // So that the rounds meet the leader at different points of its rhythm.
                    std::thread::sleep(Duration::from_millis(170) * u32::try_from(number).unwrap());
                    round(pair)
                })
            })
            .collect();
        waits.extend(threads.into_iter().map(|thread| thread.join().expect("a round that holds")));
    }
    waits
}
