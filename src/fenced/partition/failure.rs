//! What the service's refusals mean.

use std::fmt;

use azure_data_cosmos::CosmosError;
use azure_data_cosmos::models::TransactionalBatchOperationResult;

use super::fence::Place;
use crate::error::{Error, ErrorKind, Result};
use crate::stores::cause::scrubbed;

/// Why a batch was refused as a whole: one operation of the caller's own could not be carried out. It is the
/// [source](std::error::Error::source) of an error of the kind [`Conflict`](ErrorKind::Conflict).
///
/// ```
/// use azure_leader_election::{Error, RefusedOperation};
///
/// /// Whether the charge that the batch was to create was there already.
/// fn is_charged_already(error: &Error) -> bool {
///     use std::error::Error as _;
///     let refused = error.source().and_then(|source| source.downcast_ref::<RefusedOperation>());
///     refused.is_some_and(|refused| refused.index == 0 && refused.status == 409)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedOperation {
    /// Which one, counted from 0 in the order of the caller.
    pub index: usize,
    /// Its HTTP status: 404 when a document is absent, 409 when it is there already, 412 when it has changed.
    pub status: u16,
}

impl fmt::Display for RefusedOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operation {} was refused with HTTP {}", self.index, self.status)
    }
}

impl std::error::Error for RefusedOperation {}

impl RefusedOperation {
    /// Cosmos DB answers 424 to all operations but the one that failed. `results` begins with the fence's.
    pub(super) fn of(results: &[TransactionalBatchOperationResult], place: &Place) -> Result<Self> {
        let failed = results.iter().enumerate().find(|(_, result)| !result.is_success() && result.status_code() != 424);
        let Some((number, result)) = failed else {
            return Err(Error::new(ErrorKind::Refused, format!("a batch of {place} failed without a reason")));
        };
        let status = result.status_code();
        match number.checked_sub(1) {
            Some(index) if matches!(status, 404 | 409 | 412) => Ok(Self { index, status }),
            _ => Err(of_status("writing to", place, status).with_retry_after(result.retry_after())),
        }
    }

    pub(super) fn into_error(self, place: &Place) -> Error {
        Error::new(ErrorKind::Conflict, format!("a batch of {place} was refused; nothing was written"))
            .with_source(self)
    }
}

/// Turns the SDK's error into ours.
pub(super) fn explain(doing: &str, place: &Place, error: &CosmosError) -> Error {
    let status = error.status();
    if !error.is_from_wire() || status.is_transport_generated_503() {
        let message = format!("{doing} {place} failed: the service gave no answer, or the request could not be made");
        return Error::new(ErrorKind::Unreachable, message).with_source(scrubbed(error));
    }
    of_status(doing, place, u16::from(status.status_code()))
}

fn of_status(doing: &str, place: &Place, status: u16) -> Error {
    let (kind, advice) = match status {
        401 => (ErrorKind::Denied, "; the key or access token was not accepted"),
        403 => (
            ErrorKind::Denied,
            "; the identity needs the data-plane role Cosmos DB Built-in Data Contributor on the container",
        ),
        404 => (ErrorKind::NotFound, "; there is no such container"),
        400 => (
            ErrorKind::InvalidSetting,
            "; are the names and the number of levels those of the container's partition key?",
        ),
        429 => (ErrorKind::Throttled, ""),
        408 | 410 | 449 | 500..=599 => (ErrorKind::Unavailable, ""),
        _ => (ErrorKind::Refused, ""),
    };
    Error::new(kind, format!("{doing} {place} failed: HTTP {status}{advice}"))
}
