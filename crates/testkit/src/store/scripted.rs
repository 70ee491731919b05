//! A store that does what a script says.

#![allow(clippy::expect_used, clippy::panic)] // A test's.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use leader_election::{
    Acquire, AcquireRequest, Claim, DistributedMutex, Error, ErrorKind, Grant, Held, Loss, Observation, Operation,
    Renew, Result, async_trait,
};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::trace::Answer;

/// Sees each request at the instant at which it is sent, carried out and answered.
pub trait Onlooker: std::fmt::Debug + Send + Sync {
    /// The number of the attempt; `None` when its sender is to hear nothing any more.
    fn sent(&self, operation: Operation, claim: &Claim, unsettled: bool) -> Option<u64>;
    /// The store has granted the lease.
    fn granted(&self, claim: &Claim);
    /// Somebody has taken the lease away from this claim.
    fn broken(&self, _: &Claim) {}
    /// The sender hears this; `None` when it waits no longer.
    fn heard(&self, claim: &Claim, attempt: u64, answer: Option<Answer>);
}

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
    /// It is carried out and answered at once, and carried out once more after this time.
    Twice(Duration),
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

/// A store that can be told to misbehave. Each [`handle`](Self::handle) has a script of its own.
#[derive(Debug, Clone)]
pub struct ScriptedStore {
    store: Arc<dyn DistributedMutex>,
    onlooker: Arc<dyn Onlooker>,
    /// Whom the store last granted the lease, by whatever way.
    holder: Arc<Mutex<Option<Claim>>>,
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
    down_until: Option<Instant>,
}

impl ScriptedStore {
    /// Does what that store does, until it is told otherwise.
    pub fn new(store: impl DistributedMutex, onlooker: impl Onlooker + 'static) -> Self {
        Self {
            store: Arc::new(store),
            onlooker: Arc::new(onlooker),
            holder: Arc::default(),
            releases: watch::Sender::new(0),
            script: Arc::default(),
        }
    }

    /// The same lease by another way.
    #[must_use]
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

    /// From now on it tells of changes like this.
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

    /// Somebody frees the lease, whoever has it, as an operator does.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn break_lease(&self) -> Result<()> {
        let Some(holder) = self.holder().take() else { return Ok(()) };
        self.onlooker.broken(&holder);
        self.store.release(&holder).await
    }

    /// Until then all requests fail, whatever the script says.
    pub fn take_down(&self, until: Instant) {
        self.script().down_until = Some(until);
    }

    fn holder(&self) -> std::sync::MutexGuard<'_, Option<Claim>> {
        self.holder.lock().expect("no panic under this lock")
    }

    fn script(&self) -> std::sync::MutexGuard<'_, Script> {
        self.script.lock().expect("no panic under this lock")
    }

    fn fault(&self, operation: Operation) -> Option<Fault> {
        let mut script = self.script();
        if script.down_until.is_some_and(|until| Instant::now() < until) {
            return Some(Fault::Fail(ErrorKind::Unavailable));
        }
        let next = script.next.get_mut(&operation).and_then(VecDeque::pop_front);
        next.or_else(|| script.always.get(&operation).cloned())
    }

    /// The claim as the service carries it out.
    fn capped(&self, claim: &Claim) -> Claim {
        let longest = self.script().longest_lease.unwrap_or(Duration::MAX);
        let mut capped = claim.clone();
        capped.lease = claim.lease.min(longest);
        capped
    }

    /// Takes a request's way to the service and back. The service works on a task of its own: it does not notice when
    /// nobody waits for its answer any more.
    async fn travel<T, Fut>(
        &self,
        operation: Operation,
        asked: (&Claim, bool),
        service: impl Fn() -> Fut + Send,
        scripted: fn(&Fault) -> Option<T>,
    ) -> Result<T>
    where
        T: Send + 'static,
        Answer: for<'a> From<&'a Result<T>>,
        Fut: Future<Output = Result<T>> + Send + 'static,
    {
        let fault = self.fault(operation);
        let (claim, unsettled) = asked;
        let Some(attempt) = self.onlooker.sent(operation, claim, unsettled) else {
            return std::future::pending().await;
        };
        let in_flight = InFlight { onlooker: &*self.onlooker, claim, attempt, answer: None };
        let answer = meet(operation, fault, service, scripted).await;
        in_flight.lands(Answer::from(&answer));
        answer
    }
}

async fn meet<T, Fut>(
    operation: Operation,
    fault: Option<Fault>,
    service: impl Fn() -> Fut + Send,
    scripted: fn(&Fault) -> Option<T>,
) -> Result<T>
where
    T: Send + 'static,
    Fut: Future<Output = Result<T>> + Send + 'static,
{
    let failed = |kind: ErrorKind| Err(Error::new(kind, format!("scripted: {operation} fails")));
    match fault {
        None => service().await,
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Slow(time)) => {
            let answer = service().await;
            tokio::time::sleep(time).await;
            answer
        }
        Some(Fault::Late(time)) => tokio::spawn(after(time, service())).await.expect("the service does not panic"),
        Some(Fault::Twice(time)) => {
            let answer = service().await;
            tokio::spawn(after(time, service()));
            answer
        }
        Some(Fault::LoseReply) => {
            let _ = service().await;
            std::future::pending().await
        }
        Some(Fault::Fail(kind)) => failed(kind),
        Some(Fault::FailAfter(time, kind)) => {
            tokio::time::sleep(time).await;
            failed(kind)
        }
        Some(Fault::FailLate(kind)) => {
            let _ = service().await;
            failed(kind)
        }
        Some(Fault::Throttle(time)) => {
            Err(Error::new(ErrorKind::Throttled, "scripted: too many requests").with_retry_after(Some(time)))
        }
        Some(Fault::Panic) => panic!("scripted: the store's code panics"),
        Some(lie) => Ok(scripted(&lie).unwrap_or_else(|| panic!("{lie:?} is no fault of {operation}"))),
    }
}

async fn after<F: Future>(time: Duration, then: F) -> F::Output {
    tokio::time::sleep(time).await;
    then.await
}

#[async_trait]
impl DistributedMutex for ScriptedStore {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        let (claim, lapsed) = (request.claim, request.lapsed);
        let capped = self.capped(claim);
        let service = || {
            let (this, capped, lapsed) = (self.clone(), capped.clone(), lapsed.cloned());
            async move {
                let answer = this.store.try_acquire(AcquireRequest::new(&capped).with_lapsed(lapsed.as_ref())).await;
                if matches!(answer, Ok(Acquire::Granted(_))) {
                    this.onlooker.granted(&capped);
                    *this.holder() = Some(capped);
                }
                answer
            }
        };
        let scripted = |lie: &Fault| match lie {
            Fault::Grant(grant) => Some(Acquire::Granted(grant.clone())),
            Fault::Held(held) => Some(Acquire::Held((**held).clone())),
            _ => None,
        };
        self.travel(Operation::Acquire, (claim, request.unsettled), service, scripted).await
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        let capped = self.capped(claim);
        let service = || {
            let (store, capped) = (Arc::clone(&self.store), capped.clone());
            async move { store.renew(&capped).await }
        };
        let scripted = |lie: &Fault| match lie {
            Fault::Lost(loss) => Some(Renew::Lost(*loss)),
            _ => None,
        };
        self.travel(Operation::Renew, (claim, false), service, scripted).await
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        let service = || {
            let (store, freed, releases) = (Arc::clone(&self.store), claim.clone(), self.releases.clone());
            async move {
                store.release(&freed).await?;
                releases.send_modify(|count| *count += 1);
                Ok(())
            }
        };
        self.travel(Operation::Release, (claim, false), service, |_| None).await
    }

    async fn observe(&self) -> Result<Observation> {
        let hangs = self.script().hangs_observations;
        if hangs {
            return std::future::pending().await;
        }
        self.store.observe().await
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

/// A request whose sender waits for it.
struct InFlight<'a> {
    onlooker: &'a dyn Onlooker,
    claim: &'a Claim,
    attempt: u64,
    answer: Option<Answer>,
}

impl InFlight<'_> {
    fn lands(mut self, answer: Answer) {
        self.answer = Some(answer);
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.onlooker.heard(self.claim, self.attempt, self.answer);
    }
}
