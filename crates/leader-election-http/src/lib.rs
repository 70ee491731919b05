//! The HTTP client that the stores share. No stable API: use it through them.

mod answer;
mod client;
pub mod etag;
pub mod status;
pub mod tls;

pub use answer::{Answer, answer, failed};
pub use client::{Settings, Trust, client};
