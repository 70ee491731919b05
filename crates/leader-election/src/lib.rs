#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod caught;
mod claim;
pub mod clock;
#[cfg(feature = "contract")]
pub mod contract;
pub mod document;
pub mod election;
mod error;
mod fenced;
mod fencing;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod health;
mod host;
pub mod kit;
mod leadership;
mod moment;
mod mutex;
mod options;
mod refusal;
mod renewal_thread;
mod requests;
mod sources;
mod status;
mod stores;
pub mod telemetry;
mod timing;
mod trace;
mod user_code;
mod watchdog;

pub use claim::{Claim, ClaimId, HolderId};
pub use election::{AfterTask, EndReason};
pub use error::{Error, ErrorKind, Result};
pub use fenced::{Fenced, FencedGuard};
pub use fencing::{FencingToken, InvalidFencingToken};
pub use health::Unhealthy;
pub use host::{FinishedTerm, LeaderHost, TaskError};
pub use leadership::{Leadership, NotLeader};
pub use mutex::{Acquire, DistributedMutex, Grant, Held, Leader, Loss, Observation, Renew, Version};
pub use options::LeaderHostOptions;
pub use sources::Sources;
pub use status::{LeaderEvent, Operation, Status, StatusWatch, TaskOutcome};
pub use stores::file::FileMutex;
pub use stores::memory::MemoryMutex;
pub use timing::{Timing, TimingOptions};

// What the ports' signatures name, so that a caller needs no second dependency line for it.
pub use async_trait::async_trait;
pub use tokio_util::sync::CancellationToken;
