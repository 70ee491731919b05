//! What the service's refusals mean.

use std::fmt;

use azure_data_cosmos::CosmosError;
use azure_data_cosmos::models::TransactionalBatchOperationResult;

use super::fence::Place;
use crate::cosmos::errors as store;
use crate::shared_credential::credential_error;
use leader_election::{Error, ErrorKind, Result, kit::redact::scrubbed};

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
    /// Cosmos DB answers 424 to all operations but the one that failed: the fence's, or one of the caller's own.
    pub(super) fn of(
        fence: &TransactionalBatchOperationResult,
        own: &[TransactionalBatchOperationResult],
        place: &Place,
    ) -> Result<Self> {
        let failed = |result: &TransactionalBatchOperationResult| !result.is_success() && result.status_code() != 424;
        let failure = |result: &TransactionalBatchOperationResult| {
            of_status("writing to", place, result.status_code()).with_retry_after(result.retry_after())
        };
        if failed(fence) {
            return Err(failure(fence));
        }
        let Some((index, result)) = own.iter().enumerate().find(|(_, result)| failed(result)) else {
            return Err(Error::new(ErrorKind::Refused, format!("a batch of {place} failed without a reason")));
        };
        match result.status_code() {
            status @ (404 | 409 | 412) => Ok(Self { index, status }),
            _ => Err(failure(result)),
        }
    }

    pub(super) fn into_error(self, place: &Place) -> Error {
        Error::new(ErrorKind::Conflict, format!("a batch of {place} was refused; nothing was written"))
            .with_source(self)
    }
}

/// Turns the SDK's error into ours.
pub(super) fn explain(doing: &str, place: &Place, error: &CosmosError) -> Error {
    if let Some(error) = credential_error(doing, place, error) {
        return error;
    }
    if !store::is_answer(error) {
        let message = format!("{doing} {place} failed: the service gave no answer, or the request could not be made");
        return Error::new(ErrorKind::Unreachable, message).with_source(scrubbed(error));
    }
    of_status(doing, place, u16::from(error.status().status_code()))
}

fn of_status(doing: &str, place: &Place, status: u16) -> Error {
    let kind = if status == 400 { ErrorKind::InvalidSetting } else { store::kind(status) };
    let advice = match status {
        400 => "; are the names and the number of levels those of the container's partition key?",
        401 => "; the key or access token was not accepted",
        403 => "; the identity needs the data-plane role Cosmos DB Built-in Data Contributor on the container",
        404 => "; there is no such container",
        _ => "",
    };
    Error::new(kind, format!("{doing} {place} failed: HTTP {status}{advice}"))
}
