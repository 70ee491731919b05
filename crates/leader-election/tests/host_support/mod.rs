//! What the tests of the host need: a hostile store, and somebody who watches.
//!
//! - [`Bench`]: one test's world: a store, the workers on it, and the verdict when it is dropped;
//! - [`stage`]: sees every task and every request at the instant they happen, and notes what must not;
//! - [`clock`]: a clock that jumps;
//! - [`log`]: a worker's events and statuses, each with its time;
//! - [`plays`]: what the leader's tasks of these tests do.

// Every test binary compiles this module for itself and uses only a part of it.
#![allow(dead_code)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

pub mod clock;
pub mod log;
pub mod plays;
pub mod stage;

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use leader_election::{
    CancellationToken, HolderId, LeaderHost, LeaderHostOptions, Leadership, MemoryMutex, Result, Sources, Status,
    TaskError,
};
use tokio::task::JoinHandle;

use log::Log;
use stage::{Stage, Term};
use testkit::What;
pub use testkit::store::{Fault, ScriptedStore};

/// How exact virtual time is: timers have whole milliseconds, and a chain of them rounds up each time.
pub const TICK: Duration = Duration::from_millis(20);

/// No test waits for longer than this, in virtual time.
pub const PATIENCE: Duration = Duration::from_secs(400);

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The holder id of that name.
pub fn holder(name: &str) -> HolderId {
    HolderId::new(name).expect("a valid holder id")
}

/// The default options.
pub fn options(name: &str) -> LeaderHostOptions {
    LeaderHostOptions {
        holder: holder(name),
        // It would end the process of all tests.
        abort_process_on_overrun: false,
        ..LeaderHostOptions::default()
    }
}

/// How a worker is to be: its options, and where its time and its randomness come from.
pub struct Setup {
    pub options: LeaderHostOptions,
    pub sources: Sources,
}

impl Deref for Setup {
    type Target = LeaderHostOptions;

    fn deref(&self) -> &LeaderHostOptions {
        &self.options
    }
}

impl DerefMut for Setup {
    fn deref_mut(&mut self) -> &mut LeaderHostOptions {
        &mut self.options
    }
}

/// Fails unless `actual` is within `tolerance` of `expected`.
#[track_caller]
pub fn assert_about(actual: Duration, expected: Duration, tolerance: Duration) {
    assert!(
        actual.abs_diff(expected) <= tolerance,
        "expected {expected:?} (within {tolerance:?}), but it was {actual:?}"
    );
}

/// Waits for what is bound to end, and fails if it does not.
#[track_caller]
pub fn bounded<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let caller = std::panic::Location::caller();
    async move { tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("it never ended: {caller}")) }
}

/// Waits until `condition` holds; virtual time passes meanwhile.
#[track_caller]
pub fn until(condition: impl Fn() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let wait = async {
            while !condition() {
                tokio::time::sleep(millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("it never came to pass: {caller}"));
    }
}

/// How long a test may take in real time. Virtual time stands still while somebody runs in circles, and no limit in
/// virtual time ends that.
const STANDSTILL: Duration = Duration::from_secs(300);

/// One test's world. When it is dropped, whatever the stage saw that must not be fails the test.
pub struct Bench {
    pub stage: Stage,
    store: ScriptedStore,
    /// Shared by all workers, so that no two have a claim id in common.
    sources: Sources,
    /// Dropped with the bench, which tells the watchdog.
    _alive: mpsc::Sender<()>,
}

impl Bench {
    pub fn new() -> Self {
        let stage = Stage::new();
        let (alive, gone) = mpsc::channel();
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        std::thread::spawn(move || {
            if gone.recv_timeout(STANDSTILL) == Err(mpsc::RecvTimeoutError::Timeout) {
                eprintln!("{test} has not ended after {STANDSTILL:?}: does virtual time stand still?");
                std::process::abort();
            }
        });
        Self {
            store: ScriptedStore::new(MemoryMutex::new(), stage.clone()),
            stage,
            sources: Sources::seeded(1),
            _alive: alive,
        }
    }

    /// A worker with default options.
    pub fn worker(&self, name: &str) -> Worker {
        self.worker_with(name, |_| ())
    }

    pub fn worker_with(&self, name: &str, change: impl FnOnce(&mut Setup)) -> Worker {
        let store = self.store.handle();
        let host = self.host_on(store.clone(), name, change);
        Worker { log: Log::of(&host, &self.stage), host, store, stage: self.stage.clone() }
    }

    /// A worker on another store than the bench's own.
    pub fn worker_on(
        &self,
        store: impl leader_election::DistributedMutex,
        name: &str,
        change: impl FnOnce(&mut Setup),
    ) -> Worker {
        let host = self.host_on(store, name, change);
        Worker { log: Log::of(&host, &self.stage), host, store: self.store.handle(), stage: self.stage.clone() }
    }

    fn host_on(
        &self,
        store: impl leader_election::DistributedMutex,
        name: &str,
        change: impl FnOnce(&mut Setup),
    ) -> Arc<LeaderHost> {
        let mut setup = Setup { options: options(name), sources: self.sources.clone() };
        change(&mut setup);
        Arc::new(LeaderHost::new(store).with_options(setup.options).with_sources(setup.sources).on_caller_runtime())
    }

    /// The store as somebody else sees it, whom no script disturbs.
    pub fn store(&self) -> ScriptedStore {
        self.store.handle()
    }

    /// The time since the test began.
    pub fn now(&self) -> Duration {
        self.stage.now()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let violations = self.stage.violations();
        if !violations.is_empty() && !std::thread::panicking() {
            panic!("the stage saw what must not be:\n  {}", violations.join("\n  "));
        }
    }
}

/// One host, with a way to the store of its own that can be disturbed without disturbing others.
pub struct Worker {
    pub host: Arc<LeaderHost>,
    pub store: ScriptedStore,
    pub log: Log,
    pub stage: Stage,
}

impl Worker {
    /// Runs the host until [`Run::stop`]; `play` is its leader's task, seen by the stage.
    pub fn run<F, Fut>(&self, play: F) -> Run
    where
        F: FnMut(Leadership) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), TaskError>> + Send + 'static,
    {
        self.stage.saw(self.host.holder(), What::Starts { limits: None });
        let shutdown = CancellationToken::new();
        let (host, token, delegate) = (Arc::clone(&self.host), shutdown.clone(), self.stage.watched(play));
        let handle = tokio::spawn(async move { host.run_task_when_mutex_acquired(token, delegate).await });
        Run { shutdown, handle, holder: self.host.holder().clone(), stage: self.stage.clone() }
    }

    /// Waits until this worker's task runs, and returns its leadership.
    pub async fn leads(&self) -> Leadership {
        self.leads_for_the(1).await
    }

    /// Waits until this worker's task runs for the n-th time, counted from 1.
    pub async fn leads_for_the(&self, n: usize) -> Leadership {
        self.stage.until(|| self.terms().len() >= n).await;
        self.terms()[n - 1].leader.clone()
    }

    /// Waits until the n-th task is gone.
    pub async fn gone(&self, n: usize) -> Term {
        self.stage.until(|| self.terms().get(n - 1).is_some_and(|term| term.gone.is_some())).await;
        self.terms().remove(n - 1)
    }

    pub fn terms(&self) -> Vec<Term> {
        self.stage.terms(self.host.holder())
    }

    pub fn status(&self) -> Status {
        self.host.status()
    }
}

/// A host that runs.
pub struct Run {
    pub shutdown: CancellationToken,
    pub handle: JoinHandle<Result<()>>,
    holder: HolderId,
    stage: Stage,
}

impl Run {
    /// Shuts it down and waits. Returns what the run returned and how long that took.
    pub async fn stop(self) -> (Result<()>, Duration) {
        let begun = self.stage.now();
        self.shutdown.cancel();
        self.finished_since(begun).await
    }

    /// Waits for a run that is to end by itself.
    pub async fn finished(self) -> Result<()> {
        let begun = self.stage.now();
        self.finished_since(begun).await.0
    }

    /// Drops the future of the run.
    pub async fn abandon(self) {
        self.handle.abort();
        let dropped = self.handle.await;
        assert!(dropped.is_err_and(|error| error.is_cancelled()), "the run had ended already");
    }

    async fn finished_since(self, begun: Duration) -> (Result<()>, Duration) {
        let outcome = bounded(self.handle).await.expect("no panic");
        let left = self.stage.terms(&self.holder).iter().filter(|term| term.gone.is_none()).count();
        assert_eq!(left, 0, "a task outlives the run of its host");
        self.stage.run_ended(&self.holder).await;
        (outcome, self.stage.now() - begun)
    }
}
