//! The token by which a resource tells a newer leader from an older one, and a wrapper for resources that have no such check.
//!
//! A lease keeps two leaders apart only as long as nobody is paused between the last look at the lease and the write. The
//! token closes that gap: it rises with every leadership, and whoever keeps the highest one it has seen can refuse a write
//! that comes with a lower one, without any clock.

mod resource;
mod token;

pub use resource::{Fenced, FencedGuard};
pub use token::FencingToken;
pub use token::begin_anew;
