//! What the service's answers to a fenced write mean.

use azure_core::error::ErrorKind as SdkKind;

use crate::blob::address::Address;
use crate::blob::errors as store;
use leader_election::{Error, ErrorKind, kit::redact::printable};

/// A definite answer: the blob is not as the request needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A condition does not hold: of the fence, or of the caller's own.
    Condition,
    /// An append would not land at the offset it was asked for.
    Position,
    /// The blob is absent.
    Absent,
    /// What was to be created is there already.
    Exists,
    /// The blob is of another type.
    Type,
    /// Blocks that were staged are gone: somebody else has written meanwhile.
    Blocks,
}

pub(super) fn refusal(error: &azure_core::Error) -> Option<Refusal> {
    let SdkKind::HttpResponse { status, error_code, .. } = error.kind() else { return None };
    match (u16::from(*status), error_code.as_deref().unwrap_or_default()) {
        (412, "AppendPositionConditionNotMet") => Some(Refusal::Position),
        (412, "ConditionNotMet") => Some(Refusal::Condition),
        (404, "BlobNotFound" | "") => Some(Refusal::Absent),
        (409, "BlobAlreadyExists") => Some(Refusal::Exists),
        (409, "InvalidBlobType") => Some(Refusal::Type),
        (400, "InvalidBlockList" | "InvalidBlobOrBlock") => Some(Refusal::Blocks),
        _ => None,
    }
}

/// A container that was to be created exists already.
pub(super) fn is_container_there(error: &azure_core::Error) -> bool {
    matches!(error.kind(), SdkKind::HttpResponse { status, .. } if u16::from(*status) == 409)
}

/// A range that was to be read begins where nothing stands.
pub(super) fn is_beyond_the_end(error: &azure_core::Error) -> bool {
    matches!(error.kind(), SdkKind::HttpResponse { status, .. } if u16::from(*status) == 416)
}

pub(super) fn explain(doing: &str, address: &Address, error: &azure_core::Error) -> Error {
    let SdkKind::HttpResponse { status, error_code, .. } = error.kind() else {
        return store::explain(doing, address, error);
    };
    let code = error_code.as_deref().unwrap_or_default();
    let failed = |kind, advice: String| {
        let (status, code) = (u16::from(*status), printable(code));
        Error::new(kind, format!("{doing} {address} failed: HTTP {status} {code}; {advice}"))
    };
    match (u16::from(*status), code) {
        (400..=409, code) if lacks_tags(code) => failed(
            ErrorKind::InvalidSetting,
            "this account has no blob tags (accounts with a hierarchical namespace have none): use FencedStateBlob, which \
             needs none"
                .to_owned(),
        ),
        (404, "ContainerNotFound") => {
            failed(ErrorKind::NotFound, format!("create the container {:?} first", address.container()))
        }
        (403, "AuthorizationPermissionMismatch" | "InsufficientAccountPermissions") => failed(
            ErrorKind::Denied,
            format!(
                "besides reading and writing blobs this takes the right to read and write their tags: the role Storage \
                 Blob Data Owner on the container {:?}, or one with \
                 Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags/read and .../tags/write (a new \
                 role takes up to ten minutes to work), or a signature with the permission t; FencedStateBlob needs no tags",
                address.container()
            ),
        ),
        _ => store::explain(doing, address, error),
    }
}

/// How the service words it. Neither code is in its list of errors.
fn lacks_tags(code: &str) -> bool {
    code.contains("HierarchicalNamespace") || code.starts_with("BlobTagsNotSupported")
}
