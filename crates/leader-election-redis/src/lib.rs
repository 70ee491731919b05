//! Leader election on Redis, such as Azure Managed Redis: a record under compare-and-swap, and keys that refuse older leaders.
//!
//! ```no_run
//! use leader_election::{CancellationToken, LeaderHost};
//! use leader_election_redis::{RedisDistributedMutex, RedisServer};
//!
//! # async fn run() -> leader_election::Result<()> {
//! let server = RedisServer::new("redis://127.0.0.1:6379")?;
//! let host = LeaderHost::new(RedisDistributedMutex::new(server, "nightly-billing")?);
//! let shutdown = CancellationToken::new();
//! host.run_task_when_mutex_acquired(shutdown, |leader| async move {
//!     println!("leading with fencing token {}", leader.fencing_token());
//!     leader.token().cancelled().await;
//!     Ok(())
//! })
//! .await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`RedisDistributedMutex`] says what Redis cannot promise, and [`FencedKeys`] what is to be done about it.

mod address;
#[doc(hidden)]
pub mod check;
mod connection;
mod errors;
mod line;
mod mutex;
mod options;
mod record;
mod server;
mod side;
mod tls;
mod watch;
mod wire;
mod writer;

pub use mutex::RedisDistributedMutex;
pub use options::RedisMutexOptions;
pub use server::RedisServer;
pub use writer::{CommittedCommands, FencedKeys, KeyCommand, KeyReply, RefusedCommand};
