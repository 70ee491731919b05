//! Invariant 15: whatever hangs, a shutdown ends in the time that the documentation of a run promises.

use std::time::Duration;

use leader_election::{DistributedMutex, ErrorKind, LeaderEvent, Operation};

use crate::host::shutdown::sent;
use crate::host_support::Fault;
use crate::host_support::plays::{for_ever, lasting};
use crate::host_support::{Bench, Run, Setup, TICK, assert_about, millis, secs};

/// Timers are rounded up.
const SLACK: Duration = Duration::from_millis(500);

fn short_drain(options: &mut Setup) {
    options.drain_limit = secs(1);
}

/// What the documentation of a run promises for the options of [`short_drain`].
fn promised() -> Duration {
    secs(1) + secs(3) * 3 + SLACK
}

/// Stops the run, and holds it to the promise.
async fn stop_in_time(run: Run) {
    let (outcome, took) = run.stop().await;
    outcome.expect("what is not delivered is reported, and no error");
    assert!(took <= promised(), "drain limit plus three attempt timeouts are promised, but it took {took:?}");
}

#[tokio::test(start_paused = true)]
async fn invariant_15_shutdown_is_bounded_when_the_release_hangs() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", short_drain);
    worker.store.always(Operation::Release, Fault::Hang);
    let run = worker.run(for_ever);
    worker.leads().await;
    stop_in_time(run).await;
    assert_eq!(worker.log.count(|event| matches!(event, LeaderEvent::ReleaseFailed)), 1);
    assert!(sent(&bench, Operation::Release).len() >= 2, "it is tried more than once");
}

#[tokio::test(start_paused = true)]
async fn invariant_15_shutdown_is_bounded_when_the_renewal_hangs() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", short_drain);
    worker.store.always(Operation::Renew, Fault::Hang);
    let run = worker.run(for_ever);
    worker.leads().await;
    tokio::time::sleep(secs(6)).await;
    let (outcome, took) = run.stop().await;
    outcome.unwrap();
    assert_about(took, secs(1), TICK);
    assert!(!bench.store().observe().await.unwrap().is_held());
}

#[tokio::test(start_paused = true)]
async fn invariant_15_shutdown_is_bounded_when_everything_hangs_under_a_leader() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", short_drain);
    let run = worker.run(for_ever);
    worker.leads().await;
    tokio::time::sleep(secs(4)).await;
    worker.store.always_all(Fault::Hang);
    tokio::time::sleep(secs(2)).await;
    stop_in_time(run).await;
}

#[tokio::test(start_paused = true)]
async fn invariant_15_shutdown_is_bounded_when_the_acquire_hangs() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", short_drain);
    worker.store.always(Operation::Acquire, Fault::Hang);
    let run = worker.run(for_ever);
    tokio::time::sleep(millis(10)).await;
    stop_in_time(run).await;
    assert!(!sent(&bench, Operation::Release).is_empty(), "nobody knows what became of the acquire");
}

#[tokio::test(start_paused = true)]
async fn invariant_15_shutdown_is_bounded_when_everything_hangs_under_a_candidate() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", short_drain);
    worker.store.always_all(Fault::Hang);
    let run = worker.run(for_ever);
    tokio::time::sleep(millis(10)).await;
    stop_in_time(run).await;
}

#[tokio::test(start_paused = true)]
async fn invariant_15_shutdown_is_bounded_when_the_release_fails_for_a_while_and_then_hangs() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", short_drain);
    for _ in 0..5 {
        worker.store.next(Operation::Release, Fault::Fail(ErrorKind::Unavailable));
    }
    worker.store.always(Operation::Release, Fault::Hang);
    let run = worker.run(for_ever);
    worker.leads().await;
    stop_in_time(run).await;
}

#[tokio::test(start_paused = true)]
async fn invariant_15_shutdown_is_bounded_when_the_acquire_hangs_and_the_release_fails_for_a_while_and_then_hangs() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", short_drain);
    worker.store.always(Operation::Acquire, Fault::Hang);
    for _ in 0..5 {
        worker.store.next(Operation::Release, Fault::FailAfter(secs(1), ErrorKind::Unavailable));
    }
    worker.store.always(Operation::Release, Fault::Hang);
    let run = worker.run(for_ever);
    tokio::time::sleep(millis(10)).await;
    stop_in_time(run).await;
}

#[tokio::test(start_paused = true)]
async fn invariant_15_shutdown_while_a_release_is_under_way_waits_for_no_new_one() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", short_drain);
    worker.store.always(Operation::Release, Fault::Hang);
    let run = worker.run(lasting(secs(1), Ok(())));
    worker.gone(1).await;
    tokio::time::sleep(secs(2)).await;
    let (outcome, took) = run.stop().await;
    outcome.unwrap();
    assert!(took <= secs(4) + SLACK, "two attempt timeouts since the task's end: {took:?}");
}
