//! What the leader's task starts by `Leadership::spawn`.

use std::sync::{Arc, Mutex};

use leader_election::{LeaderEvent, Operation};

use crate::host_support::{Bench, millis, secs, until};

#[tokio::test(start_paused = true)]
async fn what_the_task_has_started_drains_under_the_lease_when_the_task_returns() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let ended = Arc::new(Mutex::new(None));
    let at = Arc::clone(&ended);
    let now = tokio::time::Instant::now();
    let run = worker.run(move |leader| {
        let at = Arc::clone(&at);
        let inside = leader.clone();
        leader.spawn(async move {
            inside.token().cancelled().await;
            tokio::time::sleep(secs(4)).await;
            at.lock().unwrap().get_or_insert((now.elapsed(), inside.ensure().is_ok()));
        });
        async { Ok(()) }
    });
    until(|| worker.log.count(|event| matches!(event, LeaderEvent::Ended { .. })) > 0).await;
    let (at, valid) = ended.lock().unwrap().expect("it drained");
    assert!(valid && at >= secs(4), "{at:?}");
    let released = bench.stage.calls().iter().filter(|call| call.operation == Operation::Release).map(|c| c.sent).min();
    assert!(released.is_some_and(|released| released >= secs(4)), "{released:?}");
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_subtask_that_ignores_the_end_of_its_task_is_aborted_at_the_drain_limit() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", |options| options.drain_limit = secs(3));
    let held = Arc::new(());
    let weak = Arc::downgrade(&held);
    let held = Mutex::new(Some(held));
    let run = worker.run(move |leader| {
        if let Some(held) = held.lock().unwrap().take() {
            leader.spawn(async move {
                let _held = held;
                std::future::pending::<()>().await;
            });
        }
        async { Ok(()) }
    });
    worker.leads().await;
    tokio::time::sleep(millis(2_900)).await;
    assert_eq!(weak.strong_count(), 1, "it still has time");
    tokio::time::sleep(millis(200)).await;
    assert_eq!(weak.strong_count(), 0, "it is gone");
    run.stop().await.0.unwrap();
}
