//! The token by which a resource tells a newer leader from an older one.
//!
//! A lease keeps two leaders apart only as long as nobody is paused between the last look at the lease and the write. The
//! token closes that gap: it rises with every leadership, and whoever keeps the highest one it has seen can refuse a write
//! that comes with a lower one, without any clock.

mod token;

pub use token::{FencingToken, InvalidFencingToken};
