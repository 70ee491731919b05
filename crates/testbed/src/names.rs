//! Names that no other test uses.

use std::sync::atomic::{AtomicU32, Ordering};

/// A container name of its own in this process; each test binary has its own server.
pub fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{prefix}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
