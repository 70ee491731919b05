//! What an author of a store needs, whatever the service is.

pub mod credential;
pub mod patience;
pub mod redact;
pub mod service_time;
pub mod untrusted;

pub use crate::fencing::begin_anew;
pub use crate::requests::run as on_request_threads;
pub use crate::telemetry::{TARGET, write_fenced};
