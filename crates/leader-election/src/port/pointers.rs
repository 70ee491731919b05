//! What points to a mutex is a mutex: hosts take `Arc<dyn DistributedMutex>`, `Box<M>` and `&'static M` as well.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Acquire, AcquireRequest, DistributedMutex, Observation, Operator, Renew, SideName, SideRecord};
use crate::claim::Claim;
use crate::error::Result;

macro_rules! a_mutex_behind {
    ($pointer:ty) => {
        #[async_trait]
        impl<M: DistributedMutex + ?Sized> DistributedMutex for $pointer {
            async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
                (**self).try_acquire(request).await
            }

            async fn renew(&self, claim: &Claim) -> Result<Renew> {
                (**self).renew(claim).await
            }

            async fn release(&self, claim: &Claim) -> Result<()> {
                (**self).release(claim).await
            }

            async fn observe(&self) -> Result<Observation> {
                (**self).observe().await
            }

            fn election(&self) -> &str {
                (**self).election()
            }

            fn check_lease(&self, lease: Duration) -> Result<()> {
                (**self).check_lease(lease)
            }

            fn operator(&self) -> Option<Arc<dyn Operator>> {
                (**self).operator()
            }

            fn side(&self, name: SideName) -> Option<Arc<dyn SideRecord>> {
                (**self).side(name)
            }

            async fn changed(&self) {
                (**self).changed().await;
            }
        }
    };
}

a_mutex_behind!(Arc<M>);
a_mutex_behind!(Box<M>);
a_mutex_behind!(&'static M);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LeaderHost, MemoryMutex};

    #[test]
    fn a_host_takes_whatever_points_to_a_mutex() {
        let leaked: &'static MemoryMutex = Box::leak(Box::default());
        let _ = LeaderHost::new(leaked);
        let _ = LeaderHost::new(Box::new(MemoryMutex::new()));
        let boxed: Box<dyn DistributedMutex> = Box::new(MemoryMutex::new());
        let _ = LeaderHost::new(boxed);
    }
}
