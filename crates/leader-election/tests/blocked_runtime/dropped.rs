//! A run, or the runtime under it, is dropped with a leader on it.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use leader_election::{CancellationToken, LeaderEvent, Status, Timing};
use tokio::runtime::Runtime;

use crate::support::{Blocker, PATIENCE, Store, current_thread, events, eventually, host, work, workers};

/// The earlier run's task may block for ever; a caller that shuts the later run down must not have to wait for that.
#[test]
fn a_run_that_waits_for_the_blocked_task_of_a_dropped_one_heeds_its_shutdown() {
    let store = Store::default();
    let blocker = Blocker::new();
    let host = host("a", &store, |_| ());
    let runtime = workers(2);
    let run = |shutdown: &CancellationToken| {
        let (host, shutdown, play) = (Arc::clone(&host), shutdown.clone(), blocker.task());
        runtime.spawn(async move { host.run_task_when_mutex_acquired(shutdown, play).await })
    };
    let dropped = run(&CancellationToken::new());
    blocker.leads();
    dropped.abort();
    eventually("the run is dropped", || dropped.is_finished());

    let shutdown = CancellationToken::new();
    let waiting = run(&shutdown);
    shutdown.cancel();
    let begun = Instant::now();
    while !waiting.is_finished() && begun.elapsed() < PATIENCE / 3 {
        std::thread::sleep(Duration::from_millis(2));
    }
    let heeded = waiting.is_finished();
    blocker.gate.open();
    runtime.shutdown_timeout(PATIENCE);
    assert!(heeded, "it did not end while the dropped run's task was blocked");
}

/// The runtime that the host was run on goes away with the leader on it; the renewal thread does not.
fn releases_when_dropped(runtime: Runtime) {
    let store = Store::default();
    let (led, leads) = mpsc::channel();
    // The lease is far longer than this test waits, so that what frees it is a release.
    let host = host("a", &store, |options| options.timing = Timing::for_lease(PATIENCE * 20).unwrap());
    let play = work(&led);
    let run = {
        let host = Arc::clone(&host);
        runtime.spawn(async move { host.run_task_when_mutex_acquired(CancellationToken::new(), play).await })
    };
    // A current-thread runtime runs its tasks only while somebody blocks on it.
    let leader = runtime.block_on(async {
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < PATIENCE, "it never led");
            tokio::time::sleep(Duration::from_millis(2)).await;
            if let Ok(leader) = leads.try_recv() {
                return leader;
            }
        }
    });
    assert!(leader.ensure().is_ok());
    drop(run);
    drop(runtime);
    eventually("the lease is released", || store.holder().is_none());
    assert_eq!(store.count("release", "a"), 1);
    assert!(leader.ensure().is_err());
    assert!(leader.token().is_cancelled());
    let release = store.requests.lock().unwrap().iter().find(|request| request.what == "release").cloned().unwrap();
    assert_eq!(release.thread, "leader-requests");
    eventually("the host has stopped", || host.status() == Status::Stopped);
}

#[test]
fn a_current_thread_runtime_that_is_dropped_with_a_leader_on_it_leaves_no_lease() {
    releases_when_dropped(current_thread());
}

#[test]
fn a_multi_thread_runtime_that_is_dropped_with_a_leader_on_it_leaves_no_lease() {
    releases_when_dropped(workers(2));
}

#[test]
fn a_runtime_that_is_dropped_with_a_blocked_leader_on_it_releases_nothing() {
    let store = Store::default();
    let blocker = Blocker::new();
    let host = host("a", &store, |_| ());
    let mut heard = host.events();
    let runtime = workers(2);
    let play = blocker.task();
    let run = {
        let host = Arc::clone(&host);
        runtime.spawn(async move { host.run_task_when_mutex_acquired(CancellationToken::new(), play).await })
    };
    let leader = blocker.leads();
    drop(run);
    runtime.shutdown_background();
    let mut seen = Vec::new();
    eventually("the overrun is reported", || {
        events(&mut heard, &mut seen);
        seen.iter().any(|event| matches!(event, LeaderEvent::Overrun { .. }))
    });
    assert!(leader.ensure().is_err());
    eventually("the lease runs out", || store.holder().is_none());
    assert_eq!(store.count("release", "a"), 0, "its task still runs");
    assert!(blocker.wake().is_err());
}
