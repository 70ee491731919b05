//! The term that runs now, as the rest of the process sees it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use leader_election::{
    CancellationToken, EndReason, LeaderHost, Leadership, LeadershipWatch, Loss, MemoryMutex, Operation, Timing,
};

use crate::host_support::Fault;
use crate::host_support::plays::{draining, for_ever, lasting, until_cancelled};
use crate::host_support::{Bench, TICK, Worker, assert_about, bounded, millis, options, secs};

/// What a request handler would find at every 5 ms of this time. It must be the task's own leadership, exactly while that is valid.
async fn agrees(worker: &Worker, time: Duration) {
    let end = worker.stage.now() + time;
    while worker.stage.now() < end {
        let valid = worker.terms().into_iter().map(|term| term.leader).find(|leader| leader.ensure().is_ok());
        let found = worker.host.leadership();
        assert_eq!(
            found.as_ref().map(Leadership::fencing_token),
            valid.as_ref().map(Leadership::fencing_token),
            "at {:?}: {found:?} beside {valid:?}",
            worker.stage.now()
        );
        tokio::time::sleep(millis(5)).await;
    }
}

/// The token that is told next; `None` for the end of a term.
async fn told(watch: &mut LeadershipWatch) -> Option<u64> {
    let now = bounded(watch.changed()).await.expect("the host is there");
    now.map(|leader| {
        assert_eq!(leader.ensure(), Ok(()));
        leader.fencing_token().get()
    })
}

#[tokio::test(start_paused = true)]
async fn is_there_when_the_task_begins_and_gone_when_it_has_ended() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    assert!(worker.host.leadership().is_none(), "before the run");
    let (asked, answers) = (Arc::clone(&worker.host), Arc::new(Mutex::new(vec![])));
    let note = Arc::clone(&answers);
    let run = worker.run(move |leader: Leadership| {
        // In the first instruction of the delegate.
        let found = asked.leadership().map(|found| found.fencing_token());
        note.lock().unwrap().push(found == Some(leader.fencing_token()));
        lasting(secs(1), Ok(()))(leader)
    });
    worker.gone(3).await;
    assert!(worker.host.leadership().is_none(), "between terms");
    assert_eq!(*answers.lock().unwrap(), [true; 3]);
    run.stop().await.0.unwrap();
    assert!(worker.host.leadership().is_none(), "after the run");
}

#[tokio::test(start_paused = true)]
async fn is_there_exactly_while_ensure_succeeds_whatever_ends_the_term() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", |options| options.heartbeat_limit = Some(secs(40)));
    let mut term = 0;
    let run = worker.run(move |leader| {
        term += 1;
        match term {
            1 => lasting(secs(1), Ok(()))(leader),
            2 => lasting(secs(1), Err("no"))(leader),
            3 => draining(secs(5))(leader),
            _ => Box::pin(for_ever(leader)),
        }
    });
    worker.leads_for_the(2).await;
    agrees(&worker, secs(4)).await;
    worker.leads_for_the(3).await.step_down();
    agrees(&worker, secs(6)).await;
    worker.leads_for_the(4).await;
    worker.store.next(Operation::Renew, Fault::Lost(Loss::Broken));
    agrees(&worker, secs(12)).await;
    worker.leads_for_the(5).await;
    worker.store.always(Operation::Renew, Fault::Hang);
    agrees(&worker, secs(20)).await;
    worker.store.heal();
    worker.leads_for_the(6).await;
    // It ends for want of a heartbeat.
    agrees(&worker, secs(50)).await;
    worker.leads_for_the(7).await;
    run.shutdown.cancel();
    agrees(&worker, secs(12)).await;
    run.stop().await.0.unwrap();
    assert!(worker.terms().len() >= 7);
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_each_term_and_each_end_at_that_instant() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let mut watch = worker.host.watch_leadership();
    assert!(watch.get().is_none());
    let run = worker.run(draining(secs(2)));
    assert_eq!(told(&mut watch).await, Some(1));
    assert_about(bench.now(), Duration::ZERO, TICK);
    tokio::time::sleep(secs(3)).await;
    worker.leads().await.step_down();
    assert_eq!(told(&mut watch).await, None);
    assert_about(bench.now(), secs(5), TICK);
    assert!(watch.get().is_none());

    assert_eq!(told(&mut watch).await, Some(2));
    assert_eq!(watch.get().unwrap().fencing_token(), worker.leads_for_the(2).await.fencing_token());
    tokio::time::sleep(secs(1)).await;
    let lost = bench.now();
    worker.store.next(Operation::Renew, Fault::Lost(Loss::Broken));
    assert_eq!(told(&mut watch).await, None);
    // With the next renewal, and not when the task has drained.
    assert!(bench.now() - lost <= secs(5), "{:?}", bench.now() - lost);
    assert!(worker.terms()[1].gone.is_none());
    worker.gone(2).await;
    run.stop().await.0.unwrap();
}

/// While a task drains, its lease is held and it may finish what it has begun.
#[tokio::test(start_paused = true)]
async fn a_watch_tells_the_end_of_a_term_that_was_told_to_stop_when_it_is_not_valid_any_more() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let mut watch = worker.host.watch_leadership();
    let run = worker.run(for_ever);
    assert_eq!(told(&mut watch).await, Some(1));
    tokio::time::sleep(secs(1)).await;
    run.shutdown.cancel();
    tokio::time::sleep(secs(5)).await;
    assert!(watch.get().is_some(), "it drains");
    assert_eq!(told(&mut watch).await, None);
    assert_about(bench.now(), secs(11), TICK);
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_of_a_watch_sees_the_present_term_and_holds_nobody_up() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let mut watch = worker.host.watch_leadership();
    let mut ended = watch.clone();
    let mut terms = 0;
    let run = worker.run(move |leader| {
        terms += 1;
        let time = if terms < 3 { secs(1) } else { secs(100) };
        lasting(time, Ok(()))(leader)
    });
    let kept = watch.get();
    worker.leads_for_the(3).await;
    assert!(kept.is_none());
    assert_eq!(told(&mut watch).await, Some(3), "those between were missed");
    let more = tokio::time::timeout(secs(10), watch.changed()).await;
    assert!(more.is_err(), "nothing changes while it is renewed: {more:?}");
    run.stop().await.0.unwrap();
    assert_eq!(told(&mut watch).await, None);
    let missed = tokio::time::timeout(secs(10), ended.changed()).await;
    assert!(missed.is_err(), "for one who looks now, nothing has changed: {missed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_of_changed_may_be_dropped_and_the_next_misses_nothing() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let mut watch = worker.host.watch_leadership();
    for _ in 0..3 {
        assert!(tokio::time::timeout(millis(1), watch.changed()).await.is_err());
    }
    let run = worker.run(until_cancelled);
    worker.leads().await;
    {
        // Polled once, and dropped with the change in sight.
        let mut changed = std::pin::pin!(watch.changed());
        let waker = std::task::Waker::noop();
        assert!(changed.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_ready());
    }
    run.stop().await.0.unwrap();
    assert_eq!(told(&mut watch).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_made_during_a_term_tells_its_end() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(until_cancelled);
    worker.leads().await;
    let mut watch = worker.host.watch_leadership();
    run.stop().await.0.unwrap();
    assert_eq!(told(&mut watch).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_with_the_last_clone_of_the_host_although_a_leadership_is_kept() {
    let host = LeaderHost::new(MemoryMutex::new()).with_options(options("a")).in_tokio_time();
    let mut watch = host.watch_leadership();
    let inside = host.clone();
    let play = async move |_leader: Leadership| inside.leadership();
    let term = bounded(host.run_one_term(CancellationToken::new(), play)).await.unwrap().unwrap();
    let kept = term.output.flatten().expect("it led");
    assert!(kept.ensure().is_err());
    drop(host);
    assert!(bounded(watch.changed()).await.is_none());
}

/// Request handlers come and go; what they keep must not keep the program's own state.
#[tokio::test(start_paused = true)]
async fn a_kept_leadership_keeps_neither_what_the_task_has_captured_nor_the_store() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let state = Arc::new(());
    let captured = Arc::downgrade(&state);
    let run = worker.run(move |leader| {
        let state = Arc::clone(&state);
        async move {
            let _state = state;
            until_cancelled(leader).await
        }
    });
    worker.leads().await;
    let kept = worker.host.leadership().expect("it leads");
    run.stop().await.0.unwrap();
    assert_eq!(captured.strong_count(), 0);
    drop(worker);
    assert!(kept.ensure().is_err());
    kept.step_down();
    kept.heartbeat();
}

/// A task may ask, too, and hand on what it finds.
#[tokio::test(start_paused = true)]
async fn what_it_returns_is_the_tasks_own_leadership() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(until_cancelled);
    let leader = worker.leads().await;
    let found = worker.host.leadership().expect("it leads");
    found.step_down();
    worker.gone(1).await;
    assert_eq!(leader.end_reason(), Some(EndReason::SteppedDown));
    assert_eq!(found.ensure(), leader.ensure());
    assert!(found.ensure().is_err());
    run.stop().await.0.unwrap();
}

/// In real time, as it blocks its thread. Nobody else would say so before its lease is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_watch_tells_the_end_of_a_term_whose_task_ignores_its_abortion() {
    let mut options = options("a");
    (options.timing, options.drain_limit) = (Timing::for_lease(secs(60)).unwrap(), millis(50));
    let host = LeaderHost::new(MemoryMutex::new()).with_options(options).in_tokio_time();
    let mut watch = host.watch_leadership();
    let shutdown = CancellationToken::new();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let run = tokio::spawn(host.run(shutdown.clone(), move |_leader| {
        let held = Arc::clone(&held);
        async move {
            let _ = held.lock().unwrap().recv();
        }
    }));
    assert_eq!(told(&mut watch).await, Some(1));
    shutdown.cancel();
    let end = tokio::time::timeout(secs(30), watch.changed()).await;
    // Before anything is asserted, or a failed test waits for it.
    drop(release);
    assert!(end.expect("it is told").expect("the host is there").is_none());
    bounded(run).await.unwrap().unwrap();
}
