//! Clones of a host, and runs that own it.

use leader_election::{CancellationToken, DistributedMutex, ErrorKind, LeaderHost, Leadership, MemoryMutex, Status};

use crate::host_support::plays::until_cancelled;
use crate::host_support::{bounded, options, until};

fn host(mutex: &MemoryMutex, name: &str) -> LeaderHost {
    LeaderHost::new(mutex.clone()).with_options(options(name)).in_tokio_time()
}

#[tokio::test(start_paused = true)]
async fn a_spawned_run_goes_on_without_the_host_that_it_came_from() {
    let mutex = MemoryMutex::new();
    let shutdown = CancellationToken::new();
    let host = host(&mutex, "a");
    let mut status = host.watch_status();
    let run = tokio::spawn(host.run(shutdown.clone(), until_cancelled));
    drop(host);
    bounded(status.wait_for(|status| matches!(status, Status::Leading { .. }))).await.expect("it leads");
    shutdown.cancel();
    bounded(run).await.unwrap().unwrap();
    assert!(!mutex.observe().await.unwrap().is_held());
    while bounded(status.changed()).await.is_some() {}
}

#[tokio::test(start_paused = true)]
async fn one_term_can_be_spawned_too() {
    let host = host(&MemoryMutex::new(), "a");
    let ledger = String::from("2026");
    let run = tokio::spawn(
        host.run_one_term(CancellationToken::new(), async move |leader: Leadership| leader.ensure().map(|()| ledger)),
    );
    let term = bounded(run).await.unwrap().unwrap().expect("nobody shut it down");
    assert_eq!(term.output, Some(Ok("2026".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn a_clone_is_the_same_host() {
    let mutex = MemoryMutex::new();
    let shutdown = CancellationToken::new();
    let host = host(&mutex, "a");
    let clone = host.clone();
    let (mut events, mut leadership) = (clone.events(), clone.watch_leadership());
    let run = tokio::spawn(host.run(shutdown.clone(), until_cancelled));
    let leader = bounded(leadership.changed()).await.expect("the host is there").expect("it leads");
    assert_eq!(clone.status(), host.status());
    assert_eq!(clone.holder(), host.holder());
    assert_eq!(clone.health(), Ok(()));
    assert!(clone.has_reached_store());
    assert_eq!(clone.leadership().map(|found| found.fencing_token()), Some(leader.fencing_token()));
    assert!(bounded(events.recv()).await.is_some());
    let second = clone.run(CancellationToken::new(), until_cancelled);
    assert_eq!(bounded(second).await.unwrap_err().kind(), ErrorKind::AlreadyRunning);
    assert!(leader.ensure().is_ok());
    shutdown.cancel();
    bounded(run).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_clone_with_other_options_is_another_host_on_the_same_store() {
    let mutex = MemoryMutex::new();
    let shutdown = CancellationToken::new();
    let first = host(&mutex, "a");
    let second = first.clone().with_options(options("b"));
    let leading = tokio::spawn(first.run(shutdown.clone(), until_cancelled));
    until(|| first.leadership().is_some()).await;
    let waiting = tokio::spawn(second.run(shutdown.clone(), until_cancelled));
    until(
        || matches!(second.status(), Status::Standby { leader: Some(leader), .. } if leader.holder == *first.holder()),
    )
    .await;
    assert!(second.leadership().is_none());
    shutdown.cancel();
    bounded(leading).await.unwrap().unwrap();
    bounded(waiting).await.unwrap().unwrap();
}

/// As an `async fn` would: nothing happens, and nothing is refused, before it is polled.
#[tokio::test(start_paused = true)]
async fn a_run_that_is_not_polled_does_nothing() {
    let mutex = MemoryMutex::new();
    let host = host(&mutex, "a");
    let idle = host.run(CancellationToken::new(), until_cancelled);
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert_eq!(host.status(), Status::Stopped);
    let term = bounded(host.run_one_term(CancellationToken::new(), async |_leader| ())).await;
    assert!(term.unwrap().is_some());
    drop(idle);
    assert!(!mutex.observe().await.unwrap().is_held());
}
