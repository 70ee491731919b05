//! What would spoil the test's own process: a renewal thread that stands still, a subscriber that blocks or panics, a fork, no
//! descriptor left.

use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use azure_leader_election::clock::{Clock, SystemClock};
use azure_leader_election::{
    CancellationToken, ErrorKind, LeaderHost, Leadership, MemoryMutex, Sources, Timing, Unhealthy,
};

use crate::process::run_child;
use crate::support::{Gate, PATIENCE, Store, Worker, current_thread, eventually, host, host_with, work, workers};

#[test]
fn when_the_renewal_thread_stands_still_the_watchdog_ends_its_terms_before_another_leads() {
    let (status, said) = run_child("stands still");
    assert!(status.success(), "{status}: {said}");
    assert!(said.contains("b leads, and nothing of a is left"), "{said}");
}

#[test]
fn when_the_renewal_thread_stands_still_and_a_task_ignores_its_abortion_the_process_ends_before_another_leads() {
    let (status, said) = run_child("stands still, deaf");
    assert_eq!(status.signal(), Some(nix::sys::signal::Signal::SIGABRT as i32), "{status}: {said}");
    assert!(said.contains("it stands still") && !said.contains("b leads"), "{said}");
}

#[test]
fn a_subscriber_that_blocks_delays_no_renewal_and_no_cancellation() {
    let (status, said) = run_child("blocking subscriber");
    assert!(status.success() && said.contains("renewed and cancelled"), "{status}: {said}");
}

#[test]
fn a_subscriber_that_panics_ends_no_run() {
    let (status, said) = run_child("panicking subscriber");
    assert!(status.success() && said.contains("led and ended well"), "{status}: {said}");
}

#[test]
fn in_a_forked_child_nobody_leads_and_a_run_is_an_error() {
    let (status, said) = run_child("fork");
    assert!(status.success() && said.contains("the child was told"), "{status}: {said}");
}

#[test]
fn threads_that_could_not_be_started_are_started_by_the_next_run() {
    let (status, said) = run_child("no descriptor");
    assert!(status.success() && said.contains("the next run led"), "{status}: {said}");
}

pub fn play(role: &str) {
    match role {
        "stands still" => stands_still(false),
        "stands still, deaf" => stands_still(true),
        "blocking subscriber" => blocking_subscriber(),
        "panicking subscriber" => panicking_subscriber(),
        "fork" => fork(),
        "no descriptor" => no_descriptor(),
        other => panic!("no such role: {other}"),
    }
    std::process::exit(0);
}

/// Blocks the renewal thread, and no other.
#[derive(Debug, Default)]
struct Stopper {
    clock: SystemClock,
    armed: AtomicBool,
    stands: AtomicBool,
    gate: Gate,
}

impl Clock for Stopper {
    fn monotonic(&self) -> Duration {
        if self.armed.load(Ordering::SeqCst) && std::thread::current().name() == Some("leader-renewal") {
            self.stands.store(true, Ordering::SeqCst);
            self.gate.block();
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

fn stands_still(deaf: bool) {
    let store = Store::default();
    // Ten seconds, so that on a busy machine too the end comes well before the lease's.
    let timing = Timing::for_lease(Duration::from_secs(10)).unwrap();
    let lease = timing.clone();
    let a = host("a", &store, |options| (options.timing, options.abort_process_on_overrun) = (lease, deaf));
    let alive = Arc::new(());
    let (led, leads) = mpsc::channel();
    let (gate, held) = (Gate::default(), Arc::downgrade(&alive));
    let _a = Worker::start(&a, workers(2), move |leader: Leadership| {
        let (led, gate, alive) = (led.clone(), gate.clone(), alive.clone());
        async move {
            let _alive = alive;
            led.send(leader).unwrap();
            if deaf {
                gate.block();
            }
            // It works on, and looks at nothing.
            loop {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
    let leader = leads.recv_timeout(PATIENCE).unwrap();

    let stopper = Arc::new(Stopper::default());
    let sources = Sources::system().with_clock(stopper.clone());
    let _other = Worker::start(
        &host_with("other", &Store::default(), |_| (), |host| host.with_sources(sources)),
        current_thread(),
        work(&mpsc::channel().0),
    );
    stopper.armed.store(true, Ordering::SeqCst);
    eventually("it stands still", || stopper.stands.load(Ordering::SeqCst));
    println!("it stands still");

    // As in another process: nothing of it is on this one's renewal thread.
    let b = host_with("b", &store, |options| options.timing = timing, LeaderHost::on_caller_runtime);
    let (led, leads) = mpsc::channel();
    let _b = Worker::start(&b, current_thread(), move |_: Leadership| {
        led.send((leader.ensure().is_err(), leader.token().is_cancelled(), held.strong_count())).unwrap();
        std::future::pending()
    });
    let seen = leads.recv_timeout(PATIENCE).expect("b leads");
    println!("b leads, and a is invalid, cancelled; alive: {seen:?}");
    // One is the closure's own.
    assert_eq!(seen, (true, true, 1));
    println!("b leads, and nothing of a is left");
}

/// Blocks or panics at what the crate tells, once it is armed.
struct Hostile {
    armed: Arc<AtomicBool>,
    gate: Option<Gate>,
}

impl Hostile {
    fn act(&self) {
        if self.armed.load(Ordering::SeqCst) {
            match &self.gate {
                Some(gate) => gate.block(),
                None => panic!("stderr is closed"),
            }
        }
    }
}

impl tracing::Subscriber for Hostile {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "azure_leader_election"
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        self.act();
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        self.act();
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

fn blocking_subscriber() {
    // A subscriber blocks the requests whose spans it is told of; so it is told of the events alone.
    let (armed, gate) = (Arc::new(AtomicBool::new(false)), Gate::default());
    struct Events(Hostile);
    impl tracing::Subscriber for Events {
        fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
            metadata.is_event() && self.0.enabled(metadata)
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, event: &tracing::Event<'_>) {
            self.0.event(event);
        }
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }
    let subscriber = Events(Hostile { armed: armed.clone(), gate: Some(gate.clone()) });
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let store = Store::default();
    let (led, leads) = mpsc::channel();
    let worker = Worker::start(&host("a", &store, |_| ()), current_thread(), work(&led));
    let leader = leads.recv_timeout(PATIENCE).unwrap();
    armed.store(true, Ordering::SeqCst);
    let before = store.count("renew", "a");
    eventually("the lease is renewed", || {
        assert!(leader.ensure().is_ok());
        store.count("renew", "a") >= before + 6
    });
    leader.step_down();
    eventually("its token is cancelled", || leader.token().is_cancelled());
    eventually("it is released", || store.count("release", "a") == 1);
    worker.stop().expect("the run ends, although its last words are not written");
    println!("renewed and cancelled");
    gate.open();
}

fn panicking_subscriber() {
    std::panic::set_hook(Box::new(|_| ()));
    let armed = Arc::new(AtomicBool::new(true));
    tracing::subscriber::set_global_default(Hostile { armed, gate: None }).unwrap();
    let store = Store::default();
    let (led, leads) = mpsc::channel();
    let worker = Worker::start(&host("a", &store, |_| ()), current_thread(), work(&led));
    let leader = leads.recv_timeout(PATIENCE).unwrap();
    eventually("the lease is renewed", || store.count("renew", "a") >= 3);
    assert!(leader.ensure().is_ok());
    worker.stop().unwrap();
    assert_eq!(store.count("release", "a"), 1);
    println!("led and ended well");
}

/// As a service that becomes a daemon after it has begun to elect.
fn fork() {
    let store = Store::default();
    let (led, leads) = mpsc::channel();
    let a = host("a", &store, |options| options.timing = Timing::for_lease(Duration::from_secs(60)).unwrap());
    let _worker = Worker::start(&a, current_thread(), work(&led));
    let leader = leads.recv_timeout(PATIENCE).unwrap();
    assert!(leader.ensure().is_ok());
    let note = tempfile::NamedTempFile::new().unwrap();
    let child = daemonize::Daemonize::new().working_directory("/").execute();
    if let daemonize::Outcome::Child(_) = child {
        let runtime = current_thread();
        let stop = CancellationToken::new();
        stop.cancel();
        let run = runtime.block_on(a.run_one_term(stop, |_| async {}));
        let observed = runtime.block_on(a.observe());
        let told = (
            leader.ensure().is_err(),
            run.map_err(|error| (error.kind(), error.to_string().contains("forked"))).err(),
            observed.map_err(|error| error.kind()).err(),
            a.health() == Err(Unhealthy::NotContending),
        );
        let right = told == (true, Some((ErrorKind::Runtime, true)), Some(ErrorKind::Runtime), true);
        std::fs::write(note.path(), if right { "told".to_owned() } else { format!("{told:?}") }).unwrap();
        std::mem::forget(note);
        std::process::exit(0);
    }
    let mut said = String::new();
    eventually("the child says something", || {
        said = std::fs::read_to_string(note.path()).unwrap();
        !said.is_empty()
    });
    assert_eq!(said, "told");
    assert!(leader.ensure().is_ok(), "the parent leads on");
    println!("the child was told");
}

fn no_descriptor() {
    use nix::sys::resource::{Resource, setrlimit};
    setrlimit(Resource::RLIMIT_NOFILE, 64, 64).unwrap();
    let runtime = current_thread();
    let mut files = vec![];
    while let Ok(file) = std::fs::File::open("/dev/null") {
        files.push(file);
    }
    let run =
        || runtime.block_on(LeaderHost::new(MemoryMutex::new()).run_one_term(CancellationToken::new(), |_| async {}));
    assert_eq!(run().unwrap_err().kind(), ErrorKind::Runtime);
    files.clear();
    run().unwrap().expect("it led");
    println!("the next run led");
}
