//! The store refuses in a way that a human must mend; and options that cannot work.

use std::time::Duration;

use leader_election::{CancellationToken, Error, ErrorKind, LeaderEvent, Operation, Timing, TimingOptions};

use crate::host_support::Fault;
use crate::host_support::plays::until_cancelled;
use crate::host_support::{Bench, Setup, TICK, assert_about, bounded, millis, secs};

const REFUSALS: [ErrorKind; 5] =
    [ErrorKind::Denied, ErrorKind::NotFound, ErrorKind::InvalidSetting, ErrorKind::CorruptRecord, ErrorKind::Refused];

#[tokio::test(start_paused = true)]
async fn a_refusal_at_the_start_ends_the_run_at_once_with_the_stores_error() {
    for kind in REFUSALS {
        let bench = Bench::new();
        let worker = bench.worker("a");
        worker.store.always(Operation::Acquire, Fault::Fail(kind));
        let error = worker.run(until_cancelled).finished().await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(error.to_string(), "scripted: acquire fails");
        assert_about(bench.now(), Duration::ZERO, TICK);
        assert_eq!(worker.log.elections(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_at_the_start_that_extends_to_the_release_ends_the_run_at_once_too() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.always_all(Fault::Fail(ErrorKind::Denied));
    let error = worker.run(until_cancelled).finished().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert_eq!(error.to_string(), "scripted: acquire fails");
    assert_about(bench.now(), Duration::ZERO, TICK);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_nothing_but_transient_failures_is_one_at_the_start() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.next(Operation::Acquire, Fault::Fail(ErrorKind::Credential));
    worker.store.next(Operation::Acquire, Fault::Hang);
    worker.store.always(Operation::Acquire, Fault::Fail(ErrorKind::Denied));
    let error = worker.run(until_cancelled).finished().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
}

#[tokio::test(start_paused = true)]
async fn transient_failures_at_the_start_never_end_the_run() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.always(Operation::Acquire, Fault::Fail(ErrorKind::Credential));
    let run = worker.run(until_cancelled);
    tokio::time::sleep(secs(3600)).await;
    worker.store.heal();
    worker.leads().await;
    assert_about(bench.now(), secs(3600), secs(1) + TICK);
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_the_store_has_answered_is_reported_and_tried_again() {
    let bench = Bench::new();
    let (leader, standby) = (bench.worker("a"), bench.worker("b"));
    let leading = leader.run(until_cancelled);
    leader.leads().await;
    let waiting = standby.run(until_cancelled);
    tokio::time::sleep(secs(3)).await;
    standby.store.always(Operation::Acquire, Fault::Fail(ErrorKind::Denied));
    tokio::time::sleep(secs(60)).await;
    let refused = |event: &LeaderEvent| matches!(event, LeaderEvent::AttemptFailed { operation: Operation::Acquire, error } if error.kind() == ErrorKind::Denied);
    let refusals = standby.log.count(refused);
    assert!((10..=14).contains(&refusals), "there is no hurry: {refusals} in a minute");
    standby.store.heal();
    leading.stop().await.0.unwrap();
    standby.leads().await;
    waiting.stop().await.0.expect("it was mended, and it was told to end");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_still_stands_at_the_shutdown_is_no_error_of_the_run() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", |options| options.keep_trying_when_refused = true);
    worker.store.always_all(Fault::Fail(ErrorKind::Denied));
    let run = worker.run(until_cancelled);
    tokio::time::sleep(secs(60)).await;
    let (outcome, took) = run.stop().await;
    outcome.unwrap();
    assert_about(took, Duration::ZERO, TICK);
}

#[tokio::test(start_paused = true)]
async fn keep_trying_when_refused_leads_once_it_is_mended() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", |options| options.keep_trying_when_refused = true);
    worker.store.always(Operation::Acquire, Fault::Fail(ErrorKind::NotFound));
    let run = worker.run(until_cancelled);
    tokio::time::sleep(secs(600)).await;
    assert!(!run.handle.is_finished());
    let requests = bench.stage.calls().len();
    assert!((100..=150).contains(&requests), "a third of a lease apart: {requests}");
    worker.store.heal();
    worker.leads().await;
    assert!(bench.now() <= secs(606));
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_throttled_candidate_waits_as_long_as_it_is_asked_to() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.always(Operation::Acquire, Fault::Throttle(secs(7)));
    let run = worker.run(until_cancelled);
    tokio::time::sleep(secs(70)).await;
    let requests = bench.stage.calls().len();
    assert!((10..=11).contains(&requests), "{requests}");
    // But not for ever: what the service says is not believed beyond a lease.
    worker.store.always(Operation::Acquire, Fault::Throttle(Duration::MAX));
    tokio::time::sleep(secs(10)).await;
    worker.store.heal();
    worker.leads().await;
    assert!(bench.now() <= secs(80 + 15) + TICK, "{:?}", bench.now());
    run.stop().await.0.unwrap();
}

/// The error that a run gives for these options, with nothing sent.
async fn refused(change: impl FnOnce(&mut Setup)) -> Error {
    let bench = Bench::new();
    let worker = bench.worker_with("a", change);
    let one_term = bounded(worker.host.run_one_term(CancellationToken::new(), async |_| ())).await.unwrap_err();
    let run = worker.host.run_task_when_mutex_acquired(CancellationToken::new(), until_cancelled);
    let error = bounded(run).await.unwrap_err();
    assert_eq!(one_term.to_string(), error.to_string());
    assert_eq!(error.kind(), ErrorKind::InvalidSetting);
    assert_eq!(bench.stage.calls().len(), 0);
    error
}

#[tokio::test(start_paused = true)]
async fn options_that_cannot_work_are_refused_by_name_before_anything_is_sent() {
    let long = secs(24 * 3600) + millis(1);
    for (name, error) in [
        ("pause", refused(|options| options.pause = Duration::ZERO).await),
        ("pause", refused(|options| options.pause = millis(9)).await),
        ("pause", refused(|options| options.pause = long).await),
        ("drain_limit", refused(|options| options.drain_limit = Duration::MAX).await),
        ("stall_limit", refused(|options| options.stall_limit = Some(Duration::ZERO)).await),
        ("stall_limit", refused(|options| options.stall_limit = Some(millis(99))).await),
        ("stall_limit", refused(|options| options.stall_limit = Some(long)).await),
        ("heartbeat_limit", refused(|options| options.heartbeat_limit = Some(Duration::ZERO)).await),
        ("heartbeat_limit", refused(|options| options.heartbeat_limit = Some(Duration::MAX)).await),
    ] {
        assert!(error.to_string().starts_with(name), "{name}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_the_store_cannot_grant_is_refused_before_anything_is_sent() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.refuse_lease();
    let error = worker.run(until_cancelled).finished().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidSetting);
    assert_eq!(error.to_string(), "scripted: no lease of 15s");
    assert_eq!(bench.stage.calls().len(), 0);
    assert_eq!(worker.log.events().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn options_at_their_limits_work() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", |options| {
        options.timing = Timing::new(TimingOptions { poll_every: millis(10), ..TimingOptions::default() }).unwrap();
        options.pause = millis(10);
        options.drain_limit = Duration::ZERO;
        options.stall_limit = Some(millis(100));
        options.heartbeat_limit = Some(secs(24 * 3600));
    });
    let run = worker.run(until_cancelled);
    let leader = worker.leads().await;
    tokio::time::sleep(secs(100)).await;
    assert!(leader.ensure().is_ok());
    let (outcome, took) = run.stop().await;
    outcome.unwrap();
    assert_about(took, Duration::ZERO, TICK);
}
