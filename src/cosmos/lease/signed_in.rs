//! A mutex whose requests wait for the access token first.
//!
//! The SDK asks for the token within the few seconds that it has for a request. Waited for here, a sign-in that takes long is told
//! as such.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::cosmos::account::Access;
use leader_election::{
    Acquire, AcquireRequest, Claim, DistributedMutex, Observation, Operator, Renew, Result, SideContent, SideName,
    SideRecord, Version, Written, kit::patience,
};

pub(super) struct SignedIn<M: ?Sized> {
    /// `None` for a client of the caller's, which signs in by itself.
    access: Option<Access>,
    inner: Arc<M>,
}

impl<M: DistributedMutex> SignedIn<M> {
    pub(super) fn new(access: Option<Access>, mutex: M) -> Self {
        Self { access, inner: Arc::new(mutex) }
    }
}

impl<M: ?Sized> SignedIn<M> {
    async fn after_signing_in(&self, patience: Duration) -> Result<&M> {
        if let Some(access) = &self.access {
            access.signed_in(patience).await?;
        }
        Ok(&self.inner)
    }
}

impl<M: DistributedMutex> std::fmt::Debug for SignedIn<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl<M: DistributedMutex> DistributedMutex for SignedIn<M> {
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
impl Operator for SignedIn<dyn Operator> {
    async fn break_lease(&self, period: Option<Duration>) -> Result<Duration> {
        self.after_signing_in(patience::OF_A_LOOK).await?.break_lease(period).await
    }

    async fn elections(&self) -> Result<Vec<String>> {
        self.after_signing_in(patience::OF_A_LOOK).await?.elections().await
    }
}

#[async_trait]
impl SideRecord for SignedIn<dyn SideRecord> {
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
