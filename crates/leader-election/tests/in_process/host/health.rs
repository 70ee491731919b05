//! What a probe is told.

use leader_election::{ErrorKind, LeaderHost, MemoryMutex, Operation, Unhealthy};

use crate::host_support::Fault;
use crate::host_support::clock::{Stepped, with};
use crate::host_support::plays::{for_ever, until_cancelled};
use crate::host_support::{Bench, Worker, millis, secs};

#[tokio::test(start_paused = true)]
async fn a_host_is_well_as_standby_and_as_leader_and_red_before_and_after_its_run() {
    let bench = Bench::new();
    let (first, second) = (bench.worker("a"), bench.worker("b"));
    assert_eq!(first.host.health(), Err(Unhealthy::NotContending));
    let leading = first.run(until_cancelled);
    first.leads().await;
    let waiting = second.run(until_cancelled);
    for _ in 0..100 {
        tokio::time::sleep(millis(700)).await;
        assert_eq!((first.host.health(), second.host.health()), (Ok(()), Ok(())));
    }
    leading.stop().await.0.unwrap();
    waiting.stop().await.0.unwrap();
    assert_eq!(first.host.health(), Err(Unhealthy::NotContending));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_drains_is_well() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(for_ever);
    worker.leads().await;
    run.shutdown.cancel();
    tokio::time::sleep(secs(9)).await;
    assert_eq!(worker.host.health(), Ok(()));
    run.finished().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_host_that_rests_for_longer_than_a_lease_is_well() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", |options| options.pause = secs(300));
    let run = worker.run(until_cancelled);
    worker.leads().await.step_down();
    worker.gone(1).await;
    tokio::time::sleep(secs(200)).await;
    assert_eq!(worker.host.health(), Ok(()));
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_host_that_rests_after_a_failed_release_is_well() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", |options| options.pause = secs(300));
    let run = worker.run(until_cancelled);
    let leader = worker.leads().await;
    worker.store.always(Operation::Release, Fault::Hang);
    leader.step_down();
    worker.gone(1).await;
    for _ in 0..20 {
        tokio::time::sleep(secs(10)).await;
        assert_eq!(worker.host.health(), Ok(()));
    }
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_turns_it_red_after_a_lease_and_an_answer_turns_it_green() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(until_cancelled);
    worker.leads().await;
    worker.store.always_all(Fault::Hang);
    red_after_a_lease(&worker).await;
    worker.store.heal();
    worker.leads_for_the(2).await;
    assert_eq!(worker.host.health(), Ok(()));
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_turns_it_red_after_a_lease() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", |options| options.keep_trying_when_refused = true);
    worker.store.always_all(Fault::Fail(ErrorKind::Denied));
    let run = worker.run(until_cancelled);
    red_after_a_lease(&worker).await;
    worker.store.heal();
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn failures_that_answers_come_between_are_no_reason_for_red() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(until_cancelled);
    worker.leads().await;
    for _ in 0..20 {
        worker.store.next(Operation::Renew, Fault::Hang);
        tokio::time::sleep(secs(8)).await;
        assert_eq!(worker.host.health(), Ok(()));
    }
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_slept_through_its_lease_is_red_until_its_task_is_gone() {
    let bench = Bench::new();
    let clock = Stepped::new();
    let worker = bench.worker_with("a", with(&clock));
    let run = worker.run(for_ever);
    let token = worker.leads().await.fencing_token();
    tokio::time::sleep(secs(7)).await;
    clock.suspend(20_000);
    match worker.host.health() {
        Err(Unhealthy::LeadsPastLease { fencing_token, overdue }) => {
            assert_eq!(fencing_token, token);
            assert!(overdue > secs(5) && overdue < secs(20), "{overdue:?}");
        }
        other => panic!("{other:?}"),
    }
    worker.gone(1).await;
    assert_eq!(worker.host.health(), Ok(()));
    run.stop().await.0.unwrap();
}

/// Its timers go by the time of the runtime, so nothing of it is late.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_forward_by_an_hour_makes_no_host_red() {
    let bench = Bench::new();
    let clock = Stepped::new();
    let resting = bench.worker_with("resting", |options| {
        with(&clock)(options);
        options.pause = secs(60);
    });
    let run = resting.run(|_| async { Ok(()) });
    resting.gone(1).await;
    let leader = bench.worker("leader");
    let leading = leader.run(until_cancelled);
    leader.leads().await;
    let standby = bench.worker_with("standby", with(&clock));
    let waiting = standby.run(until_cancelled);
    tokio::time::sleep(secs(3)).await;
    clock.step(3_600_000);
    for _ in 0..600 {
        assert_eq!((resting.host.health(), standby.host.health()), (Ok(()), Ok(())));
        tokio::time::sleep(millis(50)).await;
    }
    for run in [run, leading, waiting] {
        run.stop().await.0.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_has_reached_the_store_from_its_first_answer_on_until_its_run_ends() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.always_all(Fault::Hang);
    let run = worker.run(until_cancelled);
    tokio::time::sleep(secs(60)).await;
    assert!(!worker.host.has_reached_store());
    worker.store.heal();
    worker.leads().await;
    assert!(worker.host.has_reached_store());
    worker.store.always_all(Fault::Hang);
    tokio::time::sleep(secs(60)).await;
    assert!(worker.host.has_reached_store());
    run.stop().await.0.unwrap();
    assert!(!worker.host.has_reached_store());
}

#[test]
fn what_is_wrong_is_one_sentence() {
    let health = LeaderHost::new(MemoryMutex::new()).health();
    assert_eq!(health.unwrap_err().to_string(), "the host is not running");
    let out_of_reach = Unhealthy::StoreOutOfReach { failing_for: millis(31_540) };
    assert_eq!(out_of_reach.to_string(), "no request to the store has succeeded for 31.5 s");
}

/// From now on nothing succeeds.
async fn red_after_a_lease(worker: &Worker) {
    tokio::time::sleep(secs(14)).await;
    assert_eq!(worker.host.health(), Ok(()));
    tokio::time::sleep(secs(14)).await;
    match worker.host.health() {
        Err(Unhealthy::StoreOutOfReach { failing_for }) => assert!(failing_for > secs(15), "{failing_for:?}"),
        other => panic!("{other:?}"),
    }
}
