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
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
pub mod guide;
mod health;
mod host;
pub mod kit;
mod leadership;
mod moment;
mod options;
mod port;
pub mod quorum;
mod refusal;
mod renewal_thread;
mod requests;
#[cfg(feature = "signal")]
mod shutdown_signal;
mod sources;
mod status;
mod stores;
pub mod telemetry;
#[cfg(feature = "test-util")]
#[cfg_attr(docsrs, doc(cfg(feature = "test-util")))]
pub mod test_util;
mod timing;
mod token;
mod trace;
mod user_code;
mod watchdog;

pub use claim::{Claim, ClaimId, HolderId};
pub use election::{AfterTask, EndReason};
pub use error::{Error, ErrorKind, Result};
pub use fenced::{Fenced, FencedGuard};
pub use health::Unhealthy;
pub use host::{FinishedTerm, IntoTaskResult, LeaderHost, TaskError};
pub use leadership::{Leadership, LeadershipWatch, NotLeader};
pub use options::LeaderHostOptions;
pub use port::{
    Acquire, AcquireRequest, DistributedMutex, Grant, Held, Leader, LeaderData, LeaseState, Loss, Observation,
    Operator, Renew, SideContent, SideName, SideRecord, Version, Written,
};
pub use quorum::{MemberStatus, QuorumMutex};
#[cfg(feature = "signal")]
#[cfg_attr(docsrs, doc(cfg(feature = "signal")))]
pub use shutdown_signal::shutdown_signal;
pub use sources::Sources;
pub use status::{LeaderEvent, LeaderEvents, Operation, Status, StatusWatch, TaskOutcome};
pub use stores::file::FileMutex;
pub use stores::memory::MemoryMutex;
pub use timing::{Timing, TimingOptions};
pub use token::{FencingToken, InvalidFencingToken};

// What the ports' signatures name, so that a caller needs no second dependency line for it.
pub use async_trait::async_trait;
pub use tokio_util::sync::CancellationToken;
