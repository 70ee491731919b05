//! The refusals of the service, with the statuses and codes of
//! [Blob Storage error codes](https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes) and
//! [Common REST API error codes](https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes).

/// A request that was refused: nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    pub status: u16,
    pub code: &'static str,
}

const fn failure(status: u16, code: &'static str) -> Failure {
    Failure { status, code }
}

pub const INVALID_HEADER: Failure = failure(400, "InvalidHeaderValue");
pub const MISSING_HEADER: Failure = failure(400, "MissingRequiredHeader");
pub const MULTIPLE_CONDITIONS: Failure = failure(400, "MultipleConditionHeadersNotSupported");
pub const METADATA_TOO_LARGE: Failure = failure(400, "MetadataTooLarge");
pub const QUERY_OUT_OF_RANGE: Failure = failure(400, "OutOfRangeQueryParameterValue");
pub const INVALID_XML: Failure = failure(400, "InvalidXmlDocument");
pub const INVALID_TAGS: Failure = failure(400, "InvalidTag");

pub const BLOB_NOT_FOUND: Failure = failure(404, "BlobNotFound");
pub const CONTAINER_NOT_FOUND: Failure = failure(404, "ContainerNotFound");

pub const BLOB_ALREADY_EXISTS: Failure = failure(409, "BlobAlreadyExists");
pub const CONTAINER_ALREADY_EXISTS: Failure = failure(409, "ContainerAlreadyExists");
pub const INVALID_BLOB_TYPE: Failure = failure(409, "InvalidBlobType");

pub const LEASE_ALREADY_PRESENT: Failure = failure(409, "LeaseAlreadyPresent");
pub const LEASE_BREAKING_NOT_ACQUIRED: Failure = failure(409, "LeaseIsBreakingAndCannotBeAcquired");
pub const LEASE_BREAKING_NOT_CHANGED: Failure = failure(409, "LeaseIsBreakingAndCannotBeChanged");
pub const LEASE_BROKEN_NOT_RENEWED: Failure = failure(409, "LeaseIsBrokenAndCannotBeRenewed");
pub const LEASE_ID_MISMATCH: Failure = failure(409, "LeaseIdMismatchWithLeaseOperation");
pub const LEASE_NOT_PRESENT: Failure = failure(409, "LeaseNotPresentWithLeaseOperation");

pub const LEASE_ID_MISSING: Failure = failure(412, "LeaseIdMissing");
pub const LEASE_LOST: Failure = failure(412, "LeaseLost");
pub const LEASE_ID_MISMATCH_WITH_BLOB: Failure = failure(412, "LeaseIdMismatchWithBlobOperation");
pub const LEASE_NOT_PRESENT_WITH_BLOB: Failure = failure(412, "LeaseNotPresentWithBlobOperation");

pub const NOT_MODIFIED: Failure = failure(304, "ConditionNotMet");
pub const CONDITION_NOT_MET: Failure = failure(412, "ConditionNotMet");
pub const APPEND_POSITION_NOT_MET: Failure = failure(412, "AppendPositionConditionNotMet");
pub const INVALID_RANGE: Failure = failure(416, "InvalidRange");

/// The service could; this oracle does not, and says so rather than guess.
pub const NOT_IMPLEMENTED: Failure = failure(501, "NotImplemented");
