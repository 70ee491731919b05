//! Invariants 4, 5 and 11 in real time: a leader that blocks its runtime, code of the user's that blocks, and what a task has
//! started can neither stop a renewal nor delay a cancellation.
//!
//! What blocks here does so until the test has seen what it waits for, so that no test depends on how fast the machine
//! is: a bound is only there for a test to fail instead of waiting for ever.

#![allow(clippy::expect_used, clippy::unwrap_used)]

#[cfg(unix)]
#[path = "blocked_runtime/children.rs"]
mod children;
#[path = "blocked_runtime/dropped.rs"]
mod dropped;
#[path = "blocked_runtime/panics.rs"]
mod panics;
#[cfg(unix)]
#[path = "blocked_runtime/process.rs"]
mod process;
#[path = "blocked_runtime/support.rs"]
mod support;
#[path = "blocked_runtime/user_code.rs"]
mod user_code;
#[path = "blocked_runtime/work.rs"]
mod work_of_the_task;

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use azure_leader_election::{
    CancellationToken, EndReason, ErrorKind, LeaderEvent, Leadership, Status, Timing, Unhealthy,
};
use tokio::runtime::Runtime;

use support::{Blocker, PATIENCE, Store, Worker, current_thread, events, eventually, host, host_with, work, workers};

/// The leader blocks the only thread of its runtime, and its lease is renewed all the same.
fn renews_while_blocked(runtime: Runtime) {
    let store = Store::default();
    let blocker = Blocker::new();
    let worker = Worker::start(&host("a", &store, |_| ()), runtime, blocker.task());
    let leader = blocker.leads();

    // Six renewals are two leases.
    let before = store.count("renew", "a");
    eventually("the lease is renewed", || {
        assert_eq!(store.holder().as_deref(), Some("a"), "the lease stays held");
        assert!(leader.ensure().is_ok());
        store.count("renew", "a") >= before + 6
    });
    assert_eq!(blocker.wake(), Ok(()), "and so it is still the leader when it wakes");
    worker.stop().unwrap();
}

#[test]
fn a_leader_that_blocks_its_current_thread_runtime_keeps_its_lease() {
    renews_while_blocked(current_thread());
}

#[test]
fn a_leader_that_blocks_the_only_worker_of_its_runtime_keeps_its_lease() {
    renews_while_blocked(workers(1));
}

#[test]
fn a_delegate_that_blocks_before_it_makes_a_future_does_not_block_the_renewals() {
    let store = Store::default();
    let (led, leads) = mpsc::channel();
    let blocker = Blocker::new();
    let (gate, mut work) = (blocker.gate.clone(), work(&led));
    let worker = Worker::start(&host("a", &store, |_| ()), current_thread(), move |leader: Leadership| {
        let act = work(leader);
        gate.block();
        act
    });
    leads.recv_timeout(PATIENCE).unwrap();
    let before = store.count("renew", "a");
    eventually("the lease is renewed", || store.count("renew", "a") >= before + 3);
    blocker.gate.open();
    worker.stop().unwrap();
}

#[test]
fn a_leader_that_blocks_its_runtime_is_cancelled_at_the_stall_limit_and_another_takes_over() {
    let store = Store::default();
    let (led_second, second_leads) = mpsc::channel();
    let blocker = Blocker::new();

    let first_host = host("a", &store, |options| options.stall_limit = Some(Duration::from_millis(300)));
    let mut heard = first_host.events();
    let first = Worker::start(&first_host, current_thread(), blocker.task());
    let leader = blocker.leads();
    let blocked = Instant::now();
    let second = Worker::start(&host("b", &store, |_| ()), current_thread(), work(&led_second));

    eventually("it is cancelled", || leader.token().is_cancelled());
    let cancelled = blocked.elapsed();
    assert_eq!(leader.end_reason(), Some(EndReason::Stalled));
    assert!(cancelled >= Duration::from_millis(200), "not before its limit: {cancelled:?}");

    // It still blocks its thread, and yet another leads.
    let successor = second_leads.recv_timeout(PATIENCE).expect("another leads");
    let at_takeover = leader.ensure();
    assert_eq!(at_takeover.unwrap_err().reason, Some(EndReason::Stalled));
    assert!(successor.ensure().is_ok());
    assert!(successor.fencing_token() > leader.fencing_token());
    assert_eq!(store.count("release", "a"), 0, "its task still runs: the lease was left to run out");
    match first_host.health() {
        Err(Unhealthy::LeadsPastLease { fencing_token, .. }) => assert_eq!(fencing_token, leader.fencing_token()),
        other => panic!("a probe is to have the process ended: {other:?}"),
    }

    let mut seen = Vec::new();
    events(&mut heard, &mut seen);
    let position = |which: fn(&LeaderEvent) -> bool| seen.iter().position(which).unwrap_or_else(|| panic!("{seen:?}"));
    let stopping = position(|event| matches!(event, LeaderEvent::Stopping { reason: EndReason::Stalled, .. }));
    let ended = position(|event| matches!(event, LeaderEvent::Ended { reason: EndReason::Stalled, .. }));
    let overrun = position(|event| matches!(event, LeaderEvent::Overrun { .. }));
    assert!(stopping < ended && ended < overrun, "{seen:?}");
    assert!(matches!(first.status(), Status::Stopping { reason: EndReason::Stalled, .. }), "{:?}", first.status());

    let awake = blocker.wake();
    assert_eq!(awake.unwrap_err().reason, Some(EndReason::Stalled), "it must not write when it wakes");
    eventually(
        "it is a standby again",
        || matches!(first.status(), Status::Standby { leader: Some(leader), .. } if leader.holder.as_str() == "b"),
    );
    assert_eq!(first_host.health(), Ok(()));
    assert!(successor.ensure().is_ok(), "what it released was its own lease, long gone");
    second.stop().unwrap();
    first.stop().unwrap();
}

#[test]
fn a_task_that_is_stuck_on_one_worker_of_many_is_found_by_its_heartbeat() {
    let store = Store::default();
    let blocker = Blocker::new();
    let stuck = host("a", &store, |options| {
        // So long that a busy machine does not come near it.
        options.stall_limit = Some(PATIENCE * 2);
        options.heartbeat_limit = Some(Duration::from_secs(2));
    });
    let worker = Worker::start(&stuck, workers(3), blocker.task());
    let leader = blocker.leads();
    let blocked = Instant::now();
    eventually("it is cancelled", || leader.token().is_cancelled());
    assert_eq!(leader.end_reason(), Some(EndReason::Stalled));
    assert!(blocked.elapsed() > Duration::from_secs(1), "the runtime is alive; only the heartbeat was missing");
    blocker.gate.open();
    worker.stop().unwrap();
}

#[test]
fn a_stalled_leader_that_wakes_in_time_is_told_and_may_lead_again() {
    let store = Store::default();
    let blocker = Blocker::new();
    // A grace of six seconds, within which it wakes.
    let first = host("a", &store, |options| {
        options.timing = Timing::for_lease(Duration::from_secs(30)).unwrap();
        options.stall_limit = Some(Duration::from_millis(300));
        options.pause = Duration::from_millis(10);
    });
    let mut heard = first.events();
    let first = Worker::start(&first, current_thread(), blocker.task());
    let leader = blocker.leads();
    eventually("it is cancelled", || leader.token().is_cancelled());
    assert!(leader.ensure().is_err(), "from its cancellation on it may not write");
    assert_eq!(blocker.wake().unwrap_err().reason, Some(EndReason::Stalled));
    let again = blocker.leads();
    assert!(again.fencing_token() > leader.fencing_token());
    assert_eq!(store.count("release", "a"), 1, "its task was gone in time, so the lease was released");
    let mut seen = Vec::new();
    events(&mut heard, &mut seen);
    assert!(!seen.iter().any(|event| matches!(event, LeaderEvent::Overrun { .. })), "{seen:?}");
    first.stop().unwrap();
}

#[test]
fn a_shutdown_that_a_blocked_task_ignores_is_an_overrun_and_releases_nothing() {
    let store = Store::default();
    let blocker = Blocker::new();
    let host = host("a", &store, |_| ());
    let runtime = workers(2);
    let shutdown = CancellationToken::new();
    let run = {
        let (host, shutdown, play) = (Arc::clone(&host), shutdown.clone(), blocker.task());
        runtime.spawn(async move { host.run_task_when_mutex_acquired(shutdown, play).await })
    };
    let leader = blocker.leads();
    shutdown.cancel();
    eventually("the run ends although its task does not", || run.is_finished());
    let error = runtime.block_on(run).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overrun);
    assert!(leader.ensure().is_err());
    assert_eq!(store.count("release", "a"), 0);

    let (second, seconds) = mpsc::channel();
    let again = host.run_task_when_mutex_acquired(CancellationToken::new(), work(&second));
    let again = runtime.block_on(async { tokio::time::timeout(PATIENCE / 3, again).await });
    let error = again.expect("it is told at once").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyRunning, "its task still runs");

    blocker.gate.open();
    // Once the task is gone, the host can be used again.
    let shutdown = CancellationToken::new();
    eventually("it runs again", || {
        let (host, token, play) = (Arc::clone(&host), shutdown.clone(), work(&second));
        let run = runtime.spawn(async move { host.run_task_when_mutex_acquired(token, play).await });
        eventually("it leads or is refused", || run.is_finished() || host_leads(&seconds));
        !run.is_finished()
    });
    shutdown.cancel();
    runtime.shutdown_timeout(PATIENCE);
}

fn host_leads(leads: &mpsc::Receiver<Leadership>) -> bool {
    leads.try_recv().is_ok()
}

#[test]
fn whatever_a_host_sends_it_sends_from_the_threads_for_requests() {
    let store = Store::default();
    let (led, leads) = mpsc::channel();
    let host = host("a", &store, |_| ());
    let worker = Worker::start(&host, current_thread(), work(&led));
    leads.recv_timeout(PATIENCE).unwrap();
    let observed = current_thread().block_on(host.observe()).unwrap();
    assert_eq!(observed.leader().expect("it leads").holder, *host.holder());
    eventually("the lease is renewed", || store.count("renew", "a") > 0);
    worker.stop().unwrap();
    let requests = store.requests.lock().unwrap().clone();
    for what in ["acquire", "renew", "release", "observe"] {
        assert!(requests.iter().any(|request| request.what == what), "no {what}: {requests:?}");
    }
    assert!(requests.iter().all(|request| request.thread == "leader-requests"), "{requests:?}");
}

/// Told by the time of the runtime, whose only thread is blocked.
#[test]
fn an_election_that_nobody_drives_for_a_lease_is_red() {
    let store = Store::default();
    let host = host_with("a", &store, |_| (), azure_leader_election::LeaderHost::on_caller_runtime);
    let gate = support::Gate::default();
    let (led, _leads) = mpsc::channel();
    let (runs, blocks, play) = (Arc::clone(&host), gate.clone(), work(&led));
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let thread = std::thread::spawn(move || {
        current_thread().block_on(async move {
            let run = tokio::spawn(async move { runs.run_task_when_mutex_acquired(shutdown, play).await });
            tokio::time::sleep(Duration::from_millis(50)).await;
            blocks.block();
            run.await.unwrap()
        })
    });
    eventually("it is red", || {
        matches!(host.health(), Err(Unhealthy::Stuck { .. } | Unhealthy::LeadsPastLease { .. }))
    });
    gate.open();
    eventually("it is well again", || host.health().is_ok());
    stop.cancel();
    thread.join().unwrap().unwrap();
}

/// A drain that leaves most of the lease: a task whose stretches without an await are short against that is no overrun.
#[test]
fn an_abortion_has_the_rest_of_the_lease_to_take_effect() {
    let store = Store::default();
    let (led, leads) = mpsc::channel();
    let host = host("a", &store, |options| options.timing = Timing::for_lease(Duration::from_secs(15)).unwrap());
    let worker = Worker::start(&host, workers(2), move |leader: Leadership| {
        led.send(leader).unwrap();
        async {
            loop {
                std::thread::sleep(Duration::from_millis(700));
                tokio::task::yield_now().await;
            }
        }
    });
    leads.recv_timeout(PATIENCE).unwrap();
    worker.stop().unwrap();
    assert_eq!(store.count("release", "a"), 1, "the next worker leads at once");
}
