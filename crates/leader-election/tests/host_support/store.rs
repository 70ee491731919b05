//! A store that does what a script says.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use leader_election::{
    Acquire, AcquireRequest, Claim, DistributedMutex, Error, ErrorKind, Grant, Held, Loss, MemoryMutex, Observation,
    Operation, Renew, Result, Version, async_trait,
};
use tokio::sync::watch;

use super::stage::Stage;

/// What becomes of a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It never arrives, and no answer comes.
    Hang,
    /// It arrives at once; the answer comes after this time.
    Slow(Duration),
    /// It arrives after this time, whether or not its sender still waits, and is answered then.
    Late(Duration),
    /// It is carried out, but the answer never comes.
    LoseReply,
    /// It is not carried out, and fails.
    Fail(ErrorKind),
    /// It is not carried out, and fails after this time.
    FailAfter(Duration, ErrorKind),
    /// It is carried out, and fails all the same.
    FailLate(ErrorKind),
    /// It is not carried out; its sender is asked to wait this long.
    Throttle(Duration),
    /// The store's code panics.
    Panic,
    /// A renewal is told that the lease is gone. Nothing is carried out.
    Lost(Loss),
    /// An acquire is told this. Nothing is carried out.
    Grant(Grant),
    /// Likewise.
    Held(Box<Held>),
}

/// How a store tells that something may have changed.
#[derive(Debug, Clone, Copy, Default)]
pub enum Push {
    /// Not at all.
    #[default]
    Never,
    /// When a lease was released.
    OnRelease,
    /// Always, at once.
    Always,
    /// Always, after this time.
    Every(Duration),
    /// Its code panics.
    Panic,
}

/// A [`MemoryMutex`] that can be told to misbehave. Each [`handle`](Self::handle) has a script of its own.
#[derive(Debug, Clone)]
pub struct HostileMutex {
    memory: MemoryMutex,
    stage: Stage,
    releases: watch::Sender<u64>,
    script: Arc<Mutex<Script>>,
}

#[derive(Debug, Default)]
struct Script {
    next: HashMap<Operation, VecDeque<Fault>>,
    always: HashMap<Operation, Fault>,
    push: Push,
    longest_lease: Option<Duration>,
    refuses_lease: bool,
    hangs_observations: bool,
}

impl HostileMutex {
    pub fn new(stage: &Stage) -> Self {
        Self {
            memory: MemoryMutex::new(),
            stage: stage.clone(),
            releases: watch::Sender::new(0),
            script: Arc::default(),
        }
    }

    /// The same lease by another way.
    pub fn handle(&self) -> Self {
        Self { script: Arc::default(), ..self.clone() }
    }

    /// The next request of this kind meets this fault; told several times, the next ones in turn.
    pub fn next(&self, operation: Operation, fault: Fault) {
        self.script().next.entry(operation).or_default().push_back(fault);
    }

    /// All requests of this kind meet this fault, but for those that [`next`](Self::next) speaks of.
    pub fn always(&self, operation: Operation, fault: Fault) {
        self.script().always.insert(operation, fault);
    }

    /// All requests meet this fault.
    pub fn always_all(&self, fault: Fault) {
        for operation in [Operation::Acquire, Operation::Renew, Operation::Release] {
            self.always(operation, fault.clone());
        }
    }

    /// From now on nothing is disturbed.
    pub fn heal(&self) {
        let mut script = self.script();
        script.next.clear();
        script.always.clear();
    }

    pub fn push(&self, push: Push) {
        self.script().push = push;
    }

    /// The service grants and renews no lease longer than this, whatever is asked for.
    pub fn cap_leases(&self, longest: Duration) {
        self.script().longest_lease = Some(longest);
    }

    /// The store finds fault with the lease's length before anything is sent.
    pub fn refuse_lease(&self) {
        self.script().refuses_lease = true;
    }

    /// Nobody is told who leads.
    pub fn hang_observations(&self) {
        self.script().hangs_observations = true;
    }

    fn script(&self) -> std::sync::MutexGuard<'_, Script> {
        self.script.lock().expect("no panic under this lock")
    }

    fn fault(&self, operation: Operation) -> Option<Fault> {
        let mut script = self.script();
        let next = script.next.get_mut(&operation).and_then(VecDeque::pop_front);
        next.or_else(|| script.always.get(&operation).cloned())
    }

    /// The claim as the service carries it out.
    fn capped(&self, claim: &Claim) -> Claim {
        let longest = self.script().longest_lease.unwrap_or(Duration::MAX);
        Claim { lease: claim.lease.min(longest), ..claim.clone() }
    }

    /// Takes a request's way to the service and back. The service works on a task of its own: it does not notice when
    /// nobody waits for its answer any more.
    async fn travel<T, Fut>(
        &self,
        operation: Operation,
        claim: &Claim,
        service: Fut,
        scripted: fn(&Fault) -> Option<T>,
    ) -> Result<T>
    where
        T: Send + 'static,
        Fut: Future<Output = Result<T>> + Send + 'static,
    {
        let fault = self.fault(operation);
        tracing::debug!(target: "scripted_store", %operation, ?fault);
        tracing::debug!(target: "scripted_store", %operation, ?fault);
        let Some(_in_flight) = self.stage.sent(operation, claim) else { return std::future::pending().await };
        let failed = |kind: ErrorKind| Err(Error::new(kind, format!("scripted: {operation} fails")));
        match fault {
            None => service.await,
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Slow(time)) => {
                let answer = service.await;
                tokio::time::sleep(time).await;
                answer
            }
            Some(Fault::Late(time)) => {
                let service = tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    service.await
                });
                service.await.expect("the service does not panic")
            }
            Some(Fault::LoseReply) => {
                let _ = service.await;
                std::future::pending().await
            }
            Some(Fault::Fail(kind)) => failed(kind),
            Some(Fault::FailAfter(time, kind)) => {
                tokio::time::sleep(time).await;
                failed(kind)
            }
            Some(Fault::FailLate(kind)) => {
                let _ = service.await;
                failed(kind)
            }
            Some(Fault::Throttle(time)) => {
                Err(Error::new(ErrorKind::Throttled, "scripted: too many requests").with_retry_after(Some(time)))
            }
            Some(Fault::Panic) => panic!("scripted: the store's code panics"),
            Some(lie) => Ok(scripted(&lie).unwrap_or_else(|| panic!("{lie:?} is no fault of {operation}"))),
        }
    }
}

#[async_trait]
impl DistributedMutex for HostileMutex {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        let (claim, lapsed) = (request.claim, request.lapsed);
        let (memory, stage, capped, lapsed) =
            (self.memory.clone(), self.stage.clone(), self.capped(claim), lapsed.cloned());
        let service = async move {
            let answer = memory.try_acquire(AcquireRequest::new(&capped).with_lapsed(lapsed.as_ref())).await;
            if matches!(answer, Ok(Acquire::Granted(_))) {
                stage.granted(&capped);
            }
            answer
        };
        let scripted = |lie: &Fault| match lie {
            Fault::Grant(grant) => Some(Acquire::Granted(grant.clone())),
            Fault::Held(held) => Some(Acquire::Held((**held).clone())),
            _ => None,
        };
        self.travel(Operation::Acquire, claim, service, scripted).await
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        let (memory, capped) = (self.memory.clone(), self.capped(claim));
        let scripted = |lie: &Fault| match lie {
            Fault::Lost(loss) => Some(Renew::Lost(*loss)),
            _ => None,
        };
        self.travel(Operation::Renew, claim, async move { memory.renew(&capped).await }, scripted).await
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        let (memory, freed, releases) = (self.memory.clone(), claim.clone(), self.releases.clone());
        let service = async move {
            memory.release(&freed).await?;
            releases.send_modify(|count| *count += 1);
            Ok(())
        };
        self.travel(Operation::Release, claim, service, |_| None).await
    }

    async fn observe(&self) -> Result<Observation> {
        let hangs = self.script().hangs_observations;
        if hangs {
            return std::future::pending().await;
        }
        self.memory.observe().await
    }

    fn election(&self) -> &str {
        "scripted"
    }

    fn check_lease(&self, lease: Duration) -> Result<()> {
        if self.script().refuses_lease {
            return Err(Error::new(ErrorKind::InvalidSetting, format!("scripted: no lease of {lease:?}")));
        }
        Ok(())
    }

    async fn changed(&self) {
        let push = self.script().push;
        match push {
            Push::Never => std::future::pending().await,
            Push::OnRelease => {
                let mut releases = self.releases.subscribe();
                // The sender lives as long as this store.
                let _ = releases.changed().await;
            }
            Push::Always => {}
            Push::Every(time) => tokio::time::sleep(time).await,
            Push::Panic => panic!("scripted: the store's code panics"),
        }
    }
}
