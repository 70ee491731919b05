//! Code of the user's that blocks: it delays no renewal and no cancellation of any election of its process.

use std::fmt;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use leader_election::{
    Acquire, AcquireRequest, AfterTask, CancellationToken, Claim, DistributedMutex, LeaderHost, Leadership,
    MemoryMutex, Observation, Renew, Result, TaskError, async_trait,
};

use crate::support::{Gate, PATIENCE, Store, Worker, current_thread, eventually, host, work, workers};

/// A leader whose renewals go on, whatever another election of its process does.
struct Neighbour {
    store: Store,
    worker: Worker,
    leader: Leadership,
}

impl Neighbour {
    fn leads() -> Self {
        let store = Store::default();
        let (led, leads) = mpsc::channel();
        let worker = Worker::start(&host("neighbour", &store, |_| ()), current_thread(), work(&led));
        let leader = leads.recv_timeout(PATIENCE).unwrap();
        Self { store, worker, leader }
    }

    /// Six renewals are two leases.
    fn is_renewed(&self) {
        let before = self.store.count("renew", "neighbour");
        eventually("the neighbour's lease is renewed", || {
            assert!(self.leader.ensure().is_ok(), "the neighbour leads on: {:?}", self.leader);
            self.store.count("renew", "neighbour") >= before + 6
        });
    }

    fn stop(self) {
        self.worker.stop().unwrap();
    }
}

/// Blocks whoever drops it, or asks what it says.
struct Blocks {
    entered: mpsc::Sender<()>,
    gate: Gate,
    when: When,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Dropped,
    Shown,
}

impl Blocks {
    fn new(when: When) -> (Self, mpsc::Receiver<()>, Gate) {
        let (entered, entries) = mpsc::channel();
        let gate = Gate::default();
        (Self { entered, gate: gate.clone(), when }, entries, gate)
    }

    fn block(&self, now: When) {
        if now == self.when {
            let thread = std::thread::current().name().unwrap_or_default().to_owned();
            assert_ne!(thread, "leader-renewal", "code of the user's on the thread that renews");
            let _ = self.entered.send(());
            self.gate.block();
        }
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        self.block(When::Dropped);
    }
}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Blocks")
    }
}

impl fmt::Display for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.block(When::Shown);
        f.write_str("it blocks")
    }
}

impl std::error::Error for Blocks {}

#[test]
fn a_closure_whose_destructor_blocks_delays_no_renewal_of_another_election() {
    let neighbour = Neighbour::leads();
    let (blocks, entries, gate) = Blocks::new(When::Dropped);
    let (led, leads) = mpsc::channel();
    let mut act = work(&led);
    let worker = Worker::start(&host("a", &Store::default(), |_| ()), current_thread(), move |leader| {
        let _held = &blocks;
        act(leader)
    });
    leads.recv_timeout(PATIENCE).unwrap();
    worker.shut_down();
    entries.recv_timeout(PATIENCE).expect("the closure is dropped");
    neighbour.is_renewed();
    gate.open();
    worker.stop().unwrap();
    neighbour.stop();
}

#[test]
fn an_error_whose_text_or_destructor_blocks_delays_no_renewal_of_another_election() {
    for (when, after) in [(When::Shown, AfterTask::EndHost), (When::Dropped, AfterTask::ContendAgain)] {
        let neighbour = Neighbour::leads();
        let (blocks, entries, gate) = Blocks::new(when);
        let mut blocks = Some(blocks);
        let options = |options: &mut leader_election::LeaderHostOptions| options.after_failure = after;
        let worker = Worker::start(&host("a", &Store::default(), options), workers(2), move |leader: Leadership| {
            let blocks = blocks.take();
            async move {
                match blocks {
                    Some(blocks) => Err(TaskError::from(blocks)),
                    None => {
                        leader.token().cancelled().await;
                        Ok(())
                    }
                }
            }
        });
        entries.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{when:?}"));
        neighbour.is_renewed();
        gate.open();
        let outcome = if after == AfterTask::EndHost { worker.ended() } else { worker.stop() };
        assert_eq!(outcome.is_err(), after == AfterTask::EndHost, "{when:?}: {outcome:?}");
        neighbour.stop();
    }
}

#[test]
fn a_panic_whose_payload_blocks_when_it_is_dropped_delays_no_renewal_of_another_election() {
    let neighbour = Neighbour::leads();
    let (blocks, entries, gate) = Blocks::new(When::Dropped);
    let mut blocks = Some(blocks);
    let worker = Worker::start(&host("a", &Store::default(), |_| ()), workers(2), move |leader: Leadership| {
        let blocks = blocks.take();
        async move {
            if let Some(blocks) = blocks {
                std::panic::panic_any(blocks);
            }
            leader.token().cancelled().await;
            Ok(())
        }
    });
    entries.recv_timeout(PATIENCE).expect("the payload is dropped");
    neighbour.is_renewed();
    gate.open();
    worker.stop().unwrap();
    neighbour.stop();
}

/// As the blocking clients of HTTP and databases have inside.
#[test]
fn a_closure_that_holds_a_runtime_does_not_spoil_a_clean_shutdown() {
    let held = Arc::new(workers(1));
    let (led, leads) = mpsc::channel();
    let mut act = work(&led);
    let worker = Worker::start(&host("a", &Store::default(), |_| ()), current_thread(), move |leader| {
        let _held = &held;
        act(leader)
    });
    leads.recv_timeout(PATIENCE).unwrap();
    worker.stop().unwrap();
}

/// A store that breaks the contract's rule 10, in one of its calls.
#[derive(Debug)]
struct BlockingStore {
    memory: MemoryMutex,
    entered: std::sync::Mutex<mpsc::Sender<()>>,
    gate: Gate,
}

#[async_trait]
impl DistributedMutex for BlockingStore {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        self.memory.try_acquire(request).await
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        let _ = self.entered.lock().unwrap().send(());
        self.gate.block();
        self.memory.renew(claim).await
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        self.memory.release(claim).await
    }

    async fn observe(&self) -> Result<Observation> {
        self.memory.observe().await
    }
}

#[test]
fn a_store_that_blocks_its_thread_delays_no_renewal_of_another_election() {
    let neighbour = Neighbour::leads();
    let (entered, entries) = mpsc::channel();
    let gate = Gate::default();
    let store = BlockingStore { memory: MemoryMutex::new(), entered: entered.into(), gate: gate.clone() };
    let options = leader_election::LeaderHostOptions {
        timing: leader_election::Timing::for_lease(Duration::from_secs(1)).unwrap(),
        abort_process_on_overrun: false,
        ..Default::default()
    };
    let blocking = Arc::new(LeaderHost::new(store).with_options(options));
    let (led, leads) = mpsc::channel();
    let worker = Worker::start(&blocking, current_thread(), work(&led));
    let leader = leads.recv_timeout(PATIENCE).unwrap();
    entries.recv_timeout(PATIENCE).expect("it is renewed");
    neighbour.is_renewed();
    eventually("its own term ends in time", || leader.token().is_cancelled());
    gate.open();
    worker.stop().unwrap();
    neighbour.stop();
}

/// Or whoever is told that its work is done would end all work of the host.
#[test]
fn a_task_that_cancels_the_token_it_was_lent_ends_itself_and_not_the_term() {
    let store = Store::default();
    let (led, leads) = mpsc::channel();
    let worker = Worker::start(&host("a", &store, |_| ()), current_thread(), move |leader: Leadership| {
        let led = led.clone();
        async move {
            leader.token().cancel();
            led.send(leader.clone()).unwrap();
            std::future::pending().await
        }
    });
    let leader = leads.recv_timeout(PATIENCE).unwrap();
    let before = store.count("renew", "a");
    eventually("its lease is renewed", || store.count("renew", "a") > before + 3);
    assert_eq!((leader.end_reason(), leader.ensure()), (None, Ok(())));
    worker.shut_down();
    eventually("it is told", || leader.end_reason() == Some(leader_election::EndReason::Shutdown));
    worker.stop().unwrap();
}

/// The token of a shutdown is the caller's: linked, and not copied.
#[test]
fn a_shutdown_cancels_what_the_task_was_lent() {
    let (led, leads) = mpsc::channel();
    let worker = Worker::start(&host("a", &Store::default(), |_| ()), current_thread(), work(&led));
    let leader = leads.recv_timeout(PATIENCE).unwrap();
    let child: CancellationToken = leader.token().child_token();
    worker.stop().unwrap();
    assert!(child.is_cancelled());
}
