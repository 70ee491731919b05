//! A store that keeps the contract but for one flaw, and what the suite says of it.

use std::fmt::Debug;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use leader_election::contract::Fixture;
use leader_election::document::DocumentMutex;
use leader_election::{
    Acquire, AcquireRequest, Claim, DistributedMutex, MemoryMutex, Observation, Operator, Renew, Result, SideName,
    SideRecord, async_trait,
};

use crate::memory_document::MemoryDocument;

pub const LEASE: Duration = Duration::from_secs(1);

/// A store that keeps the contract.
pub type Right = Arc<dyn DistributedMutex>;

/// One way to break the contract: what it does not say is done right.
#[async_trait]
pub trait Flaw: Clone + Debug + Send + Sync + 'static {
    async fn try_acquire(&self, right: &Right, request: AcquireRequest<'_>) -> Result<Acquire> {
        right.try_acquire(request).await
    }

    async fn renew(&self, right: &Right, claim: &Claim) -> Result<Renew> {
        right.renew(claim).await
    }

    async fn release(&self, right: &Right, claim: &Claim) -> Result<()> {
        right.release(claim).await
    }

    async fn observe(&self, right: &Right) -> Result<Observation> {
        right.observe().await
    }

    fn operator(&self, right: &Right) -> Option<Arc<dyn Operator>> {
        right.operator()
    }

    fn side(&self, right: &Right, name: SideName) -> Option<Arc<dyn SideRecord>> {
        right.side(name)
    }
}

/// No flaw.
#[derive(Debug, Clone)]
pub struct Flawless;

impl Flaw for Flawless {}

#[derive(Debug)]
struct Wrong<F> {
    right: Right,
    flaw: F,
}

#[async_trait]
impl<F: Flaw> DistributedMutex for Wrong<F> {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        self.flaw.try_acquire(&self.right, request).await
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        self.flaw.renew(&self.right, claim).await
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        self.flaw.release(&self.right, claim).await
    }

    async fn observe(&self) -> Result<Observation> {
        self.flaw.observe(&self.right).await
    }

    fn election(&self) -> &str {
        self.right.election()
    }

    fn operator(&self) -> Option<Arc<dyn Operator>> {
        self.flaw.operator(&self.right)
    }

    fn side(&self, name: SideName) -> Option<Arc<dyn SideRecord>> {
        self.flaw.side(&self.right, name)
    }
}

/// Elections on stores with this flaw.
pub struct Elections<F> {
    pub flaw: F,
    right: fn() -> Right,
}

/// That expire leases themselves.
pub fn leases<F: Flaw>(flaw: F) -> Elections<F> {
    Elections { flaw, right: || Arc::new(MemoryMutex::named("nightly")) }
}

/// Of records under compare-and-swap, which have versions.
pub fn documents<F: Flaw>(flaw: F) -> Elections<F> {
    Elections { flaw, right: || Arc::new(DocumentMutex::new(MemoryDocument::new(usize::MAX))) }
}

#[async_trait]
impl<F: Flaw> Fixture for Elections<F> {
    /// With a flaw of its own, that may remember what was asked.
    type Election = (Right, F);

    async fn fresh(&self) -> (Right, F) {
        ((self.right)(), self.flaw.clone())
    }

    async fn open(&self, (right, flaw): &(Right, F)) -> Right {
        Arc::new(Wrong { right: Arc::clone(right), flaw: flaw.clone() })
    }

    async fn elapse(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn lease(&self) -> Duration {
        LEASE
    }
}

/// What the rule says of the store.
pub async fn verdict(rule: impl Future<Output = ()>) -> Option<String> {
    let broken = AssertUnwindSafe(rule).catch_unwind().await.err()?;
    let text = broken.downcast_ref::<String>().cloned();
    Some(text.or_else(|| broken.downcast_ref::<&str>().map(ToString::to_string)).expect("a panic with words"))
}

/// The suite refuses the store by this rule, in these words.
#[track_caller]
pub fn assert_found(verdict: Option<String>, rule: &str, words: &str) {
    let verdict = verdict.expect("the suite passes a store that breaks this rule");
    let words_of_the_rule = verdict
        .strip_prefix("assertion `")
        .and_then(|rest| rest.split_once(" failed: "))
        .map_or(&*verdict, |(_, after)| after);
    let ends = |rest: &str| !rest.starts_with(|next: char| next.is_ascii_digit());
    let found = words_of_the_rule.strip_prefix(rule).is_some_and(ends);
    assert!(found && verdict.contains(words), "not by {rule} and {words:?}: {verdict}");
}
