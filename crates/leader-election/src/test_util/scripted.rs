//! A store that a test tells what to do.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::claim::{Claim, HolderId};
use crate::error::{Error, ErrorKind, Result};
use crate::port::{
    Acquire, AcquireRequest, DistributedMutex, Held, Leader, Loss, Observation, Operator, Renew, SideName, SideRecord,
};
use crate::stores::memory::MemoryMutex;
use crate::token::FencingToken;

/// A store in memory that does what your test says. Clones share the lease and the script.
///
/// It begins as a [`MemoryMutex`]: it grants the lease to whoever asks first, and keeps to the contract. Then tell it what goes wrong:
///
/// ```
/// use leader_election::test_util::ScriptedMutex;
/// use leader_election::{CancellationToken, EndReason, HolderId, LeaderHost};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = ScriptedMutex::new();
/// let host = LeaderHost::new(store.clone()).in_tokio_time();
/// let term = host.run_one_term(CancellationToken::new(), move |leader| async move {
///     let newer = store.take_over(&HolderId::new("another").unwrap()).await.unwrap();
///     leader.token().cancelled().await;
///     assert!(newer > leader.fencing_token());
///     leader.end_reason()
/// });
/// assert_eq!(term.await?.unwrap().output, Some(Some(EndReason::LeaseLost)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ScriptedMutex {
    inner: MemoryMutex,
    script: Arc<Mutex<Script>>,
    answers: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Script {
    refuses: bool,
    fails: Option<ErrorKind>,
    delay: Duration,
    loss: Option<Loss>,
    requests: usize,
}

/// What all workers of a lease that somebody else was made to hold are told of it.
const LONG: Duration = Duration::from_secs(3_600);

impl Default for ScriptedMutex {
    fn default() -> Self {
        Self::named("")
    }
}

impl ScriptedMutex {
    /// A store that behaves, of an election without a name.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A store that behaves, of an election with this name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { inner: MemoryMutex::named(name), script: Arc::default(), answers: watch::Sender::new(true) }
    }

    /// Whether candidates are told that the lease is held, whoever holds it. A leader goes on.
    pub fn refuse(&self, refuses: bool) {
        self.script().refuses = refuses;
    }

    /// From now on each request fails so, and nothing is carried out; `None` ends it. A transient kind is an outage, such as
    /// [`Unreachable`](ErrorKind::Unreachable); one for a human is [`Denied`](ErrorKind::Denied).
    pub fn fail(&self, kind: Option<ErrorKind>) {
        self.script().fails = kind;
    }

    /// From now on each answer comes so late, in tokio's time. What was asked for is carried out at once.
    pub fn delay(&self, delay: Duration) {
        self.script().delay = delay;
    }

    /// From now on there is no answer at all, until it is called with `false`. What was asked for is not carried out.
    pub fn hang(&self, hangs: bool) {
        self.answers.send_replace(!hangs);
    }

    /// Tells the leader at its next renewal that its lease is gone, for this reason. Nobody else leads.
    pub fn lose(&self, loss: Loss) {
        self.script().loss = Some(loss);
    }

    /// Lets another worker take the lease from whoever holds it, at once, as after a partition; returns its fencing token, which
    /// is higher. It holds the lease for an hour, and never renews. The leader before learns of it at its next renewal.
    ///
    /// # Errors
    /// When the tokens are at their end.
    pub async fn take_over(&self, holder: &HolderId) -> Result<FencingToken> {
        let claim = Claim::new(holder.clone(), LONG);
        if let Some(operator) = self.inner.operator() {
            operator.break_lease(Some(Duration::ZERO)).await?;
        }
        match self.inner.try_acquire((&claim).into()).await? {
            Acquire::Granted(grant) => Ok(grant.fencing_token),
            Acquire::Held(_) => Err(Error::new(ErrorKind::Conflict, "another worker was faster; call it again")),
        }
    }

    /// Breaks the lease as an operator does: nobody leads until it would have run out.
    ///
    /// # Errors
    /// None today.
    pub async fn break_lease(&self) -> Result<Duration> {
        match self.inner.operator() {
            Some(operator) => operator.break_lease(None).await,
            None => Ok(Duration::ZERO),
        }
    }

    /// Who leads, as the record has it.
    pub async fn leader(&self) -> Option<Leader> {
        self.inner.observe().await.ok()?.leader().cloned()
    }

    /// How many requests came in so far.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.script().requests
    }

    /// What becomes of a request, before it is carried out.
    async fn arrive(&self) -> Result<Duration> {
        let (fails, delay) = {
            let mut script = self.script();
            script.requests += 1;
            (script.fails, script.delay)
        };
        // Fails only when the sender is gone, and this has it.
        let _ = self.answers.subscribe().wait_for(|answers| *answers).await;
        match fails {
            Some(kind) => {
                tokio::time::sleep(delay).await;
                Err(Error::new(kind, "the test's script says so"))
            }
            None => Ok(delay),
        }
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl DistributedMutex for ScriptedMutex {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        let delay = self.arrive().await?;
        let refuses = self.script().refuses;
        let answer =
            if refuses { Ok(Acquire::Held(Held::by_unknown())) } else { self.inner.try_acquire(request).await };
        tokio::time::sleep(delay).await;
        answer
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        let delay = self.arrive().await?;
        let loss = self.script().loss.take();
        let answer = match loss {
            Some(loss) => {
                self.inner.release(claim).await?;
                Ok(Renew::Lost(loss))
            }
            None => self.inner.renew(claim).await,
        };
        tokio::time::sleep(delay).await;
        answer
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        let delay = self.arrive().await?;
        let answer = self.inner.release(claim).await;
        tokio::time::sleep(delay).await;
        answer
    }

    async fn observe(&self) -> Result<Observation> {
        let delay = self.arrive().await?;
        let answer = self.inner.observe().await;
        tokio::time::sleep(delay).await;
        answer
    }

    fn election(&self) -> &str {
        self.inner.election()
    }

    fn check_lease(&self, lease: Duration) -> Result<()> {
        self.inner.check_lease(lease)
    }

    fn operator(&self) -> Option<Arc<dyn Operator>> {
        self.inner.operator()
    }

    fn side(&self, name: SideName) -> Option<Arc<dyn SideRecord>> {
        self.inner.side(name)
    }

    async fn changed(&self) {
        self.inner.changed().await;
    }
}
