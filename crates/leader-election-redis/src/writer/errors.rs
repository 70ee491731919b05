//! A command that Redis refused behind the fence.

use std::fmt;

use leader_election::kit::redact::printable;
use leader_election::{Error, ErrorKind};

/// The command that Redis refused, and that the write ended with. It is the [source](std::error::Error::source) of an error of the kind
/// [`Conflict`](ErrorKind::Conflict). Redis undoes nothing: **the commands before it were carried out**, and those after it were not.
///
/// ```
/// use leader_election::Error;
/// use leader_election_redis::RefusedCommand;
///
/// /// Whether the first command met a key of another type: nothing was written then.
/// fn has_wrong_type(error: &Error) -> bool {
///     use std::error::Error as _;
///     let refused = error.source().and_then(|source| source.downcast_ref::<RefusedCommand>());
///     refused.is_some_and(|refused| refused.index == 0 && refused.code == "WRONGTYPE")
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedCommand {
    /// Which one, counted from 0: so many were carried out before it.
    pub index: usize,
    /// What Redis calls the error: `WRONGTYPE`, `NOPERM`, `ERR`.
    pub code: String,
    reason: String,
}

impl RefusedCommand {
    pub(super) fn new(index: usize, why: &str) -> Self {
        let why = printable(why.trim_start_matches('-'));
        let code = why.split(' ').next().unwrap_or_default().to_owned();
        Self { index, code, reason: why }
    }

    pub(super) fn into_error(self, place: &str) -> Error {
        let message = format!(
            "a write to {place} ended early: {self}; the commands before it were carried out, and none after it"
        );
        Error::new(ErrorKind::Conflict, message).with_source(self)
    }
}

impl fmt::Display for RefusedCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redis refused command {} ({})", self.index, self.reason)
    }
}

impl std::error::Error for RefusedCommand {}
