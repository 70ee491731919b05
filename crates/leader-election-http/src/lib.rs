//! The HTTP client that the stores share. No stable API: use it through them.

pub mod etag;
pub mod tls;
