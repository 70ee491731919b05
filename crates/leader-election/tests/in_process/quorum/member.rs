//! Members of quorums, and what befalls them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use leader_election::document::DocumentMutex;
use leader_election::{
    Acquire, AcquireRequest, Claim, DistributedMutex, Error, ErrorKind, MemoryMutex, Observation, Operator, Renew,
    Result, SideName, SideRecord, async_trait,
};
use testkit::store::MemoryDocument;

/// A store of its own, behind which one election is kept.
#[derive(Debug, Clone)]
pub enum Kept {
    Lease(MemoryMutex),
    Document(MemoryDocument),
}

impl Kept {
    pub fn lease() -> Self {
        Self::Lease(MemoryMutex::named("nightly"))
    }

    pub fn document() -> Self {
        Self::Document(MemoryDocument::new(usize::MAX))
    }

    /// As another process opens it.
    pub fn open(&self) -> Arc<dyn DistributedMutex> {
        match self {
            Self::Lease(mutex) => Arc::new(mutex.clone()),
            Self::Document(document) => Arc::new(DocumentMutex::new(document.clone())),
        }
    }
}

/// How it is to reach a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Answers at once.
    Fine,
    /// Answers after this time.
    Slow(Duration),
    /// Fails at once.
    Dead,
    /// Never answers.
    BlackHole,
    /// A human must act.
    Denied,
    /// Its code panics.
    Panics,
}

/// A member on a way that can change, and that counts what is sent to it.
#[derive(Debug, Clone)]
pub struct Reached {
    pub inner: Arc<dyn DistributedMutex>,
    pub way: Arc<std::sync::Mutex<Way>>,
    pub requests: Arc<AtomicUsize>,
    /// Requests that have begun and not ended.
    pub open: Arc<AtomicUsize>,
}

impl Reached {
    pub fn new(inner: Arc<dyn DistributedMutex>, way: Way) -> Self {
        Self { inner, way: Arc::new(way.into()), requests: Arc::default(), open: Arc::default() }
    }

    pub fn set(&self, way: Way) {
        *self.way.lock().expect("not poisoned") = way;
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    async fn travel(&self) -> Result<()> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        self.open.fetch_add(1, Ordering::SeqCst);
        let _open = Open(&self.open);
        let way = *self.way.lock().expect("not poisoned");
        match way {
            Way::Fine => Ok(()),
            Way::Slow(time) => {
                tokio::time::sleep(time).await;
                Ok(())
            }
            Way::Dead => Err(Error::new(ErrorKind::Unreachable, "dead")),
            Way::BlackHole => std::future::pending().await,
            Way::Denied => Err(Error::new(ErrorKind::Denied, "denied")),
            Way::Panics => panic!("a member's code"),
        }
    }
}

struct Open<'a>(&'a AtomicUsize);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl DistributedMutex for Reached {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        self.travel().await?;
        self.inner.try_acquire(request).await
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        self.travel().await?;
        self.inner.renew(claim).await
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        self.travel().await?;
        self.inner.release(claim).await
    }

    async fn observe(&self) -> Result<Observation> {
        self.travel().await?;
        self.inner.observe().await
    }

    fn election(&self) -> &str {
        self.inner.election()
    }

    fn operator(&self) -> Option<Arc<dyn Operator>> {
        let inner = self.inner.operator()?;
        Some(Arc::new(ReachedOperator { member: self.clone(), inner }))
    }

    fn side(&self, name: SideName) -> Option<Arc<dyn SideRecord>> {
        self.inner.side(name)
    }

    async fn changed(&self) {
        self.inner.changed().await;
    }
}

struct ReachedOperator {
    member: Reached,
    inner: Arc<dyn Operator>,
}

#[async_trait]
impl Operator for ReachedOperator {
    async fn break_lease(&self, period: Option<Duration>) -> Result<Duration> {
        self.member.travel().await?;
        self.inner.break_lease(period).await
    }

    async fn elections(&self) -> Result<Vec<String>> {
        self.member.travel().await?;
        self.inner.elections().await
    }
}
