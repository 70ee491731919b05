//! A mutex whose requests run on the threads for requests, whoever calls.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::claim::Claim;
use crate::error::Result;
use crate::port::{
    Acquire, AcquireRequest, DistributedMutex, LeaderData, Observation, Operator, Renew, SideContent, SideName,
    SideRecord, Version, Written,
};
use crate::requests;
use crate::token::FencingToken;

/// Sends a store's requests from the crate's own threads, which no runtime of a user's can block.
///
/// A pooled connection is driven by the runtime that opened it. A [`LeaderHost`](crate::LeaderHost) makes its requests on those
/// threads; whoever calls the store from elsewhere would open a connection that the host's next renewal may be sent on, and that
/// stands still when that runtime does. So wrap what talks to a service, and keep the wrapper.
///
/// It is needed for who calls from elsewhere than a host, on a store that shares something between its calls: pooled connections, or an async lock
/// in which they take turns. A store that keeps nothing of the kind needs no wrapper.
///
/// Clones share the mutex. Dropping a call drops the request.
///
/// ```
/// use leader_election::kit::OnRequestThreads;
/// use leader_election::{DistributedMutex, MemoryMutex};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> leader_election::Result<()> {
/// let mutex = OnRequestThreads::new(MemoryMutex::new());
/// assert!(!mutex.observe().await?.is_held());
/// # Ok(())
/// # }
/// ```
pub struct OnRequestThreads<M: ?Sized> {
    in_place: bool,
    inner: Arc<M>,
}

impl<M: DistributedMutex> OnRequestThreads<M> {
    /// Wraps a mutex. Nothing is started yet.
    #[must_use]
    pub fn new(mutex: M) -> Self {
        Self { in_place: false, inner: Arc::new(mutex) }
    }

    /// Leaves the requests where they are called: for a client of the caller's, which may be bound to another runtime.
    #[must_use]
    pub fn in_place(self) -> Self {
        Self { in_place: true, ..self }
    }

    /// The mutex, whose calls run where they are made.
    #[must_use]
    pub fn inner(&self) -> &Arc<M> {
        &self.inner
    }

    /// Makes a further request of the store's own where its others are made: one that is no call of the port.
    ///
    /// # Cancellation safety
    /// Dropping the returned future drops the request.
    ///
    /// # Errors
    /// The request's; [`Runtime`](crate::ErrorKind::Runtime) when the threads cannot be started.
    pub async fn run<T, F>(&self, request: impl FnOnce(Arc<M>) -> F + Send) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        run(self.in_place, request(Arc::clone(&self.inner))).await
    }
}

impl<M: ?Sized> Clone for OnRequestThreads<M> {
    fn clone(&self) -> Self {
        Self { in_place: self.in_place, inner: Arc::clone(&self.inner) }
    }
}

impl<M: fmt::Debug + ?Sized> fmt::Debug for OnRequestThreads<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl<M: DistributedMutex> DistributedMutex for OnRequestThreads<M> {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        let asked = Asked::of(request);
        self.run(|mutex| async move { mutex.try_acquire(asked.request()).await }).await
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        let claim = claim.clone();
        self.run(|mutex| async move { mutex.renew(&claim).await }).await
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        let claim = claim.clone();
        self.run(|mutex| async move { mutex.release(&claim).await }).await
    }

    async fn observe(&self) -> Result<Observation> {
        self.run(|mutex| async move { mutex.observe().await }).await
    }

    fn election(&self) -> &str {
        self.inner.election()
    }

    fn check_lease(&self, lease: Duration) -> Result<()> {
        self.inner.check_lease(lease)
    }

    fn operator(&self) -> Option<Arc<dyn Operator>> {
        let inner = self.inner.operator()?;
        Some(Arc::new(OnRequestThreads { in_place: self.in_place, inner }))
    }

    fn side(&self, name: SideName) -> Option<Arc<dyn SideRecord>> {
        let inner = self.inner.side(name)?;
        Some(Arc::new(OnRequestThreads { in_place: self.in_place, inner }))
    }

    /// In place: it may last for as long as the host contends, and would hold a request's thread back for nothing.
    async fn changed(&self) {
        self.inner.changed().await;
    }
}

#[async_trait]
impl Operator for OnRequestThreads<dyn Operator> {
    async fn break_lease(&self, period: Option<Duration>) -> Result<Duration> {
        let operator = Arc::clone(&self.inner);
        run(self.in_place, async move { operator.break_lease(period).await }).await
    }

    async fn elections(&self) -> Result<Vec<String>> {
        let operator = Arc::clone(&self.inner);
        run(self.in_place, async move { operator.elections().await }).await
    }
}

#[async_trait]
impl SideRecord for OnRequestThreads<dyn SideRecord> {
    async fn read(&self) -> Result<Option<SideContent>> {
        let side = Arc::clone(&self.inner);
        run(self.in_place, async move { side.read().await }).await
    }

    async fn create(&self, content: &str) -> Result<Written> {
        let (side, content) = (Arc::clone(&self.inner), content.to_owned());
        run(self.in_place, async move { side.create(&content).await }).await
    }

    async fn replace(&self, seen: &Version, content: &str) -> Result<Written> {
        let (side, seen, content) = (Arc::clone(&self.inner), seen.clone(), content.to_owned());
        run(self.in_place, async move { side.replace(&seen, &content).await }).await
    }
}

async fn run<T: Send + 'static>(
    in_place: bool,
    request: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    if in_place { request.await } else { requests::run(request).await? }
}

/// A request that goes to another thread.
struct Asked {
    claim: Claim,
    lapsed: Option<Version>,
    unsettled: bool,
    floor: Option<FencingToken>,
    data: Option<LeaderData>,
}

impl Asked {
    fn of(request: AcquireRequest<'_>) -> Self {
        Self {
            claim: request.claim.clone(),
            lapsed: request.lapsed.cloned(),
            unsettled: request.unsettled,
            floor: request.floor,
            data: request.data.cloned(),
        }
    }

    fn request(&self) -> AcquireRequest<'_> {
        AcquireRequest::new(&self.claim)
            .with_lapsed(self.lapsed.as_ref())
            .with_unsettled(self.unsettled)
            .with_floor(self.floor)
            .with_data(self.data.as_ref())
    }
}
