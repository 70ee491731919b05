#![cfg_attr(all(feature = "blob", feature = "cosmos", feature = "file"), doc = include_str!("../README.md"))]
#![cfg_attr(
    not(all(feature = "blob", feature = "cosmos", feature = "file")),
    doc = "Leader election for workers; the README is the documentation with all features."
)]
#![cfg_attr(
    all(feature = "blob", feature = "cosmos", feature = "file"),
    doc = "
# Where to find what

- Run: [`LeaderHost`], [`LeaderHostOptions`], [`Timing`]; what the task receives: [`Leadership`].
- Elect on: [`BlobDistributedMutex`], [`CosmosDistributedMutex`], [`FileMutex`], [`MemoryMutex`], or your own [`DistributedMutex`] or
  [`document::DocumentStore`].
- Write: [`FencedBlob`], [`FencedStateBlob`], [`FencedPartition`], [`Fenced`], [`FencingToken`].
- Watch: [`Status`], [`LeaderEvent`], [`Unhealthy`], [`telemetry`].
- Sign in: [`SharedCredential`]. Test: [`MemoryMutex`], [`LeaderHost::in_tokio_time`], [`Sources`]."
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(all(fuzzing, feature = "blob", feature = "cosmos", feature = "file"))]
#[doc(hidden)]
pub mod __fuzz;
mod caught;
#[cfg(all(any(test, fuzzing), any(feature = "blob", feature = "cosmos")))]
mod checks;
mod claim;
pub mod clock;
#[cfg(feature = "contract")]
pub mod contract;
pub mod document;
pub mod election;
mod error;
#[cfg(any(feature = "blob", feature = "cosmos"))]
mod fenced;
mod fencing;
mod health;
mod host;
#[cfg(any(feature = "blob", feature = "cosmos"))]
mod kit;
mod leadership;
mod moment;
mod mutex;
mod options;
mod renewal_thread;
mod requests;
#[cfg(any(feature = "blob", feature = "cosmos"))]
mod shared_credential;
mod sources;
mod status;
mod stores;
pub mod telemetry;
mod timing;
mod user_code;
mod watchdog;

pub use claim::{Claim, ClaimId, HolderId};
pub use election::{AfterTask, EndReason};
pub use error::{Error, ErrorKind, Result};
#[cfg(feature = "blob")]
pub use fenced::blob::{BlobContent, FencedBlob, FencedStateBlob};
#[cfg(feature = "cosmos")]
pub use fenced::partition::{CommittedBatch, FencedPartition, RefusedOperation};
pub use fencing::{Fenced, FencedGuard, FencingToken};
pub use health::Unhealthy;
pub use host::{FinishedTerm, LeaderHost, TaskError};
pub use leadership::{Leadership, NotLeader};
pub use mutex::{Acquire, DistributedMutex, Grant, Held, Leader, Loss, Observation, Renew, Version};
pub use options::LeaderHostOptions;
#[cfg(any(feature = "blob", feature = "cosmos"))]
pub use shared_credential::SharedCredential;
pub use sources::Sources;
pub use status::{LeaderEvent, Operation, Status, StatusWatch, TaskOutcome};
#[cfg(feature = "blob")]
#[doc(hidden)]
pub use stores::blob::LeaseSight;
#[cfg(feature = "blob")]
pub use stores::blob::{BlobDistributedMutex, BlobMutexOptions, Create};
#[cfg(feature = "cosmos")]
pub use stores::cosmos::{CosmosDistributedMutex, CosmosMutexOptions};
#[cfg(feature = "file")]
pub use stores::file::FileMutex;
pub use stores::memory::MemoryMutex;
pub use timing::{Timing, TimingOptions};

// What the README's and the ports' signatures name, so that a caller needs no second dependency line for it.
pub use async_trait::async_trait;
pub use tokio_util::sync::CancellationToken;
