//! Leader election on etcd, for `leader-election`: [`EtcdDistributedMutex`] elects, and [`FencedKeys`] are keys that refuse older leaders.
//!
//! Users of `azure-leader-election` have it by the feature `etcd`, and by URLs `etcd://HOST:PORT;HOST:PORT/PREFIX`.
//!
//! It speaks to etcd's JSON gateway, which every etcd since 3.4 has, by the HTTP client that the other stores use: so no gRPC, and no compiler for
//! protocol buffers, is built with it.

mod address;
#[doc(hidden)]
pub mod check;
mod cluster;
mod connection;
mod errors;
mod mutex;
mod record;
mod requests;
mod side;
mod sign_in;
mod watch;
mod wire;
mod writer;

pub use address::EtcdAddress;
pub use cluster::{EtcdCluster, EtcdOptions};
pub use mutex::EtcdDistributedMutex;
pub use writer::{FencedKeys, KeyBatch};
