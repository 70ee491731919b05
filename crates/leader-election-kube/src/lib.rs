//! Leader election on a Kubernetes Lease, for workers in a cluster. Users take it from `azure-leader-election`, feature `kube`.
//!
//! [`KubernetesLeaseMutex`] elects, [`KubernetesCluster`] is the API server, and [`FencedObject`] refuses the late writes of older leaders.
//!
//! ```no_run
//! use leader_election::{CancellationToken, LeaderHost};
//! use leader_election_kube::{FencedObject, KubernetesCluster, KubernetesLeaseMutex, KubernetesObject};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> leader_election::Result<()> {
//! let cluster = KubernetesCluster::of_this_pod()?;
//! let mutex = KubernetesLeaseMutex::new(&cluster, "prod", "billing")?;
//! LeaderHost::new(mutex)
//!     .run_task_when_mutex_acquired(CancellationToken::new(), move |leader| {
//!         let cluster = cluster.clone();
//!         async move {
//!             let state = KubernetesObject::config_map("prod", "billing-state")?;
//!             let mut state = FencedObject::open(&cluster, state, leader.fencing_token()).await?;
//!             state.update(|object| object["data"]["billed-until"] = "2026-11-28".into()).await?;
//!             Ok(())
//!         }
//!     })
//!     .await
//! # }
//! ```
//!
//! The store is a document store: the whole Lease is sent back as it was read, over the very version that was read. How it is written so that
//! client-go follows is in `docs/kubernetes.md` of the repository, with the Roles, the admission policy, and what was measured.

mod cluster;
mod errors;
mod lease;
mod mutex;
mod names;
mod object;
mod requests;
mod side;
mod times;
mod token;
mod watch;
mod wire;
mod writer;

pub use cluster::{KubernetesAccess, KubernetesCluster};
pub use mutex::KubernetesLeaseMutex;
pub use object::KubernetesObject;
pub use token::KubernetesToken;
pub use writer::FencedObject;
