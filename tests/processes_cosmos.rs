//! Real worker processes against Microsoft's emulator of Cosmos DB: killed, and told to end.
//!
//! `LEADER_ROUNDS=20 cargo test --test processes_cosmos -- --nocapture` runs more rounds and prints what it measured.

#![cfg(unix)]
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::time::Duration;

use nix::sys::signal::Signal;
use testbed::cosmos::{Emulator, EmulatorOptions, KEY};
use testbed::figures::{asked_for, print_last_line};
use testbed::pair::{PATIENCE, Pair, Takeover, judge_after_the_lease, judge_after_the_release, report};
use testbed::worker;

const LEASE: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(300);

#[test]
fn a_killed_leader_is_replaced_when_its_lease_has_run_out() {
    let takeovers = rounds(Pair::kill_the_leader);
    report("sigkill", &takeovers);
    judge_after_the_lease(&takeovers, LEASE, POLL);
}

#[test]
fn a_leader_told_to_end_hands_over_at_once() {
    let takeovers = rounds(Pair::tell_the_leader_to_end);
    report("sigterm", &takeovers);
    judge_after_the_release(&takeovers, LEASE, POLL);
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
    let mut takeovers = Vec::new();
    for (round, (leaders, standbys)) in [(&right[..], &ahead[..]), (&ahead[..], &right[..])].into_iter().enumerate() {
        let (endpoint, election) = (emulator.endpoint(), format!("skewed-{round}"));
        let worker = |name: &str, environment| {
            let arguments = [&endpoint, "workers", "leaders", &election, "--lease", "3", "--poll", "0.5"];
            worker::start("cosmos_worker", &arguments, name, environment)
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
        takeovers.push(killed.elapsed());
    }
    println!("clocks an hour apart: takeovers {takeovers:.2?} after the kill");
    // Nobody worked beside another one, or the assertions above had failed.
    print_last_line(&takeovers, 0);
}

/// Runs the rounds, each on an election of its own, a few at once.
fn rounds(round: fn(Pair) -> Takeover) -> Vec<Takeover> {
    let emulator = Emulator::start(EmulatorOptions::default());
    emulator.create_container("workers", "leaders");
    let (server, region) = (authority(&emulator.endpoint()), authority(&emulator.in_process_endpoint()));
    let own_names = [server.clone(), region];
    let numbers: Vec<usize> = (0..asked_for("LEADER_ROUNDS").unwrap_or(2)).collect();
    let mut takeovers = Vec::new();
    for some in numbers.chunks(5) {
        let threads: Vec<_> = some
            .iter()
            .map(|number| {
                let (endpoint, number) = (emulator.endpoint(), *number);
                let (server, own_names) = (server.clone(), own_names.clone());
                std::thread::spawn(move || {
                    let election = format!("round-{number}");
                    let poll = POLL.as_secs_f64().to_string();
                    let pair = Pair::start(&server, &own_names, |name, way| {
                        let endpoint = endpoint.replace(&server, way);
                        let arguments = [&endpoint, "workers", "leaders", &election, "--lease", "3", "--poll", &poll];
                        worker::start("cosmos_worker", &arguments, &format!("{name}-{number}"), &[("COSMOS_KEY", KEY)])
                    });
                    // So that the rounds meet the leader at different points of its rhythm.
                    std::thread::sleep(Duration::from_millis(170) * u32::try_from(number).expect("a small number"));
                    round(pair)
                })
            })
            .collect();
        takeovers.extend(threads.into_iter().map(|thread| thread.join().expect("a round that holds")));
    }
    takeovers
}

/// The `host:port` of a URL.
fn authority(url: &str) -> String {
    let url = azure_core::http::Url::parse(url).expect("a URL");
    format!("{}:{}", url.host_str().expect("a host"), url.port().expect("a port"))
}
