//! The metrics, and that they count what they say.

use std::time::Duration;

use azure_leader_election::{
    CancellationToken, Fenced, FencingToken, Grant, LeaderHost, LeaderHostOptions, Loss, MemoryMutex, Operation, Timing,
};

use crate::host_support::Fault;
use crate::host_support::clock::{Stepped, with};
use crate::host_support::plays::{draining, for_ever, until_cancelled};
use crate::host_support::{Bench, holder, secs};
use crate::meter::{install, one, read};

/// Real time: the gauges are looked at from another thread, where virtual time is unknown.
#[tokio::test(flavor = "multi_thread")]
async fn gauges_tell_who_leads_in_which_term_and_for_how_long() {
    install();
    let options = LeaderHostOptions {
        holder: holder("gauges"),
        timing: Timing::for_lease(secs(6)).unwrap(),
        ..LeaderHostOptions::default()
    };
    let host = LeaderHost::new(MemoryMutex::new()).with_options(options);
    assert!(read("is_leader", Some("gauges")).is_empty(), "before its run nobody knows of it");
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let run = host.run_task_when_mutex_acquired(shutdown, move |leader| {
        let stop = stop.clone();
        async move {
            let is_leader = || one("is_leader", "gauges", &[]).value;
            assert_eq!(is_leader(), 1.0);
            assert_eq!(one("term", "gauges", &[]).value, leader.fencing_token().get() as f64);
            let remaining = one("validity.remaining", "gauges", &[]).value;
            assert!(remaining > 0.0 && remaining <= leader.valid_for().as_secs_f64() + 6.0, "{remaining}");
            while read("validity.minimum", Some("gauges")).is_empty() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let minimum = one("validity.minimum", "gauges", &[]).value;
            // It is renewed each 2 s, and valid for 5.6 s.
            assert!(minimum > 0.0 && minimum < 4.0, "{minimum}");
            stop.cancel();
            Ok(())
        }
    });
    run.await.unwrap();
    assert_eq!(one("is_leader", "gauges", &[]).value, 0.0);
    assert!(read("term", Some("gauges")).is_empty());
    drop(host);
    assert!(read("is_leader", Some("gauges")).is_empty(), "a host that is gone says nothing");
}

#[tokio::test(start_paused = true)]
async fn transitions_and_terms_are_counted_by_reason() {
    install();
    let bench = Bench::new();
    let worker = bench.worker("transitions");
    let run = worker.run(draining(secs(1)));
    worker.leads().await;
    tokio::time::sleep(secs(20)).await;
    worker.store.next(Operation::Renew, Fault::Lost(Loss::Taken));
    worker.leads_for_the(2).await.step_down();
    worker.leads_for_the(3).await.step_down();
    worker.gone(3).await;
    run.stop().await.0.unwrap();

    let count = |attributes: &[(&str, &str)]| one("transitions", "transitions", attributes).value;
    assert_eq!(count(&[("transition", "elected")]), 3.0);
    assert_eq!(count(&[("transition", "stopping"), ("reason", "lease_lost")]), 1.0);
    assert_eq!(count(&[("transition", "ended"), ("reason", "lease_lost")]), 1.0);
    assert_eq!(count(&[("transition", "ended"), ("reason", "stepped_down")]), 2.0);
    let lost = one("term.duration", "transitions", &[("reason", "lease_lost")]);
    assert!((lost.value, lost.sum) > (1.0, 20.0) && lost.sum < 30.0, "{lost:?}");
    let stopped = one("task.stop.duration", "transitions", &[("reason", "stepped_down")]);
    assert!((stopped.value, stopped.sum.round()) == (2.0, 2.0), "{stopped:?}");
    assert!(read("task.aborted", Some("transitions")).is_empty(), "each ended in its time");
}

#[tokio::test(start_paused = true)]
async fn requests_are_timed_by_operation_and_outcome_and_failures_by_class() {
    install();
    let bench = Bench::new();
    let (worker, other) = (bench.worker("requests"), bench.worker("requests-2"));
    worker.store.next(Operation::Acquire, Fault::Slow(Duration::from_millis(300)));
    worker.store.next(Operation::Renew, Fault::Hang);
    let leading = worker.run(until_cancelled);
    worker.leads().await;
    let waiting = other.run(until_cancelled);
    tokio::time::sleep(secs(32)).await;
    leading.stop().await.0.unwrap();
    other.leads().await;
    waiting.stop().await.0.unwrap();

    let requests = |holder: &str, operation: &str, outcome: &str| {
        one("request.duration", holder, &[("operation", operation), ("outcome", outcome)])
    };
    let granted = requests("requests", "acquire", "granted");
    assert!(granted.value == 1.0 && (0.29..0.4).contains(&granted.sum), "{granted:?}");
    let renewed = requests("requests", "renew", "renewed");
    assert!((5.0..8.0).contains(&renewed.value), "{renewed:?}");
    let failed = requests("requests", "renew", "failed");
    assert_eq!((failed.value, &*failed.attributes["error.type"]), (1.0, "Timeout"));
    assert!((2.9..3.1).contains(&failed.sum), "an attempt's time limit: {failed:?}");
    assert_eq!(requests("requests", "release", "released").value, 1.0);
    assert!(requests("requests-2", "acquire", "held").value > 25.0);
}

#[tokio::test(start_paused = true)]
async fn a_failover_takes_from_the_last_sight_of_the_other_leader_and_an_election_from_the_first_free_request() {
    install();
    let bench = Bench::new();
    let (first, second) = (bench.worker("crashes"), bench.worker("takes-over"));
    let leading = first.run(until_cancelled);
    first.leads().await;
    let waiting = second.run(until_cancelled);
    tokio::time::sleep(secs(10)).await;
    first.store.always_all(Fault::Hang);
    // From here on its requests fail for 9 s, beyond the end of the lease, and then one takes 200 ms.
    tokio::time::sleep(secs(8)).await;
    for _ in 0..3 {
        second.store.next(Operation::Acquire, Fault::Hang);
    }
    second.store.next(Operation::Acquire, Fault::Slow(Duration::from_millis(200)));
    second.leads().await;
    let election = one("election.duration", "takes-over", &[]);
    let failover = one("failover.duration", "takes-over", &[]);
    assert!(election.value == 1.0 && failover.value == 1.0, "{election:?} {failover:?}");
    assert!((3.0..10.0).contains(&election.sum), "with the attempts that failed: {election:?}");
    assert!(failover.sum > election.sum && failover.sum < election.sum + 1.5, "and at most a poll more: {failover:?}");
    assert!(read("failover.duration", Some("crashes")).is_empty(), "it was the first of all");
    first.store.heal();
    leading.stop().await.0.unwrap();
    waiting.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_out_of_order_is_counted() {
    install();
    let bench = Bench::new();
    let clock = Stepped::new();
    let worker = bench.worker_with("disorder", |options| {
        with(&clock)(options);
        options.heartbeat_limit = Some(secs(20));
    });
    let run = worker.run(for_ever);
    let leader = worker.leads().await;
    // The first term ends for want of a heartbeat, the second by a jump of the clock; no task heeds that.
    worker.gone(1).await;
    let stale = Grant { fencing_token: leader.fencing_token(), lease: secs(15) };
    worker.store.next(Operation::Acquire, Fault::Grant(stale));
    worker.leads_for_the(2).await;
    clock.step(60_000);
    worker.gone(2).await;
    run.stop().await.0.unwrap();

    let count = |name: &str, attributes: &[(&str, &str)]| one(name, "disorder", attributes).value;
    assert_eq!(count("stalls", &[]), 1.0);
    assert_eq!(count("clock.jumps", &[]), 1.0);
    assert_eq!(count("task.aborted", &[("reason", "stalled")]), 1.0);
    assert_eq!(count("task.aborted", &[("reason", "clock_jumped")]), 1.0);
    assert_eq!(count("grants.unused", &[("reason", "token_not_rising")]), 1.0);
}

#[tokio::test]
async fn a_write_that_a_fence_refused_is_counted() {
    install();
    let count = || read("writes.fenced", None).first().map_or(0.0, |series| series.value);
    let before = count();
    let charges = Fenced::after(FencingToken::new(42).unwrap(), ());
    charges.admit(FencingToken::new(41).unwrap()).await.map(drop).unwrap_err();
    assert!(count() > before);
}
