//! What an author of a store needs, whatever the service is. A user of a store needs none of it.
//!
//! | You have | Take |
//! |---|---|
//! | a client with pooled connections, which is also called from elsewhere than a host | [`OnRequestThreads`] around your mutex, or [`on_request_threads`] around a request |
//! | a client whose calls block | `tokio::task::spawn_blocking`, or a thread of the store's own: the [guide](crate::guide::adding_a_store), 5 |
//! | a type of your own with the mutex inside | [`delegate_mutex`] |
//! | a lock of the service's to wait for | [`patience`] |
//! | a credential that expires, or is slow to come | [`credential`], with [`patience`] |
//! | a fencing token to grant | [`record::next_token`]; a service that tells whole seconds: [`service_time`] |
//! | a record that anybody may have edited | [`untrusted::Fields`]; for a whole record as JSON: [`document::json`](crate::document::json) |
//! | an error of a client to wrap, or a text of a service to quote | [`redact`] |
//! | a writer that refuses older leaders | [`write_fenced`] |
//! | lines of your own to log | [`TARGET`] |
//!
//! [`guide::adding_a_store`](crate::guide::adding_a_store) says in which order.

pub mod credential;
mod on_request_threads;
pub mod patience;
pub mod record;
pub mod redact;
pub mod service_time;
pub mod untrusted;

pub use on_request_threads::OnRequestThreads;

pub use crate::port::delegate::delegate_mutex;
pub use crate::refusal::write_fenced;
pub use crate::requests::run as on_request_threads;
pub use crate::trace::TARGET;
