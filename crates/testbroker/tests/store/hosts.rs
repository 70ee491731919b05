//! Leaders and standbys on the broker, as a program runs them: killed, frozen, cut off, torn off and stopped, round after round. A referee in
//! this process sees every term begin, and every write.
//!
//! `BROKER_ROUNDS=20` runs so many rounds of each and holds them to the times of the documentation; without it they are only printed, as
//! on a busy machine they say nothing.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use azure_leader_election::{
    CancellationToken, HolderId, LeaderHost, LeaderHostOptions, Leadership, ServiceBusDistributedMutex,
    ServiceBusMutexOptions, Timing, TimingOptions,
};
use testbroker::Broker;
use testservers::{Direction, Link};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::common::{QUEUE, broker, queue_at, until};

const LEASE: Duration = Duration::from_secs(3);
const LOCK: Duration = Duration::from_secs(3);
/// What is allowed beyond lease, lock and poll.
const MARGIN: Duration = Duration::from_secs(1);

/// Who leads, as the tasks themselves tell.
#[derive(Default)]
struct Referee {
    terms: Mutex<Vec<(Instant, usize, u64)>>,
    /// The highest token that has written: an older one that writes after it is a stale write.
    highest: AtomicU64,
    stale: AtomicU64,
    writes: AtomicU64,
}

impl Referee {
    fn begin(&self, worker: usize, token: u64) {
        self.terms.lock().expect("not poisoned").push((Instant::now(), worker, token));
    }

    fn write(&self, token: u64) {
        self.writes.fetch_add(1, Ordering::SeqCst);
        if self.highest.fetch_max(token, Ordering::SeqCst) > token {
            self.stale.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// The latest term.
    fn leader(&self) -> Option<(Instant, usize, u64)> {
        self.terms.lock().expect("not poisoned").last().copied()
    }

    async fn after(&self, token: u64) -> (Instant, usize, u64) {
        until("the next term", || async { self.leader().filter(|(_, _, later)| *later > token) }).await
    }
}

/// A worker with a runtime, and a way to the broker, of its own.
struct Worker {
    runtime: Runtime,
    link: Link,
    stop: CancellationToken,
    run: JoinHandle<()>,
}

impl Worker {
    fn start(
        number: usize,
        broker: SocketAddr,
        queue: &str,
        timing: Timing,
        push: bool,
        referee: &Arc<Referee>,
    ) -> Self {
        let link = Link::start(broker);
        let key = testbroker::connection_string(link.address()).into();
        let mutex = ServiceBusDistributedMutex::with_connection_string(queue_at(link.address(), queue), "nightly", key)
            .and_then(|mutex| mutex.with_options(ServiceBusMutexOptions { push, ..Default::default() }))
            .expect("valid");
        let holder = HolderId::new(format!("worker-{number}")).expect("valid");
        let options =
            LeaderHostOptions { holder, timing, abort_process_on_overrun: false, ..LeaderHostOptions::default() };
        let host = LeaderHost::new(mutex).with_options(options);
        let runtime = Runtime::new().expect("a runtime");
        let (stop, referee) = (CancellationToken::new(), Arc::clone(referee));
        let stopped = stop.clone();
        let run = runtime.spawn(async move {
            let task = move |leadership: Leadership| {
                let referee = Arc::clone(&referee);
                async move {
                    let token = leadership.fencing_token().get();
                    referee.begin(number, token);
                    while leadership.ensure().is_ok() {
                        referee.write(token);
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }
            };
            let _ = host.run(stopped, task).await;
        });
        Self { runtime, link, stop, run }
    }

    /// As a SIGKILL: nothing is released, and its connections are closed.
    fn kill(self) {
        self.runtime.shutdown_background();
        self.link.cut(Direction::ToServer);
        self.link.reset();
    }

    /// Stops it, and waits for its end: what it held is released then.
    async fn stop(self) {
        self.stop.cancel();
        let _ = self.run.await;
        self.runtime.shutdown_background();
    }
}

fn rounds() -> (usize, bool) {
    match std::env::var("BROKER_ROUNDS") {
        Ok(rounds) => (rounds.parse().expect("a number"), true),
        Err(_) => (1, false),
    }
}

struct Scene {
    broker: Broker,
    queue: &'static str,
    timing: Timing,
    push: bool,
    referee: Arc<Referee>,
    workers: Vec<Option<Worker>>,
}

impl Scene {
    async fn open(queue: &'static str, push: bool, timing: Timing) -> Self {
        // Longer than a renewal period, as the store asks for.
        let lock = LOCK.max(timing.renew_every() * 2);
        let mut scene =
            Self { broker: broker(lock), queue, timing, push, referee: Arc::default(), workers: Vec::new() };
        for _ in 0..3 {
            scene.add();
        }
        scene.referee.after(0).await;
        scene
    }

    fn add(&mut self) {
        let number = self.workers.len();
        let worker =
            Worker::start(number, self.broker.address(), self.queue, self.timing.clone(), self.push, &self.referee);
        self.workers.push(Some(worker));
    }

    /// The present leader, some time into its term, so that all others wait.
    async fn leader(&self) -> (usize, u64) {
        tokio::time::sleep(self.timing.renew_every() * 3 / 2).await;
        let (_, worker, token) = self.referee.leader().expect("somebody leads");
        (worker, token)
    }

    fn take(&mut self, worker: usize) -> Worker {
        self.workers[worker].take().expect("it leads")
    }

    fn close(self, what: &str, times: &[Duration], bound: Duration, held_to: bool) {
        let writes = self.referee.writes.load(Ordering::SeqCst);
        let stale = self.referee.stale.load(Ordering::SeqCst);
        let longest = times.iter().max().copied().unwrap_or_default();
        println!(
            "{what}: {} rounds, {writes} writes, {stale} stale; at most {longest:.2?}, allowed {bound:.2?}",
            times.len()
        );
        assert_eq!(stale, 0, "{what}: an older leader wrote after a newer one");
        assert!(!held_to || longest <= bound, "{what}: {times:?}");
        for worker in self.workers.into_iter().flatten() {
            worker.runtime.shutdown_background();
        }
    }
}

fn timing() -> Timing {
    Timing::for_lease(LEASE).expect("valid")
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_another_leads_within_a_lease_and_a_poll() {
    let (rounds, held_to) = rounds();
    let mut scene = Scene::open(QUEUE, false, timing()).await;
    let mut times = Vec::new();
    for _ in 0..rounds {
        let (leader, token) = scene.leader().await;
        let worker = scene.take(leader);
        let killed = Instant::now();
        worker.kill();
        times.push(scene.referee.after(token).await.0 - killed);
        scene.add();
    }
    let bound = LEASE + scene.timing.poll_every() + MARGIN;
    scene.close("killed", &times, bound, held_to);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_freeze_another_leads_within_a_lease_a_lock_and_a_poll() {
    let (rounds, held_to) = rounds();
    let mut scene = Scene::open(QUEUE, false, timing()).await;
    let mut times = Vec::new();
    for _ in 0..rounds {
        let (leader, token) = scene.leader().await;
        let worker = scene.take(leader);
        let frozen = Instant::now();
        // Its connection stays up, and nothing comes by it any more.
        worker.link.cut(Direction::Both);
        times.push(scene.referee.after(token).await.0 - frozen);
        // It comes back, and finds that it leads no more.
        worker.link.mend();
        worker.stop().await;
        scene.add();
    }
    let bound = LEASE + LOCK + scene.timing.poll_every() + MARGIN;
    scene.close("frozen", &times, bound, held_to);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_cut_another_leads_within_a_lease_and_a_poll() {
    let (rounds, held_to) = rounds();
    let mut scene = Scene::open(QUEUE, false, timing()).await;
    let mut times = Vec::new();
    for _ in 0..rounds {
        let (leader, token) = scene.leader().await;
        let worker = scene.take(leader);
        let cut = Instant::now();
        worker.link.cut(Direction::ToServer);
        worker.link.reset();
        times.push(scene.referee.after(token).await.0 - cut);
        worker.link.mend();
        worker.stop().await;
        scene.add();
    }
    let bound = LEASE + scene.timing.poll_every() + MARGIN;
    scene.close("cut off", &times, bound, held_to);
}

/// The leader goes on, or another one leads after a lease.
#[tokio::test(flavor = "multi_thread")]
async fn a_forced_detach_costs_no_term_or_a_lease_at_the_most() {
    let (rounds, held_to) = rounds();
    let scene = Scene::open(QUEUE, false, timing()).await;
    let (mut times, mut kept) = (Vec::new(), 0);
    for _ in 0..rounds {
        let (_, token) = scene.leader().await;
        let torn = Instant::now();
        scene.broker.world().detach_all();
        // Long enough for each outcome to show.
        tokio::time::sleep(LEASE + MARGIN * 2).await;
        match scene.referee.leader() {
            Some((began, _, later)) if later > token => times.push(began - torn),
            _ => kept += 1,
        }
        let before = scene.referee.writes.load(Ordering::SeqCst);
        until("somebody leads", || async { (scene.referee.writes.load(Ordering::SeqCst) > before).then_some(()) })
            .await;
    }
    println!("torn off: the leader kept its term in {kept} of {rounds} rounds");
    let bound = LEASE + scene.timing.poll_every() + MARGIN;
    scene.close("torn off", &times, bound, held_to);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_stop_another_leads_within_a_poll() {
    let (rounds, held_to) = rounds();
    let mut scene = Scene::open(QUEUE, false, timing()).await;
    let mut times = Vec::new();
    for _ in 0..rounds {
        let (leader, token) = scene.leader().await;
        scene.take(leader).stop().await;
        let released = Instant::now();
        times.push(scene.referee.after(token).await.0.saturating_duration_since(released));
        scene.add();
    }
    // The next poll, and what it takes to acquire.
    let bound = scene.timing.poll_every() + MARGIN / 4;
    scene.close("stopped", &times, bound, held_to);
}

/// The service hands the session to who waits for it, long before the next poll. The host tries a tenth of a poll later, and three round
/// trips after that it leads: `push::the_session_is_handed_over...` counts them.
#[tokio::test(flavor = "multi_thread")]
async fn by_push_the_next_leads_after_three_round_trips() {
    let (rounds, _) = rounds();
    let poll = Duration::from_secs(2);
    let timing = Timing::new(TimingOptions { poll_every: poll, ..TimingOptions::for_lease(Duration::from_secs(9)) });
    let mut scene = Scene::open("push", true, timing.expect("valid")).await;
    let mut times = Vec::new();
    let way = Duration::from_millis(40);
    for _ in 0..rounds {
        let (leader, token) = scene.leader().await;
        let worker = scene.take(leader);
        for standby in scene.workers.iter().flatten() {
            standby.link.delay(way);
        }
        worker.stop().await;
        let released = Instant::now();
        times.push(scene.referee.after(token).await.0.saturating_duration_since(released));
        for standby in scene.workers.iter().flatten() {
            standby.link.delay(Duration::ZERO);
        }
        scene.add();
    }
    scene.close("pushed", &times, poll / 2, true);
}
