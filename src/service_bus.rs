//! Azure Service Bus: the session that elects, and the session whose state older leaders cannot write.
//!
//! `connection` opens and signs in, `rpc` asks a node and matches its answers, `requests` has what is asked, `session` accepts a
//! session and holds it. `lease` elects by these.

mod access;
mod address;
mod connection;
mod errors;
mod lease;
mod requests;
mod rpc;
mod session;
mod values;
mod wire;
mod writer;

pub use address::ServiceBusQueue;
pub use lease::{ServiceBusDistributedMutex, ServiceBusMutexOptions};
pub use writer::FencedSessionState;
