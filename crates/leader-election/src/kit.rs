//! What an author of a store needs, whatever the service is.

pub mod credential;
mod on_request_threads;
pub mod patience;
pub mod record;
pub mod redact;
pub mod service_time;
pub mod untrusted;

pub use on_request_threads::OnRequestThreads;

pub use crate::refusal::write_fenced;
pub use crate::requests::run as on_request_threads;
pub use crate::trace::TARGET;
