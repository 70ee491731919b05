//! The refusal of an older leader by a resource: told to whoever is on call, counted, and made an error.

use tracing::warn;

use crate::error::Error;
use crate::token::FencingToken;
use crate::trace::TARGET;

/// Logs `write_fenced`, counts it, and returns the error for the caller, which names the newer leader's token.
///
/// For a writer of yours, when its resource answers that a leader with the token `newer` has written. `resource` names what was to be
/// written to, for the log: no secret, and no query of a URL.
///
/// ```
/// use leader_election::kit::write_fenced;
/// use leader_election::{ErrorKind, FencingToken};
///
/// let refused = write_fenced("ledger", FencingToken::new(7)?, FencingToken::new(8)?);
/// assert_eq!(refused.kind(), ErrorKind::Fenced);
/// assert_eq!(refused.fenced_by(), Some(FencingToken::new(8)?));
/// # Ok::<(), leader_election::Error>(())
/// ```
#[must_use]
pub fn write_fenced(resource: &str, token: FencingToken, newer: FencingToken) -> Error {
    warn!(
        target: TARGET,
        event = "write_fenced",
        resource,
        fencing_token = token.get(),
        fenced_by = newer.get(),
        "fenced: a newer leader has written; the write of this one was refused"
    );
    #[cfg(feature = "otel")]
    count();
    Error::fenced(token, newer)
}

/// It is rare, and the writer knows no host whose instruments it could use.
#[cfg(feature = "otel")]
fn count() {
    crate::trace::meter()
        .u64_counter("leader_election.writes.fenced")
        .with_unit("{write}")
        .with_description("Writes of older leaders that a fence refused.")
        .build()
        .add(1, &[]);
}
