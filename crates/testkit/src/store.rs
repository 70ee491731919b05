//! A store that does what a script says, in virtual time, and what is behind it.
//!
//! - [`ScriptedStore`]: any store on a way on which requests hang, come late, lose their answers, fail and are lied to;
//! - [`MemoryDocument`]: a record under compare-and-swap, for the [`DocumentMutex`](leader_election::document::DocumentMutex);
//! - [`LeaseService`]: a service that lets leases run out, without time or runtime of its own, for explorations and simulators.

mod document;
mod scripted;
mod service;

pub use document::MemoryDocument;
pub use scripted::{Fault, Onlooker, Push, ScriptedStore};
pub use service::{Effect, LeaseService, Rules};
