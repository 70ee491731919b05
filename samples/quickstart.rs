//! Three workers in one process elect a leader on a lease in memory. The leader crashes and another takes over; that one
//! steps down and the third takes over; then all shut down. Takes about ten seconds.
//!
//! ```sh
//! cargo run --example quickstart
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use azure_leader_election::{
    CancellationToken, FencingToken, HolderId, LeaderEvent, LeaderHost, LeaderHostOptions, Leadership, MemoryMutex,
    TaskError, Timing,
};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

const LEASE: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() -> Result<(), TaskError> {
    let mutex = MemoryMutex::new();
    let stage = Stage::new();
    let (elected, mut elections) = mpsc::unbounded_channel();

    let mut workers = Vec::new();
    for name in ["worker-1", "worker-2", "worker-3"] {
        workers.push(Worker::start(name, mutex.clone(), stage.clone(), elected.clone())?);
    }

    let first = next_leader(&mut elections).await?;
    tokio::time::sleep(Duration::from_millis(1700)).await;

    // A crash: the worker's runtime vanishes with all that ran on it. Nothing is released, as after a SIGKILL.
    let crashed = workers.iter().position(|worker| worker.name == first.holder().as_str()).ok_or("no such worker")?;
    stage.tell(workers[crashed].name, "crashes", first.fencing_token());
    let crash = Instant::now();
    workers.remove(crashed).runtime.shutdown_background();
    let second = next_leader(&mut elections).await?;
    let takeover = crash.elapsed();

    tokio::time::sleep(Duration::from_millis(1700)).await;
    let stepping_down = Instant::now();
    second.step_down();
    let third = next_leader(&mut elections).await?;
    let handover = stepping_down.elapsed();

    tokio::time::sleep(Duration::from_secs(1)).await;
    for worker in workers {
        worker.stop().await?;
    }

    let tokens = [&first, &second, &third].map(|leader| leader.fencing_token().to_string()).join(" < ");
    println!();
    println!("3 elections, fencing tokens {tokens}, at most {} leader at a time", stage.most.load(Ordering::SeqCst));
    println!("takeover after a crash {:.2} s (the lease is {} s)", takeover.as_secs_f64(), LEASE.as_secs());
    println!("hand-over after stepping down {:.2} s", handover.as_secs_f64());
    Ok(())
}

async fn next_leader(elections: &mut mpsc::UnboundedReceiver<Leadership>) -> Result<Leadership, TaskError> {
    let next = tokio::time::timeout(Duration::from_secs(8), elections.recv()).await?;
    next.ok_or_else(|| "all workers are gone".into())
}

/// One worker, on a runtime of its own, as if it were a process of its own.
struct Worker {
    name: &'static str,
    runtime: Runtime,
    shutdown: CancellationToken,
    run: tokio::task::JoinHandle<azure_leader_election::Result<()>>,
}

impl Worker {
    fn start(
        name: &'static str,
        mutex: MemoryMutex,
        stage: Stage,
        elected: mpsc::UnboundedSender<Leadership>,
    ) -> Result<Self, TaskError> {
        let host = LeaderHost::new(mutex).with_options(LeaderHostOptions {
            holder: HolderId::new(name)?,
            timing: Timing::for_lease(LEASE)?,
            ..LeaderHostOptions::default()
        });
        // So that the crash takes the renewals with it. A program of your own leaves the default.
        let host = host.on_caller_runtime();
        tokio::spawn(narrate(name, host.events(), stage.clone()));

        let shutdown = CancellationToken::new();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let run = runtime.spawn({
            let shutdown = shutdown.clone();
            async move {
                let lead = move |leader| lead(leader, stage.clone(), elected.clone());
                host.run_task_when_mutex_acquired(shutdown, lead).await
            }
        });
        Ok(Self { name, runtime, shutdown, run })
    }

    async fn stop(self) -> Result<(), TaskError> {
        self.shutdown.cancel();
        let outcome = self.run.await?;
        self.runtime.shutdown_background();
        Ok(outcome?)
    }
}

/// The leader's task: work, in small steps, until told to stop.
async fn lead(leader: Leadership, stage: Stage, elected: mpsc::UnboundedSender<Leadership>) -> Result<(), TaskError> {
    let _on_stage = stage.enter();
    elected.send(leader.clone())?;
    let mut step = tokio::time::interval(Duration::from_millis(500));
    while leader.token().run_until_cancelled(step.tick()).await.is_some() {
        leader.ensure()?;
        stage.tell(leader.holder().as_str(), "works", leader.fencing_token());
    }
    Ok(())
}

async fn narrate(name: &'static str, mut events: tokio::sync::broadcast::Receiver<LeaderEvent>, stage: Stage) {
    while let Ok(event) = events.recv().await {
        match event {
            LeaderEvent::Elected { fencing_token } => stage.tell(name, "elected", fencing_token),
            LeaderEvent::Ended { fencing_token, reason, .. } => {
                stage.tell(name, &format!("ended: {reason}"), fencing_token);
            }
            _ => {}
        }
    }
}

/// What all workers share: the time, the output, and a count of who leads at once.
#[derive(Clone)]
struct Stage {
    start: Instant,
    leaders: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Stage {
    fn new() -> Self {
        Self { start: Instant::now(), leaders: Arc::default(), most: Arc::default() }
    }

    fn tell(&self, worker: &str, event: &str, token: FencingToken) {
        println!("{:7.3} s  {worker}  {event:<20}  token={token}", self.start.elapsed().as_secs_f64());
    }

    fn enter(&self) -> impl Drop + use<> {
        struct OnStage(Arc<AtomicUsize>);
        impl Drop for OnStage {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        self.most.fetch_max(self.leaders.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        OnStage(Arc::clone(&self.leaders))
    }
}
