//! A store that can tell that something changed.

use leader_election::{Operation, Timing, TimingOptions};

use crate::host_support::plays::until_cancelled;
use crate::host_support::{Bench, TICK, Worker, millis, secs};
use testkit::store::{Fault, Push};

/// A worker that polls so rarely that only a push can make it quick.
fn patient_worker(bench: &Bench, name: &str, push: Push) -> Worker {
    let timing = Timing::new(TimingOptions { poll_every: secs(10), ..TimingOptions::default() }).unwrap();
    let worker = bench.worker_with(name, |options| options.timing = timing);
    worker.store.push(push);
    worker
}

fn acquires(bench: &Bench, worker: &Worker) -> usize {
    let of_worker = |call: &&crate::host_support::stage::Call| {
        call.operation == Operation::Acquire && call.holder == *worker.host.holder()
    };
    bench.stage.calls().iter().filter(of_worker).count()
}

#[tokio::test(start_paused = true)]
async fn a_push_makes_a_standby_take_over_without_waiting_for_its_poll() {
    let bench = Bench::new();
    let (first, second) = (patient_worker(&bench, "a", Push::OnRelease), patient_worker(&bench, "b", Push::OnRelease));
    let leading = first.run(until_cancelled);
    first.leads().await;
    let waiting = second.run(until_cancelled);
    // The standby's last poll was no more than 2 s ago, and its next is due in 8 s or more.
    tokio::time::sleep(secs(20)).await;
    let asked = bench.stage.calls().into_iter().rfind(|call| call.holder == *second.host.holder()).unwrap().sent;
    tokio::time::sleep((asked + secs(12)).saturating_sub(bench.now())).await;

    let begun = bench.now();
    leading.stop().await.0.unwrap();
    second.leads().await;
    assert!(bench.now() - begun <= secs(1) + TICK, "a tenth of a poll at most: {:?}", bench.now() - begun);
    waiting.stop().await.0.unwrap();
}

/// The reply that the lease is held is on its way when the lease is released: the push must not get lost meanwhile.
#[tokio::test(start_paused = true)]
async fn a_push_that_comes_while_an_acquire_is_under_way_is_not_lost() {
    let bench = Bench::new();
    let (first, second) = (patient_worker(&bench, "a", Push::OnRelease), patient_worker(&bench, "b", Push::OnRelease));
    let leading = first.run(until_cancelled);
    first.leads().await;
    second.store.always(Operation::Acquire, Fault::Slow(secs(1)));
    let waiting = second.run(until_cancelled);
    tokio::time::sleep(millis(500)).await;
    leading.stop().await.0.unwrap();
    let released = bench.now();
    second.store.heal();
    second.leads().await;
    assert!(bench.now() - released <= secs(2), "it waited for its next poll: {:?}", bench.now() - released);
    waiting.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn invariant_13_a_store_that_never_falls_silent_makes_no_hot_loop() {
    for push in [Push::Always, Push::Every(millis(1)), Push::Every(millis(150))] {
        let bench = Bench::new();
        let (leader, standby) = (bench.worker("a"), bench.worker("b"));
        for worker in [&leader, &standby] {
            worker.store.push(push);
        }
        let leading = leader.run(until_cancelled);
        leader.leads().await;
        let waiting = standby.run(until_cancelled);
        tokio::time::sleep(secs(60)).await;
        let requests = acquires(&bench, &standby);
        assert!(requests <= 60 * 10 + 2, "{push:?}: at most ten for each poll interval, but there were {requests}");
        assert_eq!(acquires(&bench, &leader), 1);
        leading.stop().await.0.unwrap();
        waiting.stop().await.0.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_push_does_not_cut_the_rest_after_a_task_that_ended_by_itself_short() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.push(Push::Every(millis(10)));
    let run = worker.run(|_| async { Ok(()) });
    tokio::time::sleep(secs(70)).await;
    // Pauses of 2, 4, 8, 16 and 32 seconds.
    assert_eq!(worker.terms().len(), 6);
    run.stop().await.0.unwrap();
}
