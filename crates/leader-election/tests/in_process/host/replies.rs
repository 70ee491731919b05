//! Replies that are lost or come too late: they never start or revive a leadership, and what they left is settled.

use std::time::Duration;

use leader_election::{
    DistributedMutex, EndReason, ErrorKind, FencingToken, Grant, LeaderEvent, Operation, Timing, TimingOptions,
};

use crate::host_support::Fault;
use crate::host_support::plays::{for_ever, lasting, until_cancelled};
use crate::host_support::stage::Call;
use crate::host_support::{Bench, TICK, Worker, assert_about, millis, secs, until};

fn sent(bench: &Bench, worker: &Worker, operation: Operation) -> Vec<Call> {
    let of_worker = |call: &Call| call.operation == operation && call.holder == *worker.host.holder();
    bench.stage.calls().into_iter().filter(of_worker).collect()
}

fn timeouts(worker: &Worker) -> usize {
    let timed_out = |event: &LeaderEvent| matches!(event, LeaderEvent::AttemptFailed { error, .. } if error.kind() == ErrorKind::Timeout);
    worker.log.count(timed_out)
}

#[tokio::test(start_paused = true)]
async fn invariant_8_a_grant_whose_reply_comes_after_the_attempt_was_given_up_starts_no_task() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.always(Operation::Acquire, Fault::Slow(millis(3_001)));
    let run = worker.run(until_cancelled);
    tokio::time::sleep(secs(60)).await;
    assert_eq!(worker.terms().len(), 0);
    assert_eq!(worker.log.elections(), 0);
    assert!(timeouts(&worker) >= 15);
    run.stop().await.0.unwrap();
    assert!(!bench.store().observe().await.unwrap().is_held(), "what it was granted is given back");
}

#[tokio::test(start_paused = true)]
async fn invariant_8_an_acquire_without_an_answer_is_repeated_under_the_same_claim_and_settles() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.next(Operation::Acquire, Fault::LoseReply);
    let run = worker.run(until_cancelled);
    let leader = worker.leads().await;

    let acquires = sent(&bench, &worker, Operation::Acquire);
    assert_eq!(acquires.len(), 2);
    assert_eq!(acquires[0].claim, acquires[1].claim);
    assert!(!acquires[0].unsettled && acquires[1].unsettled, "{acquires:?}");
    assert_eq!(leader.fencing_token(), FencingToken::new(1).unwrap(), "the grant is the one that got lost");
    // It costs the attempt's timeout, and not a whole lease of nobody.
    assert_about(bench.now(), secs(3), TICK);

    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_settled_is_no_longer_called_unsettled() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.next(Operation::Acquire, Fault::LoseReply);
    let run = worker.run(lasting(secs(1), Ok(())));
    worker.leads_for_the(2).await;
    let acquires = sent(&bench, &worker, Operation::Acquire);
    assert!(!acquires.last().unwrap().unsettled, "{acquires:?}");
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn invariant_8_a_standby_keeps_an_unsettled_claim_for_a_lease_and_forgets_it_then() {
    let bench = Bench::new();
    let (leader, standby) = (bench.worker("a"), bench.worker("b"));
    let leading = leader.run(until_cancelled);
    leader.leads().await;
    standby.store.next(Operation::Acquire, Fault::Hang);
    let waiting = standby.run(until_cancelled);
    tokio::time::sleep(secs(40)).await;
    let acquires = sent(&bench, &standby, Operation::Acquire);
    let lost_at = acquires[0].sent;
    assert!(acquires.iter().all(|call| call.claim == acquires[0].claim));
    for call in &acquires[1..] {
        let age = call.sent - lost_at;
        assert!(call.unsettled == (age <= secs(15)) || age.abs_diff(secs(16)) <= secs(1), "{age:?}: {call:?}");
    }
    let (outcome, took) = waiting.stop().await;
    outcome.unwrap();
    assert_about(took, Duration::ZERO, TICK);
    assert_eq!(sent(&bench, &standby, Operation::Release).len(), 0, "nothing of it can be left");
    leading.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn invariant_8_an_acquire_that_arrives_after_its_sender_was_shut_down_is_freed() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.next(Operation::Acquire, Fault::Late(secs(4)));
    worker.store.always(Operation::Acquire, Fault::Hang);
    let run = worker.run(until_cancelled);
    tokio::time::sleep(millis(3_500)).await;
    run.stop().await.0.unwrap();
    assert!(!bench.store().observe().await.unwrap().is_held());
    assert_eq!(worker.log.elections(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_acquire_that_fails_after_it_was_carried_out_is_settled_by_the_next() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.next(Operation::Acquire, Fault::FailLate(ErrorKind::Unavailable));
    let run = worker.run(until_cancelled);
    worker.leads().await;
    assert!(bench.now() <= secs(1) + TICK, "within a poll, not a lease: {:?}", bench.now());
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_release_without_an_answer_is_repeated_under_the_same_claim() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.next(Operation::Release, Fault::LoseReply);
    let run = worker.run(lasting(secs(1), Ok(())));
    worker.leads_for_the(2).await;
    let releases = sent(&bench, &worker, Operation::Release);
    assert_eq!(releases.len(), 2);
    assert_eq!(releases[0].claim, releases[1].claim);
    assert_ne!(sent(&bench, &worker, Operation::Acquire).last().unwrap().claim, releases[0].claim);
    run.stop().await.0.unwrap();
}

/// An attempt may take almost until the cancel point here, so that a renewal can be under way at the deadline.
fn patient() -> Timing {
    Timing::new(TimingOptions { attempt_timeout: secs(6), ..TimingOptions::default() }).unwrap()
}

#[tokio::test(start_paused = true)]
async fn invariant_7_a_renewal_that_is_answered_after_the_deadline_revives_nothing() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", |options| options.timing = patient());
    // Sent at 5 s and given up at 11 s; the next is sent then, and answered after the task's abortion at 14 s.
    worker.store.next(Operation::Renew, Fault::Hang);
    worker.store.next(Operation::Renew, Fault::Slow(millis(3_500)));
    let run = worker.run(for_ever);
    let leader = worker.leads().await;
    let term = worker.gone(1).await;
    assert_about(term.gone.unwrap(), secs(14), TICK);
    assert_eq!(sent(&bench, &worker, Operation::Renew).len(), 2);
    for _ in 0..200 {
        assert!(leader.ensure().is_err());
        tokio::time::sleep(millis(10)).await;
    }
    assert_eq!(worker.log.end(1).reason, EndReason::RenewalTimedOut);
    worker.leads_for_the(2).await;
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn invariant_7_a_renewal_that_succeeds_after_the_cancellation_does_not_take_it_back() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    for _ in 0..2 {
        worker.store.next(Operation::Renew, Fault::Hang);
    }
    let run = worker.run(for_ever);
    let leader = worker.leads().await;
    let term = worker.gone(1).await;
    let renewals = sent(&bench, &worker, Operation::Renew);
    assert!(renewals.len() > 2, "it is tried again while the task has its grace: {renewals:?}");
    assert_about(term.cancelled.unwrap().at, secs(11), TICK);
    assert_about(term.gone.unwrap(), secs(14), TICK);
    assert!(leader.ensure().is_err(), "although the lease itself runs until 26 s");
    until(|| sent(&bench, &worker, Operation::Release).len() == 1).await;
    worker.leads_for_the(2).await;
    assert_eq!(worker.log.end(1).reason, EndReason::RenewalTimedOut);
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn invariant_7_a_renewal_that_arrives_after_the_release_renews_nothing() {
    let bench = Bench::new();
    let (first, second) = (bench.worker("a"), bench.worker("b"));
    first.store.next(Operation::Renew, Fault::Late(secs(9)));
    first.store.always(Operation::Renew, Fault::Hang);
    let run = first.run(for_ever);
    first.leads().await;
    let waiting = second.run(until_cancelled);
    second.leads().await;
    // Aborted and released at 14 s, the moment at which the late renewal arrives.
    assert_about(bench.now(), millis(14_500), millis(500) + TICK);
    tokio::time::sleep(secs(30)).await;
    assert_eq!(second.log.elections(), 1);
    first.store.heal();
    run.stop().await.0.unwrap();
    waiting.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn invariant_2_a_token_that_is_not_above_the_last_is_refused_and_released() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(lasting(secs(1), Ok(())));
    worker.leads_for_the(2).await;
    worker.gone(2).await;
    for token in [2, 1] {
        let grant = Grant::new(FencingToken::new(token).unwrap(), secs(15));
        worker.store.next(Operation::Acquire, Fault::Grant(grant));
    }
    worker.leads_for_the(3).await;
    assert_eq!(worker.log.count(|event| matches!(event, LeaderEvent::TokenNotRising { .. })), 2);
    assert_eq!(sent(&bench, &worker, Operation::Release).len(), 4);
    assert_eq!(worker.terms()[2].leader.fencing_token(), FencingToken::new(3).unwrap());
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn invariant_14_a_grant_too_short_to_be_used_starts_no_task_and_is_released() {
    for lease in [Duration::ZERO, secs(1), secs(4)] {
        let bench = Bench::new();
        let worker = bench.worker("a");
        worker.store.cap_leases(lease);
        let run = worker.run(until_cancelled);
        tokio::time::sleep(secs(60)).await;
        assert_eq!(worker.log.elections(), 0, "{lease:?}");
        assert!(worker.log.count(|event| matches!(event, LeaderEvent::GrantedTooLate { .. })) > 1);
        let requests = bench.stage.calls().len();
        assert!(requests <= 2 * 60 / 2 + 2, "an acquire and a release for each pause of 2 s: {requests}");
        run.stop().await.0.unwrap();
    }
}

/// A grant of which nothing is left by the time that a renewal could extend it is as useless as one of no time at all.
#[tokio::test(start_paused = true)]
async fn invariant_14_a_short_grant_is_renewed_in_time_or_not_used() {
    for lease in [millis(4_500), secs(5), secs(6), secs(8), secs(12)] {
        let bench = Bench::new();
        let worker = bench.worker("a");
        worker.store.cap_leases(lease);
        let run = worker.run(until_cancelled);
        tokio::time::sleep(secs(60)).await;
        let ends = worker.log.ends();
        assert!(ends.is_empty(), "a grant of {lease:?} from a healthy store: {ends:?}");
        run.stop().await.0.unwrap();
    }
}

/// A grant and a renewal hold for at least `Grant::lease`, and no longer: that is the port's contract.
#[tokio::test(start_paused = true)]
async fn invariant_3_a_lease_shorter_than_asked_for_shortens_what_a_renewal_gives_too() {
    let bench = Bench::new();
    let (first, second) = (bench.worker("a"), bench.worker("b"));
    for worker in [&first, &second] {
        worker.store.cap_leases(secs(10));
    }
    let run = first.run(for_ever);
    first.leads().await;
    let waiting = second.run(until_cancelled);
    tokio::time::sleep(secs(6)).await;
    // Renewed at two thirds of 5 s, so the service keeps the lease until 13.3 s. The stage sees who is valid when it is
    // granted anew.
    first.store.always_all(Fault::Hang);
    second.leads().await;
    assert_about(bench.now(), millis(13_333), secs(1) + TICK);
    first.store.heal();
    run.stop().await.0.unwrap();
    waiting.stop().await.0.unwrap();
}
