//! Real worker processes against Azurite: killed, stopped, told to end.
//!
//! `LEADER_ROUNDS=10 cargo test --test processes -- --nocapture` runs more rounds of each and prints what it measured.
//! A round is a pair of workers on a blob of its own; all rounds of a test run at once.

#![cfg(unix)]
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testbed::azurite::Azurite;
use testbed::figures::asked_for;
use testbed::names;
use testbed::pair::{PATIENCE, Pair, Takeover, judge_after_the_lease, judge_after_the_release, report};
use testbed::worker::{self, now};
use testservers::watcher::Watcher;

const LEASE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_leader_is_replaced_when_its_lease_has_run_out() {
    let takeovers = rounds(Pair::kill_the_leader).await;
    report("sigkill", &takeovers);
    judge_after_the_lease(&takeovers, LEASE, POLL);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_told_to_end_hands_over_at_once() {
    let takeovers = rounds(Pair::tell_the_leader_to_end).await;
    report("sigterm", &takeovers);
    judge_after_the_release(&takeovers, LEASE, POLL);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_paused_past_its_lease_does_nothing_more() {
    let takeovers = rounds(|pair| {
        let stopped_at = Instant::now();
        pair.leader.signal(Signal::SIGSTOP);
        let before = pair.leader.lines().len();
        let mut takeover = pair.takeover(stopped_at);
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
        takeover.stale = pair.stale();
        takeover
    })
    .await;
    report("sigstop", &takeovers);
    judge_after_the_lease(&takeovers, LEASE, POLL);
}

/// A test process that is killed cannot end its workers, and a stopped one would go on one day.
#[test]
fn a_worker_ends_with_the_process_that_started_it_even_if_it_is_stopped() {
    let sleep = || Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().expect("it starts");
    let (mut left, mut gone) = (sleep(), sleep());
    let watcher = Watcher::start();
    for worker in [&left, &gone] {
        watcher.tell('+', worker.id());
    }
    watcher.tell('-', gone.id());
    kill(Pid::from_raw(i32::try_from(left.id()).expect("a process id")), Signal::SIGSTOP).expect("signalled");
    watcher.end();
    assert!(!left.wait().expect("reaped").success());
    assert!(gone.try_wait().expect("a child").is_none(), "it is no worker any more");
    gone.kill().expect("killed");
    gone.wait().expect("reaped");
}

/// Runs the rounds, all at once, each on a thread of its own as they wait for processes.
async fn rounds(round: fn(Pair) -> Takeover) -> Vec<Takeover> {
    let azurite = Azurite::http().await;
    let url = azurite.container_url(&names::unique("processes"));
    let server = format!("127.0.0.1:{}", azurite.port());
    let count = asked_for("LEADER_ROUNDS").unwrap_or(2);
    let threads: Vec<_> = (0..count)
        .map(|number: usize| {
            let (url, server) = (url.clone(), server.clone());
            std::thread::spawn(move || {
                let blob = format!("round-{number}");
                let pair = Pair::start(&server, &[], |name, way| {
                    let url = url.replace(&server, way);
                    worker::start("blob_worker", &[&url, &blob], &format!("{name}-{number}"), &[])
                });
                // So that the rounds meet the leader at different points of its rhythm.
                std::thread::sleep(Duration::from_millis(700) * u32::try_from(number).expect("a small number"));
                round(pair)
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().expect("a round that holds")).collect()
}
