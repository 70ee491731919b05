//! A store that notes on which thread it is asked, workers with runtimes of their own, and tasks that block them.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use leader_election::{
    Acquire, AcquireRequest, CancellationToken, Claim, DistributedMutex, HolderId, LeaderEvent, LeaderEvents,
    LeaderHost, LeaderHostOptions, Leadership, MemoryMutex, NotLeader, Observation, Renew, Result, Status, TaskError,
    Timing, async_trait,
};
use tokio::runtime::{Builder, Runtime};

/// For a test to fail. Nothing here takes a tenth of it, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for what is bound to happen.
#[track_caller]
pub fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed() < PATIENCE, "it never came to pass that {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Blocks whatever thread comes to it until it is opened.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<AtomicBool>);

impl Gate {
    pub fn block(&self) {
        let begun = Instant::now();
        while !self.0.load(Ordering::SeqCst) && begun.elapsed() < PATIENCE * 2 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn open(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A [`MemoryMutex`] that notes who asked for what, and on which thread.
#[derive(Debug, Clone, Default)]
pub struct Store {
    memory: MemoryMutex,
    pub requests: Arc<Mutex<Vec<Request>>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub what: &'static str,
    pub holder: String,
    pub thread: String,
}

impl Store {
    fn note(&self, what: &'static str, holder: &str) {
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        self.requests.lock().unwrap().push(Request { what, holder: holder.to_owned(), thread });
    }

    pub fn count(&self, what: &str, holder: &str) -> usize {
        self.requests.lock().unwrap().iter().filter(|request| request.what == what && request.holder == holder).count()
    }

    /// Who holds the lease now, as seen by a bystander with a runtime of its own.
    pub fn holder(&self) -> Option<String> {
        let observed = Builder::new_current_thread().build().unwrap().block_on(self.memory.observe()).unwrap();
        observed.leader().map(|leader| leader.holder.to_string())
    }
}

#[async_trait]
impl DistributedMutex for Store {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        let claim = request.claim;
        self.note("acquire", claim.holder.as_str());
        self.memory.try_acquire(request).await
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        self.note("renew", claim.holder.as_str());
        self.memory.renew(claim).await
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        self.note("release", claim.holder.as_str());
        self.memory.release(claim).await
    }

    async fn observe(&self) -> Result<Observation> {
        self.note("observe", "");
        self.memory.observe().await
    }
}

/// A host on the renewal thread, with a lease of a second unless the test needs another.
pub fn host(name: &str, store: &Store, change: impl FnOnce(&mut LeaderHostOptions)) -> Arc<LeaderHost> {
    host_with(name, store, change, |host| host)
}

/// With test knobs of the host set as well.
pub fn host_with(
    name: &str,
    store: &Store,
    change: impl FnOnce(&mut LeaderHostOptions),
    knobs: impl FnOnce(LeaderHost) -> LeaderHost,
) -> Arc<LeaderHost> {
    let mut options = LeaderHostOptions {
        holder: HolderId::new(name).unwrap(),
        timing: Timing::for_lease(Duration::from_secs(1)).unwrap(),
        drain_limit: Duration::from_millis(100),
        // It would end the process of all tests.
        abort_process_on_overrun: false,
        stall_limit: None,
        ..LeaderHostOptions::default()
    };
    change(&mut options);
    Arc::new(knobs(LeaderHost::new(store.clone()).with_options(options)))
}

/// A runtime with one thread, and that one driven by `block_on`.
pub fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A runtime with this many workers.
pub fn workers(count: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(count).enable_all().build().unwrap()
}

/// A worker as if it were a process of its own: a thread with a runtime, and a host on it.
pub struct Worker {
    host: Arc<LeaderHost>,
    shutdown: CancellationToken,
    thread: Option<std::thread::JoinHandle<Result<()>>>,
}

impl Worker {
    pub fn start<F, Fut>(host: &Arc<LeaderHost>, runtime: Runtime, play: F) -> Self
    where
        F: FnMut(Leadership) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), TaskError>> + Send + 'static,
    {
        let shutdown = CancellationToken::new();
        let (runs, token) = (Arc::clone(host), shutdown.clone());
        let run = move || {
            let outcome = runtime.block_on(runs.run_task_when_mutex_acquired(token, play));
            runtime.shutdown_background();
            outcome
        };
        Self { host: Arc::clone(host), shutdown, thread: Some(std::thread::spawn(run)) }
    }

    /// Tells it to end, and does not wait.
    pub fn shut_down(&self) {
        self.shutdown.cancel();
    }

    pub fn stop(self) -> Result<()> {
        self.shut_down();
        self.ended()
    }

    /// Waits for a run that ends by itself, or was told to.
    pub fn ended(mut self) -> Result<()> {
        let thread = self.thread.take().unwrap();
        eventually("the run ends", || thread.is_finished());
        thread.join().unwrap()
    }

    pub fn status(&self) -> Status {
        self.host.status()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A leader's task that tells that it leads and works until its token is cancelled.
pub fn work(led: &mpsc::Sender<Leadership>) -> impl FnMut(Leadership) -> Act + Send + use<> {
    let led = led.clone();
    move |leader| {
        led.send(leader.clone()).unwrap();
        Box::pin(async move {
            leader.token().cancelled().await;
            Ok(())
        })
    }
}

pub type Act = std::pin::Pin<Box<dyn Future<Output = Result<(), TaskError>> + Send>>;

/// Where leaders block, and what they tell the test.
pub struct Blocker {
    pub gate: Gate,
    leads: mpsc::Receiver<Leadership>,
    /// What `ensure` says on the return of who was blocked.
    wakes: mpsc::Receiver<Result<(), NotLeader>>,
    led: mpsc::Sender<Leadership>,
    woke: mpsc::Sender<Result<(), NotLeader>>,
}

impl Blocker {
    pub fn new() -> Self {
        let (led, leads) = mpsc::channel();
        let (woke, wakes) = mpsc::channel();
        Self { gate: Gate::default(), leads, wakes, led, woke }
    }

    /// A leader's task that tells that it leads and blocks its thread at the gate in its first term, and then tells what
    /// `ensure` says. In later terms it [works](work).
    pub fn task(&self) -> impl FnMut(Leadership) -> Act + Send + use<> {
        let (gate, led, woke) = (self.gate.clone(), self.led.clone(), self.woke.clone());
        let mut later = None;
        move |leader| {
            if let Some(work) = &mut later {
                let work: &mut Box<dyn FnMut(Leadership) -> Act + Send> = work;
                return work(leader);
            }
            later = Some(Box::new(work(&led)));
            let (gate, led, woke) = (gate.clone(), led.clone(), woke.clone());
            Box::pin(async move {
                led.send(leader.clone()).unwrap();
                gate.block();
                woke.send(leader.ensure()).unwrap();
                Ok(())
            })
        }
    }

    /// The next term.
    pub fn leads(&self) -> Leadership {
        self.leads.recv_timeout(PATIENCE).expect("it leads")
    }

    /// Lets whoever is blocked go on.
    pub fn wake(&self) -> Result<(), NotLeader> {
        self.gate.open();
        self.wakes.recv_timeout(PATIENCE).expect("it wakes")
    }
}

/// A failed test must not leave its runtime blocked, or the test process waits for it.
impl Drop for Blocker {
    fn drop(&mut self) {
        self.gate.open();
    }
}

/// All events that have come so far.
pub fn events(receiver: &mut LeaderEvents, seen: &mut Vec<LeaderEvent>) {
    while let Some(event) = receiver.try_recv() {
        seen.push(event);
    }
}
