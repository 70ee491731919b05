//! The HTTP client that the stores share. No stable API: use it through them.

mod client;
pub mod etag;
pub mod status;
pub mod tls;

pub use client::{Settings, client};
