//! Real worker processes against Azurite: killed, stopped, told to end.
//!
//! `LEADER_ROUNDS=10 cargo test --test processes -- --nocapture` runs more rounds of each and prints what it measured.
//! A round is a pair of workers on a blob of its own; all rounds of a test run at once.

#![cfg(all(feature = "blob", unix))]
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod support;

use std::time::Duration;

use nix::sys::signal::Signal;
use support::azurite::Azurite;
use support::names;
use support::pair::{PATIENCE, Pair};
use support::worker::{Worker, now, report};

const LEASE: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_leader_is_replaced_when_its_lease_has_run_out() {
    let waits = rounds(Pair::kill_the_leader).await;
    report("sigkill", &waits);
    // The last renewal is at most one rhythm old, so the lease lives for two thirds of its length at the least.
    assert!(waits.iter().all(|wait| *wait > LEASE / 2), "nobody takes over while the lease runs: {waits:?}");
    assert!(waits.iter().all(|wait| *wait < LEASE * 2), "no second lease of vacancy: {waits:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_told_to_end_hands_over_at_once() {
    let waits = rounds(Pair::tell_the_leader_to_end).await;
    report("sigterm", &waits);
    assert!(waits.iter().all(|wait| *wait < LEASE / 2), "a hand-over does not wait for the lease: {waits:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_paused_past_its_lease_does_nothing_more() {
    let waits = rounds(|pair| {
        pair.leader.signal(Signal::SIGSTOP);
        let stopped_at = now();
        let before = pair.leader.lines().len();
        let (_, started) = pair.standby.wait_for(0, "task started", PATIENCE);
        assert!(started.token() > pair.token, "tokens rise");
        // As long again, so that every timer of the paused process is long overdue.
        std::thread::sleep(LEASE);
        let woken_at = now();
        pair.leader.signal(Signal::SIGCONT);

        let (_, ended) = pair.leader.wait_for(before, "ended token=", PATIENCE);
        assert_eq!(ended.token(), pair.token);
        pair.leader.wait_for(before, &format!("standby, {} leads", pair.standby.holder), PATIENCE);
        for line in pair.leader.lines().iter().filter(|line| line.at >= woken_at) {
            assert!(!line.text.contains("coordinating"), "it worked after its lease ran out: {}", line.text);
            assert!(!line.text.contains("still the leader"), "ensure() let it through: {}", line.text);
        }
        Duration::from_millis(started.at - stopped_at)
    })
    .await;
    report("sigstop", &waits);
}

/// Runs the rounds, all at once, each on a thread of its own as they wait for processes.
async fn rounds(round: fn(Pair) -> Duration) -> Vec<Duration> {
    let azurite = Azurite::http().await;
    let url = azurite.container_url(&names::unique("processes"));
    let count = std::env::var("LEADER_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(2);
    let threads: Vec<_> = (0..count)
        .map(|number: usize| {
            let url = url.clone();
            std::thread::spawn(move || {
                let (blob, name) = (format!("round-{number}"), |name: &str| format!("{name}-{number}"));
                let pair = Pair::start(|worker| Worker::start("blob_worker", &[&url, &blob], &name(worker), &[]));
                // So that the rounds meet the leader at different points of its rhythm.
                std::thread::sleep(Duration::from_millis(700) * u32::try_from(number).expect("a small number"));
                round(pair)
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().expect("a round that holds")).collect()
}
