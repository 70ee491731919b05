//! Fencing: how a resource refuses a leader that is no longer one.
//!
//! A lease keeps two leaders apart only as long as nobody is paused between the last look at the lease and the write. The
//! [`FencingToken`] closes that gap: it rises with every leadership, and whoever stores the highest one it has seen can
//! refuse a write that comes with a lower one, without any clock.
//!
//! | What the leader writes to | Use |
//! |---|---|
//! | Azure blobs | `FencedBlob`, or `FencedStateBlob` where an account has no blob tags |
//! | documents in Cosmos DB | `FencedPartition` |
//! | a resource of one's own, in memory | [`Fenced`] |
//! | SQL | `UPDATE … SET …, fence = $1 WHERE … AND fence <= $1` |
//! | a service of one's own, over HTTP | the header [`FencingToken::HEADER`], and [`Fenced`] in the service |

mod resource;
mod token;

pub use resource::{Fenced, FencedGuard};
pub use token::FencingToken;
