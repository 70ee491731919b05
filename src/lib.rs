#![cfg_attr(all(feature = "blob", feature = "cosmos", feature = "signal"), doc = include_str!("../README.md"))]
#![cfg_attr(
    not(all(feature = "blob", feature = "cosmos", feature = "signal")),
    doc = "Leader election for workers; the README is the documentation with all features."
)]
#![cfg_attr(
    all(feature = "blob", feature = "cosmos", feature = "signal"),
    doc = "
# Where to find what

- Run: [`LeaderHost`], [`LeaderHostOptions`], [`Timing`], [`shutdown_signal`]; what the task receives: [`Leadership`].
- Ask from elsewhere in the process: [`LeaderHost::leadership`], [`LeadershipWatch`].
- Elect on: any store by its URL, [`Store::from_url`]; or [`BlobDistributedMutex`], [`BlobDocumentMutex`], [`CosmosDistributedMutex`], [`FileMutex`], [`MemoryMutex`], with the features `etcd`, `kube` and `redis` on those services, or your own [`DistributedMutex`] or
  [`document::DocumentStore`].
- Write: [`FencedBlob`], [`FencedStateBlob`], [`FencedPartition`], [`Fenced`], [`FencingToken`].
- Watch: [`Status`], [`LeaderEvents`], [`Unhealthy`], [`telemetry`].
- Sign in: [`SharedCredential`]. Test: [`MemoryMutex`], [`LeaderHost::in_tokio_time`], [`Sources`]."
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "blob")]
mod blob;
#[doc(hidden)]
pub mod check;
#[cfg(feature = "cosmos")]
mod cosmos;
#[cfg(all(fuzzing, feature = "blob", feature = "cosmos"))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(all(any(test, fuzzing), any(feature = "blob", feature = "cosmos")))]
mod laws;
#[cfg(feature = "service-bus")]
mod service_bus;
#[cfg(any(feature = "blob", feature = "cosmos", feature = "redis", feature = "service-bus"))]
mod shared_credential;
#[cfg(any(feature = "blob", feature = "cosmos"))]
mod signed_in;
mod store;
#[cfg(any(feature = "blob", feature = "cosmos", feature = "service-bus"))]
mod writer;

/// The examples of a document, compiled.
#[cfg(all(doctest, feature = "kube"))]
#[doc = include_str!("../docs/kubernetes.md")]
struct Kubernetes;

// The core: one dependency line for a user.
pub use leader_election::*;

#[cfg(feature = "blob")]
pub use blob::{
    BlobContent, BlobDistributedMutex, BlobDocumentMutex, BlobMutexOptions, Create, FencedBlob, FencedStateBlob,
};
#[cfg(feature = "cosmos")]
pub use cosmos::{
    CommittedBatch, CosmosAddress, CosmosDistributedMutex, CosmosMutexOptions, FencedPartition, RefusedOperation,
};
#[cfg(feature = "etcd")]
#[cfg_attr(docsrs, doc(cfg(feature = "etcd")))]
pub use leader_election_etcd::{self as etcd, EtcdDistributedMutex};
#[cfg(feature = "kube")]
#[cfg_attr(docsrs, doc(cfg(feature = "kube")))]
pub use leader_election_kube::{self as kube, KubernetesLeaseMutex};
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use leader_election_redis::{self as redis, RedisDistributedMutex};
#[cfg(feature = "service-bus")]
#[cfg_attr(docsrs, doc(cfg(feature = "service-bus")))]
pub use service_bus::{FencedSessionState, ServiceBusDistributedMutex, ServiceBusMutexOptions, ServiceBusQueue};
#[cfg(any(feature = "blob", feature = "cosmos", feature = "redis", feature = "service-bus"))]
pub use shared_credential::SharedCredential;
pub use store::{Store, StoreOptions, StoreUrl};
