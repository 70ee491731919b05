//! A mutex whose requests wait for the access token first.
//!
//! The SDK asks for the token within the few seconds that it has for a request. Waited for here, a sign-in that takes long is told
//! as such.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use leader_election::{
    Acquire, AcquireRequest, Claim, DistributedMutex, Observation, Operator, Renew, Result, SideContent, SideName,
    SideRecord, Version, Written, kit::patience,
};

/// By what right requests are made.
#[async_trait]
pub(crate) trait SignIn: Clone + Send + Sync + 'static {
    /// Waits for the access token, if one is needed and not there, for so long at most.
    async fn signed_in(&self, patience: Duration) -> Result<()>;
}

/// `None` for a client of the caller's, which signs in by itself.
#[async_trait]
impl<A: SignIn> SignIn for Option<A> {
    async fn signed_in(&self, patience: Duration) -> Result<()> {
        match self {
            Some(access) => access.signed_in(patience).await,
            None => Ok(()),
        }
    }
}

pub(crate) struct SignedIn<A, M: ?Sized> {
    access: A,
    inner: Arc<M>,
}

impl<A: SignIn, M: DistributedMutex> SignedIn<A, M> {
    pub(crate) fn new(access: A, mutex: M) -> Self {
        Self { access, inner: Arc::new(mutex) }
    }
}

impl<A: SignIn, M: ?Sized> SignedIn<A, M> {
    async fn after_signing_in(&self, patience: Duration) -> Result<&M> {
        self.access.signed_in(patience).await?;
        Ok(&self.inner)
    }
}

impl<A, M: DistributedMutex> std::fmt::Debug for SignedIn<A, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl<A: SignIn, M: DistributedMutex> DistributedMutex for SignedIn<A, M> {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        let patience = patience::within_an_attempt(request.claim.lease);
        self.after_signing_in(patience).await?.try_acquire(request).await
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        self.after_signing_in(patience::within_an_attempt(claim.lease)).await?.renew(claim).await
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        self.after_signing_in(patience::within_an_attempt(claim.lease)).await?.release(claim).await
    }

    async fn observe(&self) -> Result<Observation> {
        self.after_signing_in(patience::OF_A_LOOK).await?.observe().await
    }

    fn election(&self) -> &str {
        self.inner.election()
    }

    fn check_lease(&self, lease: Duration) -> Result<()> {
        self.inner.check_lease(lease)
    }

    fn operator(&self) -> Option<Arc<dyn Operator>> {
        let inner = self.inner.operator()?;
        Some(Arc::new(SignedIn { access: self.access.clone(), inner }))
    }

    fn side(&self, name: SideName) -> Option<Arc<dyn SideRecord>> {
        let inner = self.inner.side(name)?;
        Some(Arc::new(SignedIn { access: self.access.clone(), inner }))
    }

    async fn changed(&self) {
        self.inner.changed().await;
    }
}

#[async_trait]
impl<A: SignIn> Operator for SignedIn<A, dyn Operator> {
    async fn break_lease(&self, period: Option<Duration>) -> Result<Duration> {
        self.after_signing_in(patience::OF_A_LOOK).await?.break_lease(period).await
    }

    async fn elections(&self) -> Result<Vec<String>> {
        self.after_signing_in(patience::OF_A_LOOK).await?.elections().await
    }
}

#[async_trait]
impl<A: SignIn> SideRecord for SignedIn<A, dyn SideRecord> {
    async fn read(&self) -> Result<Option<SideContent>> {
        self.after_signing_in(patience::OF_A_LOOK).await?.read().await
    }

    async fn create(&self, content: &str) -> Result<Written> {
        self.after_signing_in(patience::OF_A_LOOK).await?.create(content).await
    }

    async fn replace(&self, seen: &Version, content: &str) -> Result<Written> {
        self.after_signing_in(patience::OF_A_LOOK).await?.replace(seen, content).await
    }
}
