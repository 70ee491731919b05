//! For tests of *your* code: what your leader's task does when its lead ends, and what your program does when its store misbehaves.
//!
//! Turn it on for tests alone:
//!
//! ```toml
//! [dev-dependencies]
//! azure-leader-election = { version = "0.1", features = ["test-util"] }   # or leader-election
//! ```
//!
//! - [`TestTerm`] hands a [`Leadership`](crate::Leadership) to one function of yours, and takes it back in the ways in which a lead ends. No host
//!   and no store is needed.
//! - [`ScriptedMutex`] is a store in memory that your test tells to refuse, to lose the lease, to answer late or not at all, and to let
//!   another worker take over. Use it with a real [`LeaderHost`](crate::LeaderHost).
//! - [`LeaderHost::in_tokio_time`](crate::LeaderHost::in_tokio_time) lets `#[tokio::test(start_paused = true)]` drive the host: a lease of
//!   15 s takes no time.
//!
//! [`guide::testing`](crate::guide::testing) shows three faults of a leader's task, and the test that catches each.

mod scripted;
mod term;

pub use scripted::ScriptedMutex;
pub use term::TestTerm;
