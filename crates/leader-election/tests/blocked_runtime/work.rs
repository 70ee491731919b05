//! What the leader's task has started, and outlives it.

use std::sync::mpsc;
use std::time::Duration;

use leader_election::{ErrorKind, LeaderEvent, Leadership, Timing, Unhealthy};

use crate::support::{Gate, PATIENCE, Store, Worker, events, eventually, host, work, workers};

/// A task that has something blocking done, and waits for it. It tells when that began.
fn blocking_work(
    gate: &Gate,
) -> (impl FnMut(Leadership) -> crate::support::Act + Send + use<>, mpsc::Receiver<Leadership>) {
    let (began, begins) = mpsc::channel();
    let gate = gate.clone();
    let act = move |leader: Leadership| -> crate::support::Act {
        let (began, gate) = (began.clone(), gate.clone());
        Box::pin(async move {
            let inside = leader.clone();
            let work = leader.spawn_blocking(move || {
                began.send(inside).unwrap();
                gate.block();
            });
            Ok(work.await?)
        })
    };
    (act, begins)
}

#[test]
fn the_lease_is_released_only_when_blocking_work_of_the_task_is_gone() {
    let store = Store::default();
    let gate = Gate::default();
    let (act, begins) = blocking_work(&gate);
    // So long that it is no overrun before the gate is opened.
    let a = host("a", &store, |options| options.timing = Timing::for_lease(Duration::from_secs(30)).unwrap());
    let worker = Worker::start(&a, workers(2), act);
    let leader = begins.recv_timeout(PATIENCE).unwrap();
    worker.shut_down();
    // The task is told, and then aborted after the drain limit of 100 ms; what blocks goes on.
    eventually("the task has no validity any more", || leader.ensure().is_err());
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!((store.count("release", "a"), store.holder().as_deref()), (0, Some("a")), "it may still write");
    gate.open();
    worker.stop().unwrap();
    assert_eq!(store.count("release", "a"), 1);
}

#[test]
fn blocking_work_that_outlives_the_lease_is_an_overrun_and_health_sees_it() {
    let store = Store::default();
    let gate = Gate::default();
    let (act, begins) = blocking_work(&gate);
    let a = host("a", &store, |_| ());
    let mut heard = a.events();
    let worker = Worker::start(&a, workers(2), act);
    let leader = begins.recv_timeout(PATIENCE).unwrap();
    let (led, leads) = mpsc::channel();
    let second = Worker::start(&host("b", &store, |_| ()), workers(1), work(&led));
    worker.shut_down();
    let successor = leads.recv_timeout(PATIENCE).expect("another leads when the lease is over");
    assert!(successor.fencing_token() > leader.fencing_token());
    assert_eq!(store.count("release", "a"), 0);
    eventually("health sees it", || {
        matches!(a.health(), Err(Unhealthy::LeadsPastLease { .. } | Unhealthy::NotContending))
    });
    let mut seen = Vec::new();
    eventually("the overrun is told", || {
        events(&mut heard, &mut seen);
        seen.iter().any(|event| matches!(event, LeaderEvent::Overrun { .. }))
    });
    gate.open();
    assert_eq!(worker.stop().unwrap_err().kind(), ErrorKind::Overrun);
    second.stop().unwrap();
}

#[test]
fn a_subtask_is_aborted_with_its_task_and_none_is_started_after_it() {
    let store = Store::default();
    let (began, begins) = mpsc::channel();
    let worker = Worker::start(&host("a", &store, |_| ()), workers(2), move |leader: Leadership| {
        let began = began.clone();
        async move {
            let forever = leader.spawn(std::future::pending::<()>());
            began.send((leader, forever)).unwrap();
            std::future::pending().await
        }
    });
    let (leader, forever) = begins.recv_timeout(PATIENCE).unwrap();
    worker.stop().unwrap();
    eventually("it is gone", || forever.is_finished());
    let wait = |handle: tokio::task::JoinHandle<()>| workers(1).block_on(handle).unwrap_err().is_cancelled();
    assert!(wait(forever));
    assert_eq!(store.count("release", "a"), 1);
    // The term is over: what would start now would run beside the next leader.
    let (ran, runs) = mpsc::channel();
    let blocking = ran.clone();
    assert!(wait(leader.spawn(async move { ran.send("task").unwrap() })));
    assert!(wait(leader.spawn_blocking(move || blocking.send("blocking").unwrap())));
    assert!(runs.recv().is_err(), "both were dropped unused");
}
