//! Renewals that fail, and what becomes of the leadership.

use std::time::Duration;

use leader_election::{DistributedMutex, EndReason, ErrorKind, LeaderEvent, Loss, Operation};

use crate::host_support::plays::{for_ever, until_cancelled};
use crate::host_support::{Bench, TICK, Worker, assert_about, millis, secs, until};
use testkit::store::{Fault, Push};

fn renewals(bench: &Bench) -> Vec<Duration> {
    bench.stage.calls().into_iter().filter(|call| call.operation == Operation::Renew).map(|call| call.sent).collect()
}

/// What can befall a renewal, and leaves open whether the lease is still held.
fn failures() -> Vec<Fault> {
    vec![
        Fault::Hang,
        Fault::LoseReply,
        Fault::Fail(ErrorKind::Timeout),
        Fault::Fail(ErrorKind::Unreachable),
        Fault::Fail(ErrorKind::Throttled),
        Fault::Fail(ErrorKind::Credential),
        Fault::FailAfter(secs(2), ErrorKind::Unavailable),
        Fault::FailLate(ErrorKind::Unavailable),
        // A right that is taken away for a moment, or a service that errs, is no proof that another leads.
        Fault::Fail(ErrorKind::Denied),
        Fault::Fail(ErrorKind::NotFound),
        Fault::Fail(ErrorKind::CorruptRecord),
        Fault::Panic,
    ]
}

#[tokio::test(start_paused = true)]
async fn invariant_9_one_failed_renewal_does_not_end_a_term() {
    for fault in failures() {
        let bench = Bench::new();
        let worker = bench.worker("a");
        worker.store.next(Operation::Renew, fault.clone());
        let run = worker.run(until_cancelled);
        let leader = worker.leads().await;
        tokio::time::sleep(secs(60)).await;
        assert!(leader.ensure().is_ok(), "{fault:?}");
        assert!(!leader.token().is_cancelled(), "{fault:?}");
        assert_eq!(leader.end_reason(), None);
        assert_eq!(worker.log.elections(), 1);
        let lost = matches!(fault, Fault::Hang | Fault::LoseReply | Fault::Slow(_));
        let reported = |event: &LeaderEvent| matches!(event, LeaderEvent::AttemptFailed { operation: Operation::Renew, error } if (error.kind() == ErrorKind::Timeout) >= lost);
        assert_eq!(worker.log.count(reported), 1, "{fault:?}");
        run.stop().await.0.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn invariant_4_failing_renewals_are_retried_until_the_cancel_point_and_the_task_is_aborted_at_the_deadline() {
    for fault in failures() {
        let bench = Bench::new();
        let worker = bench.worker("a");
        let run = worker.run(for_ever);
        let leader = worker.leads().await;
        tokio::time::sleep(secs(21)).await;
        let last_renewal = *renewals(&bench).last().unwrap();
        assert_eq!(last_renewal, secs(20));
        worker.store.always(Operation::Renew, fault.clone());

        until(|| leader.token().is_cancelled()).await;
        assert_about(bench.now(), last_renewal + secs(11), TICK);
        assert!(leader.ensure().is_ok(), "the lease is held, and the task has its grace");
        assert_eq!(leader.end_reason(), Some(EndReason::RenewalTimedOut));
        let tries = renewals(&bench).iter().filter(|at| **at > last_renewal).count();
        assert!(tries >= 2, "{fault:?}: {tries}");

        // A little before the deadline, and right after it.
        tokio::time::sleep_until((tokio::time::Instant::now() - bench.now()) + secs(34) - TICK).await;
        assert!(leader.ensure().is_ok(), "{fault:?}");
        tokio::time::sleep(TICK * 2).await;
        assert!(leader.ensure().is_err(), "{fault:?}");

        let term = worker.gone(1).await;
        assert_about(term.gone.unwrap(), last_renewal + secs(14), TICK);
        let end = worker.log.end(1);
        assert_eq!(end.reason, EndReason::RenewalTimedOut);
        assert!(end.detail.as_ref().is_some_and(|detail| detail.contains("last failure")), "{:?}", end.detail);
        let release = bench.stage.calls().into_iter().find(|call| call.operation == Operation::Release).unwrap();
        assert_eq!(release.sent, term.gone.unwrap());

        worker.store.heal();
        worker.leads_for_the(2).await;
        run.stop().await.0.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn invariant_3_validity_counts_from_when_the_request_was_sent() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.next(Operation::Acquire, Fault::Slow(millis(2_500)));
    worker.store.next(Operation::Renew, Fault::Slow(millis(2_900)));
    worker.store.always(Operation::Renew, Fault::Hang);
    let run = worker.run(for_ever);
    let leader = worker.leads().await;
    assert_about(bench.now(), millis(2_500), TICK);
    assert_about(leader.valid_for(), millis(11_500), TICK);

    tokio::time::sleep(secs(5)).await;
    assert_about(leader.valid_for(), millis(6_500), TICK);
    // The renewal was sent at 5 s, and its answer came at 7.9 s.
    tokio::time::sleep(secs(1)).await;
    assert_about(leader.valid_for(), millis(10_500), TICK);

    let term = worker.gone(1).await;
    assert_about(term.cancelled.unwrap().at, secs(16), TICK);
    assert_about(term.gone.unwrap(), secs(19), TICK);
    run.stop().await.0.unwrap();
}

/// Checks the way out of a leader that is told of its loss at 5 s.
async fn lose(loss: Loss) -> (Bench, Worker, String) {
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.next(Operation::Renew, Fault::Lost(loss));
    let run = worker.run(for_ever);
    let leader = worker.leads().await;
    let term = worker.gone(1).await;
    let cancelled = term.cancelled.unwrap();
    assert_about(cancelled.at, secs(5), TICK);
    assert!(!cancelled.valid, "a leader that is told of its loss is not valid at that very instant");
    assert_eq!(cancelled.reason, Some(EndReason::LeaseLost));
    assert_about(term.gone.unwrap(), secs(8), TICK);
    assert_eq!(leader.ensure().unwrap_err().reason, Some(EndReason::LeaseLost));
    let end = worker.log.end(1);
    assert_eq!(end.reason, EndReason::LeaseLost);
    let sent_after_loss = bench.stage.calls().into_iter().filter(|call| call.sent > secs(5) && call.sent <= secs(8));
    assert_eq!(sent_after_loss.count(), 0, "there is nothing left to renew or release");
    worker.leads_for_the(2).await;
    run.stop().await.0.unwrap();
    (bench, worker, end.detail.expect("how it was lost"))
}

#[tokio::test(start_paused = true)]
async fn invariant_9_definite_loss_cancels_and_revokes_at_once() {
    assert!(lose(Loss::Taken).await.2.contains("another claim"));
    assert!(lose(Loss::Broken).await.2.contains("broke the lease"));
    assert!(lose(Loss::Missing).await.2.contains("record is gone"));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_heeds_its_loss_is_not_aborted() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.next(Operation::Renew, Fault::Lost(Loss::Taken));
    let run = worker.run(until_cancelled);
    worker.leads().await;
    assert_about(worker.gone(1).await.gone.unwrap(), secs(5), TICK);
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_is_a_failed_attempt_and_no_dead_host() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    for operation in [Operation::Acquire, Operation::Renew, Operation::Release] {
        worker.store.next(operation, Fault::Panic);
    }
    let mut first = true;
    let run = worker.run(move |leader| {
        let first = std::mem::take(&mut first);
        async move {
            if first {
                tokio::time::sleep(secs(20)).await;
                return Ok(());
            }
            until_cancelled(leader).await
        }
    });
    worker.leads_for_the(2).await;
    let failed = |event: &LeaderEvent| matches!(event, LeaderEvent::AttemptFailed { error, .. } if error.to_string().contains("panicked"));
    assert_eq!(worker.log.count(failed), 3);
    assert_eq!(worker.log.end(1).reason, EndReason::TaskEnded);
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_store_whose_watch_panics_is_no_dead_host() {
    let bench = Bench::new();
    let (leader, standby) = (bench.worker("a"), bench.worker("b"));
    for worker in [&leader, &standby] {
        worker.store.push(Push::Panic);
    }
    let leading = leader.run(until_cancelled);
    tokio::time::sleep(secs(1)).await;
    let waiting = standby.run(until_cancelled);
    tokio::time::sleep(secs(60)).await;
    assert!(!leading.handle.is_finished(), "{:?}", leading.handle.await);
    assert!(!waiting.handle.is_finished(), "{:?}", waiting.handle.await);
    assert_eq!(leader.log.elections(), 1);
    leading.stop().await.0.unwrap();
    waiting.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn healthy_renewals_keep_one_term_for_an_hour() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(until_cancelled);
    let leader = worker.leads().await;
    tokio::time::sleep(secs(3600)).await;
    assert!(leader.ensure().is_ok());
    assert_eq!(worker.log.elections(), 1);
    let expected = 3600 / 5;
    assert!(renewals(&bench).len().abs_diff(expected) <= 1, "{} renewals", renewals(&bench).len());
    assert!(bench.store().observe().await.unwrap().is_held());
    run.stop().await.0.unwrap();
}
