//! Real servers for tests, and the network between them and what is tested.
//!
//! - [`process`]: a server of this machine, which can be frozen, killed and restarted, and ends however the test process ends;
//! - [`link`]: a TCP connection that can be cut one way or both, delayed and reset;
//! - [`redis`]: a Redis server;
//! - [`authority`]: a certificate authority, and certificates of it;
//! - [`kube`]: a real Kubernetes API server, of a program that the environment names;
//! - [`kube_fake`]: a strict fake of the Kubernetes API server, which a conformance test holds to a real one;
//! - [`worker`]: a worker process, watched by its output;
//! - [`watcher`]: kills what is left when the test process is gone.

// A test that cannot have its server ends there: a panic is how it says so.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::new_without_default, missing_docs)]

pub mod authority;
#[cfg(unix)]
pub mod etcd;
#[cfg(unix)]
pub mod kube;
pub mod kube_fake;
#[cfg(unix)]
pub mod link;
#[cfg(unix)]
pub mod process;
#[cfg(unix)]
pub mod redis;
#[cfg(unix)]
pub mod watcher;
#[cfg(unix)]
pub mod worker;

pub use authority::Authority;
#[cfg(unix)]
pub use link::{Direction, Link};
#[cfg(unix)]
pub use process::{Process, free_port};
