//! The future of a run is dropped, and hosts that run twice.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use leader_election::{
    CancellationToken, DistributedMutex, EndReason, ErrorKind, LeaderEvent, LeaderHost, MemoryMutex, Operation, Status,
};

use crate::host_support::Fault;
use crate::host_support::plays::{for_ever, until_cancelled};
use crate::host_support::{Bench, TICK, assert_about, bounded, millis, options, secs, until};

#[tokio::test(start_paused = true)]
async fn dropping_the_run_aborts_the_task_at_once_and_releases_after_it() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(for_ever);
    let leader = worker.leads().await;
    tokio::time::sleep(secs(1)).await;
    let dropped = bench.now();
    run.abandon().await;
    let gone = worker.gone(1).await.gone.unwrap();
    assert_about(gone, dropped, TICK);
    assert!(leader.ensure().is_err());
    assert!(leader.token().is_cancelled());
    assert_eq!(leader.end_reason(), Some(EndReason::Shutdown));
    until(|| worker.status() == Status::Stopped).await;
    let calls = bench.stage.calls();
    let release = calls.last().expect("a release");
    assert_eq!(release.operation, Operation::Release);
    assert!(release.sent >= gone);
    assert!(!bench.store().observe().await.unwrap().is_held());
    assert_eq!(worker.log.end(1).reason, EndReason::Shutdown);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_host_too_leaves_no_lease_behind() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(for_ever);
    let leader = worker.leads().await;
    run.abandon().await;
    drop(worker);
    tokio::time::sleep(millis(10)).await;
    assert!(leader.ensure().is_err());
    assert!(!bench.store().observe().await.unwrap().is_held());
}

#[tokio::test(start_paused = true)]
async fn dropping_a_candidate_gives_back_what_is_granted_later() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.always(Operation::Acquire, Fault::Slow(secs(2)));
    let run = worker.run(until_cancelled);
    tokio::time::sleep(secs(1)).await;
    run.abandon().await;
    assert!(bench.store().observe().await.unwrap().is_held());
    until(|| worker.status() == Status::Stopped).await;
    assert!(!bench.store().observe().await.unwrap().is_held());
    assert_eq!(worker.log.elections(), 0);
    assert_eq!(worker.log.count(|event| matches!(event, LeaderEvent::GrantedTooLate { .. })), 1);
}

#[tokio::test(start_paused = true)]
async fn invariant_6_a_later_run_waits_for_the_release_of_a_dropped_one_and_then_leads() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.next(Operation::Release, Fault::Slow(secs(2)));
    let run = worker.run(for_ever);
    worker.leads().await;
    let dropped = bench.now();
    run.abandon().await;

    let run = worker.run(until_cancelled);
    worker.leads_for_the(2).await;
    assert_about(bench.now() - dropped, secs(2), TICK);
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_later_run_leads_even_if_the_release_of_a_dropped_one_hangs() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(for_ever);
    worker.leads().await;
    worker.store.always(Operation::Release, Fault::Hang);
    run.abandon().await;
    let run = worker.run(until_cancelled);
    worker.leads_for_the(2).await;
    assert_about(bench.now(), secs(15), secs(1) + TICK);
    worker.store.heal();
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_second_run_at_the_same_time_is_refused_and_disturbs_nothing() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let first = worker.run(until_cancelled);
    let leader = worker.leads().await;
    let second = worker.host.run_task_when_mutex_acquired(CancellationToken::new(), until_cancelled);
    let error = bounded(second).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
    let error = bounded(worker.host.run_one_term(CancellationToken::new(), async |_| ())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
    tokio::time::sleep(secs(60)).await;
    assert!(leader.ensure().is_ok());
    assert!(matches!(worker.status(), Status::Leading { .. }));
    first.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn of_two_runs_that_wait_for_a_dropped_one_the_second_is_refused_when_the_first_runs() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.next(Operation::Release, Fault::Slow(secs(2)));
    let dropped = worker.run(for_ever);
    worker.leads().await;
    dropped.abandon().await;
    let second = worker.run(until_cancelled);
    tokio::time::sleep(secs(1)).await;
    let third = worker.run(until_cancelled);
    worker.leads_for_the(2).await;
    let error = bounded(third.handle).await.expect("no panic").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
    second.stop().await.0.unwrap();
}

/// The driver of the first run has ended, but its future is dropped before it could say so. That must not make the host
/// believe that whatever runs later is about to end.
#[tokio::test(start_paused = true)]
async fn a_run_that_is_dropped_after_it_ended_does_not_change_what_later_ones_are_told() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let shutdown = CancellationToken::new();
    let second = {
        let host = Arc::clone(&worker.host);
        let mut first =
            pin!(host.run_task_when_mutex_acquired(shutdown.clone(), worker.stage.watched(until_cancelled)));
        assert!(tokio::time::timeout(secs(1), first.as_mut()).await.is_err());
        shutdown.cancel();
        until(|| worker.status() == Status::Stopped).await;
        tokio::time::sleep(millis(1)).await;

        let second = worker.run(until_cancelled);
        worker.leads_for_the(2).await;
        // The first future is dropped with this block, while the second run goes on.
        second
    };
    let third = worker.host.run_task_when_mutex_acquired(CancellationToken::new(), until_cancelled);
    assert_eq!(bounded(third).await.unwrap_err().kind(), ErrorKind::AlreadyRunning);
    second.stop().await.0.unwrap();
}

#[test]
fn outside_of_a_runtime_a_run_is_refused() {
    let host = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(async { LeaderHost::new(MemoryMutex::new()).with_options(options("a")) });
    let run = pin!(host.run_task_when_mutex_acquired(CancellationToken::new(), until_cancelled));
    match run.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Err(error)) => assert_eq!(error.kind(), ErrorKind::Runtime),
        other => panic!("{other:?}"),
    }
}
