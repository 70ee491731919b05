//! Shutdown: it is bounded, keeps the order (cancel, drain, release), and leaves nothing behind.

use std::time::Duration;

use leader_election::{AfterTask, DistributedMutex, EndReason, ErrorKind, LeaderEvent, Operation, Status};

use crate::host_support::Fault;
use crate::host_support::plays::{Act, draining, for_ever, lasting, until_cancelled};
use crate::host_support::{Bench, TICK, assert_about, bounded, millis, secs};

pub fn sent(bench: &Bench, operation: Operation) -> Vec<Duration> {
    bench.stage.calls().into_iter().filter(|call| call.operation == operation).map(|call| call.sent).collect()
}

#[tokio::test(start_paused = true)]
async fn invariant_5_the_lease_is_renewed_while_the_task_drains_and_released_when_it_is_gone() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(draining(secs(8)));
    let leader = worker.leads().await;
    tokio::time::sleep(secs(7)).await;

    let begun = bench.now();
    run.shutdown.cancel();
    tokio::time::sleep(secs(7)).await;
    assert!(leader.token().is_cancelled());
    assert!(matches!(worker.status(), Status::Stopping { reason: EndReason::Shutdown, .. }), "{:?}", worker.status());
    assert!(leader.ensure().is_ok(), "what was begun may be finished");
    let renewed = sent(&bench, Operation::Renew).into_iter().filter(|at| *at > begun).count();
    assert_eq!(renewed, 1, "renewals are due at 10 s and 15 s, and it drains from 7 s to 15 s");

    let (outcome, _) = run.stop().await;
    outcome.expect("a shutdown is no error");
    let gone = worker.gone(1).await.gone.unwrap();
    assert_about(gone - begun, secs(8), TICK);
    assert_eq!(sent(&bench, Operation::Release), [gone]);
    assert_about(bench.now(), gone, TICK);
    assert_eq!(worker.log.end(1).reason, EndReason::Shutdown);
    assert!(leader.ensure().is_err());

    tokio::time::sleep(millis(1)).await;
    let statuses: Vec<_> = worker.log.statuses().into_iter().map(|(_, status)| status).collect();
    assert!(
        matches!(statuses[..], [.., Status::Leading { .. }, Status::Stopping { .. }, Status::Stopped]),
        "{statuses:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ignores_its_cancellation_is_aborted_at_the_drain_limit() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(for_ever);
    let leader = worker.leads().await;
    tokio::time::sleep(secs(7)).await;
    let begun = bench.now();
    let (outcome, took) = run.stop().await;
    outcome.expect("that the task was aborted is no error of the host");
    assert_about(took, secs(10), TICK);
    let term = worker.gone(1).await;
    assert_about(term.cancelled.unwrap().at, begun, TICK);
    assert_about(term.gone.unwrap(), begun + secs(10), TICK);
    assert_eq!(sent(&bench, Operation::Release), [term.gone.unwrap()]);
    assert_eq!(leader.end_reason(), Some(EndReason::Shutdown));
    assert!(leader.ensure().is_err());
}

#[tokio::test(start_paused = true)]
async fn invariant_4_a_drain_whose_renewals_fail_is_cut_where_validity_ends() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", |options| options.drain_limit = secs(60));
    worker.store.always(Operation::Renew, Fault::Fail(ErrorKind::Unavailable));
    let run = worker.run(for_ever);
    let leader = worker.leads().await;
    let leads_since = bench.now();
    tokio::time::sleep(secs(4)).await;
    run.stop().await.0.unwrap();
    let term = worker.gone(1).await;
    assert_about(term.gone.unwrap() - leads_since, secs(14), TICK);
    assert_eq!(leader.end_reason(), Some(EndReason::Shutdown));
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_learns_of_its_loss_is_revoked_at_once_and_has_the_grace_only() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", |options| options.drain_limit = secs(60));
    let run = worker.run(for_ever);
    let leader = worker.leads().await;
    let leads_since = bench.now();
    tokio::time::sleep(secs(4)).await;
    worker.store.next(Operation::Renew, Fault::Lost(leader_election::Loss::Broken));
    run.shutdown.cancel();
    tokio::time::sleep(millis(900)).await;
    assert!(leader.ensure().is_ok());
    tokio::time::sleep(millis(200)).await;
    assert!(leader.ensure().is_err(), "the renewal at 5 s was told of the loss");
    run.stop().await.0.unwrap();
    assert_about(worker.gone(1).await.gone.unwrap() - leads_since, secs(8), TICK);
}

#[tokio::test(start_paused = true)]
async fn a_standby_shuts_down_at_once_and_has_nothing_to_release() {
    let bench = Bench::new();
    let (leader, standby) = (bench.worker("a"), bench.worker("b"));
    let leading = leader.run(until_cancelled);
    leader.leads().await;
    let waiting = standby.run(until_cancelled);
    tokio::time::sleep(secs(30)).await;
    let (outcome, took) = waiting.stop().await;
    outcome.unwrap();
    assert_about(took, Duration::ZERO, TICK);
    assert!(
        !bench
            .stage
            .calls()
            .iter()
            .any(|call| call.operation != Operation::Acquire && call.holder == *standby.host.holder())
    );
    assert_eq!(standby.status(), Status::Stopped);
    leading.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_host_that_rests_after_a_term_shuts_down_at_once() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", |options| options.pause = secs(600));
    let run = worker.run(lasting(secs(1), Ok(())));
    worker.gone(1).await;
    tokio::time::sleep(secs(5)).await;
    let (outcome, took) = run.stop().await;
    outcome.unwrap();
    assert_about(took, Duration::ZERO, TICK);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_shut_down_before_it_runs_sends_nothing() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.always_all(Fault::Hang);
    let shutdown = leader_election::CancellationToken::new();
    shutdown.cancel();
    bounded(worker.host.run_task_when_mutex_acquired(shutdown, until_cancelled)).await.unwrap();
    assert_eq!(bench.stage.calls().len(), 0, "sent after the shutdown, and waited for: {:?}", bench.stage.calls());
}

#[tokio::test(start_paused = true)]
async fn invariant_16_nobody_is_elected_after_the_shutdown() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.always(Operation::Acquire, Fault::Slow(secs(2)));
    let run = worker.run(until_cancelled);
    tokio::time::sleep(secs(1)).await;
    let (outcome, took) = run.stop().await;
    outcome.unwrap();
    assert_about(took, secs(1), TICK);
    assert_eq!(worker.terms().len(), 0);
    assert_eq!(worker.log.elections(), 0);
    assert_eq!(worker.log.count(|event| matches!(event, LeaderEvent::GrantedTooLate { .. })), 1);
    assert!(!bench.store().observe().await.unwrap().is_held(), "what was granted was given back");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fails_while_it_drains_is_no_failure_of_the_host() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", |options| options.after_failure = AfterTask::EndHost);
    let run = worker.run(|leader| -> Act {
        Box::pin(async move {
            leader.token().cancelled().await;
            Err("interrupted".into())
        })
    });
    worker.leads().await;
    run.stop().await.0.expect("it was told to end");
    let end = worker.log.end(1);
    assert_eq!(end.reason, EndReason::Shutdown);
    assert!(end.detail.expect("the task's error").contains("interrupted"));
}

#[tokio::test(start_paused = true)]
async fn invariant_8_an_acquire_of_unknown_outcome_is_released_on_shutdown() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.always(Operation::Acquire, Fault::LoseReply);
    let run = worker.run(until_cancelled);
    tokio::time::sleep(secs(1)).await;
    assert!(bench.store().observe().await.unwrap().is_held(), "granted, though nobody knows");
    run.stop().await.0.unwrap();
    assert!(!bench.store().observe().await.unwrap().is_held(), "no lease is left behind that nobody runs");
    assert_eq!(worker.log.elections(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_second_shutdown_and_a_second_run_are_as_the_first() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    for n in 1..=3 {
        let run = worker.run(draining(secs(1)));
        worker.leads_for_the(n).await;
        run.shutdown.cancel();
        run.shutdown.cancel();
        let (outcome, took) = run.stop().await;
        outcome.unwrap();
        assert_about(took, secs(1), TICK);
        assert_eq!(worker.status(), Status::Stopped);
    }
}
