//! The nine methods of the port, handed on.

/// Writes `impl DistributedMutex` for a type that has the mutex inside: each method asks that one.
///
/// So nothing that the port gains is forgotten by a wrapper. The field may be anything that is a
/// [`DistributedMutex`](crate::DistributedMutex).
///
/// ```
/// use leader_election::kit::{OnRequestThreads, delegate_mutex};
/// use leader_election::{DistributedMutex, MemoryMutex};
///
/// #[derive(Debug)]
/// pub struct MyMutex {
///     election: OnRequestThreads<MemoryMutex>,
/// }
///
/// delegate_mutex!(MyMutex, election);
///
/// let mutex = MyMutex { election: OnRequestThreads::new(MemoryMutex::new()) };
/// assert_eq!(mutex.election(), "");
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! __delegate_mutex {
    ([$($generics:tt)*] $type:ty, |$mutex:ident| $inner:expr) => {
        #[$crate::async_trait]
        impl $($generics)* $crate::DistributedMutex for $type {
            async fn try_acquire(&self, request: $crate::AcquireRequest<'_>) -> $crate::Result<$crate::Acquire> {
                let $mutex = self;
                ($inner).try_acquire(request).await
            }

            async fn renew(&self, claim: &$crate::Claim) -> $crate::Result<$crate::Renew> {
                let $mutex = self;
                ($inner).renew(claim).await
            }

            async fn release(&self, claim: &$crate::Claim) -> $crate::Result<()> {
                let $mutex = self;
                ($inner).release(claim).await
            }

            async fn observe(&self) -> $crate::Result<$crate::Observation> {
                let $mutex = self;
                ($inner).observe().await
            }

            fn election(&self) -> &str {
                let $mutex = self;
                ($inner).election()
            }

            fn check_lease(&self, lease: ::std::time::Duration) -> $crate::Result<()> {
                let $mutex = self;
                ($inner).check_lease(lease)
            }

            fn operator(&self) -> ::std::option::Option<::std::sync::Arc<dyn $crate::Operator>> {
                let $mutex = self;
                ($inner).operator()
            }

            fn side(
                &self,
                name: $crate::SideName,
            ) -> ::std::option::Option<::std::sync::Arc<dyn $crate::SideRecord>> {
                let $mutex = self;
                ($inner).side(name)
            }

            async fn changed(&self) {
                let $mutex = self;
                ($inner).changed().await;
            }
        }
    };
    ($type:ty, $($field:tt).+) => {
        $crate::__delegate_mutex!([] $type, |mutex| mutex.$($field).+);
    };
}

#[doc(inline)]
pub use __delegate_mutex as delegate_mutex;
