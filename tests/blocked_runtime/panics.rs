//! A driver that panics, as the caller's clock did: its way out is that of an overrun.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use azure_leader_election::clock::{Clock, SystemClock};
use azure_leader_election::{CancellationToken, ErrorKind, LeaderEvent, Sources};

use crate::support::{Blocker, PATIENCE, Store, events, eventually, host_with, work, workers};

/// Panics on the renewal thread when it is told to, once.
#[derive(Debug, Default)]
struct Bomb {
    clock: SystemClock,
    armed: AtomicBool,
}

impl Clock for Bomb {
    fn monotonic(&self) -> Duration {
        if std::thread::current().name() == Some("leader-renewal") && self.armed.swap(false, Ordering::SeqCst) {
            panic!("the clock is broken");
        }
        self.clock.monotonic()
    }

    fn wall(&self) -> Duration {
        self.clock.wall()
    }

    fn look_every(&self) -> Option<Duration> {
        Some(Duration::from_millis(20))
    }
}

#[test]
fn a_panic_of_the_driver_frees_its_host_only_when_its_task_is_gone() {
    let store = Store::default();
    let bomb = Arc::new(Bomb::default());
    let sources = Sources::system().with_clock(bomb.clone());
    let host = host_with("a", &store, |_| (), |host| host.with_sources(sources));
    let mut heard = host.events();
    let runtime = workers(2);
    let blocker = Blocker::new();
    let run = {
        let (host, play) = (Arc::clone(&host), blocker.task());
        runtime.spawn(async move { host.run_task_when_mutex_acquired(CancellationToken::new(), play).await })
    };
    let leader = blocker.leads();
    bomb.armed.store(true, Ordering::SeqCst);
    eventually("its token is cancelled", || leader.token().is_cancelled());
    assert!(leader.ensure().is_err(), "nobody renews any more");
    // The task blocks its thread past the end of the lease.
    eventually("the run ends", || run.is_finished());
    let error = runtime.block_on(run).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overrun, "{error}");
    let (led, leads) = mpsc::channel();
    let again = host.run_task_when_mutex_acquired(CancellationToken::new(), work(&led));
    let again =
        runtime.block_on(async { tokio::time::timeout(PATIENCE / 3, again).await }).expect("it is told at once");
    assert_eq!(again.unwrap_err().kind(), ErrorKind::AlreadyRunning, "its task still runs");
    assert!(leads.try_recv().is_err());
    assert_eq!(store.count("release", "a"), 0);

    let awake = blocker.wake();
    assert!(awake.is_err(), "it must not write when it wakes");
    let shutdown = CancellationToken::new();
    let mut run = None;
    eventually("the host can be used again", || {
        let (host, token, play) = (Arc::clone(&host), shutdown.clone(), work(&led));
        let next = runtime.spawn(async move { host.run_task_when_mutex_acquired(token, play).await });
        eventually("it leads or is refused", || next.is_finished() || leads.try_recv().is_ok());
        let leads = !next.is_finished();
        run = Some(next);
        leads
    });
    shutdown.cancel();
    runtime.block_on(run.unwrap()).unwrap().unwrap();

    let mut seen = Vec::new();
    events(&mut heard, &mut seen);
    let told: Vec<_> = seen
        .iter()
        .filter_map(|event| match event {
            LeaderEvent::Elected { .. } => Some("elected"),
            LeaderEvent::Ended { .. } => Some("ended"),
            LeaderEvent::Overrun { .. } => Some("overrun"),
            _ => None,
        })
        .collect();
    assert_eq!(told, ["elected", "ended", "overrun", "elected", "ended"], "{seen:?}");
    runtime.shutdown_background();
}

#[test]
fn a_panic_of_the_driver_whose_task_ends_in_time_ends_the_run_with_an_error() {
    let store = Store::default();
    let bomb = Arc::new(Bomb::default());
    let sources = Sources::system().with_clock(bomb.clone());
    let host = host_with("a", &store, |_| (), |host| host.with_sources(sources));
    let runtime = workers(2);
    let (led, leads) = mpsc::channel();
    let run = {
        let (host, play) = (Arc::clone(&host), work(&led));
        runtime.spawn(async move { host.run_task_when_mutex_acquired(CancellationToken::new(), play).await })
    };
    leads.recv_timeout(PATIENCE).unwrap();
    bomb.armed.store(true, Ordering::SeqCst);
    eventually("the run ends", || run.is_finished());
    let error = runtime.block_on(run).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Runtime);
    assert!(error.to_string().contains("driver"), "{error}");
}
