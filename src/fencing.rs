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

#[cfg(feature = "blob")]
mod blob;
#[cfg(feature = "cosmos")]
mod partition;
mod resource;
mod token;

#[cfg(feature = "blob")]
pub use blob::{BlobContent, FencedBlob, FencedStateBlob};
#[cfg(feature = "cosmos")]
pub use partition::{CommittedBatch, FencedPartition, RefusedOperation};
pub use resource::{Fenced, FencedGuard};
pub use token::FencingToken;

#[cfg(all(fuzzing, feature = "blob"))]
pub(crate) use blob::checks as blob_checks;
#[cfg(all(fuzzing, feature = "cosmos"))]
pub(crate) use partition::checks as partition_checks;

/// The refusal of a resource behind a network, and its trace: whoever is on call wants to know that it happened.
#[cfg(any(feature = "blob", feature = "cosmos"))]
fn fenced(resource: &impl std::fmt::Display, token: FencingToken, newer: FencingToken) -> crate::Error {
    tracing::warn!(
        target: "azure_leader_election",
        %resource,
        fencing_token = token.get(),
        fenced_by = newer.get(),
        "fenced: a newer leader has written; the write of this one was refused"
    );
    crate::Error::fenced(token, newer)
}
