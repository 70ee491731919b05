//! What the service's refusals and the SDK's errors mean.

use std::time::Duration;

use azure_core::error::ErrorKind as SdkKind;
use azure_core::http::StatusCode;
use azure_core::http::headers::HeaderName;

use super::address::Address;
use crate::shared_credential::credential_error;
use leader_election::{
    Error, ErrorKind,
    kit::redact::{advice, is_unknown_host, printable, scrubbed},
};

/// A definite answer that is no failure: the state of the lease or the blob is not what the request needs. See
/// [Blob error codes](https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes) and the tables in
/// [Lease Blob](https://learn.microsoft.com/rest/api/storageservices/lease-blob).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Somebody holds the lease, or it is being broken.
    LeaseHeld,
    /// The lease is not the one that the request names.
    NotHolder,
    /// Somebody broke the lease.
    LeaseBroken,
    /// What was to be created is there already.
    Exists,
    /// The blob has changed since it was read.
    Changed,
    /// The blob or its container is absent.
    Absent,
}

pub(super) fn refusal(error: &azure_core::Error) -> Option<Refusal> {
    let (status, code) = answer(error)?;
    match (u16::from(status), code) {
        (409, "LeaseAlreadyPresent" | "LeaseIsBreakingAndCannotBeAcquired") => Some(Refusal::LeaseHeld),
        (409, "LeaseIsBrokenAndCannotBeRenewed") => Some(Refusal::LeaseBroken),
        (409, "BlobAlreadyExists" | "ContainerAlreadyExists") => Some(Refusal::Exists),
        (412, "ConditionNotMet") => Some(Refusal::Changed),
        (409 | 412, code) if code.starts_with("Lease") => Some(Refusal::NotHolder),
        (404, "BlobNotFound" | "ContainerNotFound") => Some(Refusal::Absent),
        _ => None,
    }
}

/// Also a `HEAD` that was answered without a code: what follows it tells more.
pub(super) fn is_absent_blob(error: &azure_core::Error) -> bool {
    matches!(answer(error), Some((StatusCode::NotFound, "BlobNotFound" | "")))
}

pub(super) fn is_absent_container(error: &azure_core::Error) -> bool {
    matches!(answer(error), Some((StatusCode::NotFound, "ContainerNotFound")))
}

/// A part of it was asked for, and it has none.
pub(super) fn is_empty_blob(error: &azure_core::Error) -> bool {
    matches!(answer(error), Some((StatusCode::RequestedRangeNotSatisfiable, _)))
}

pub(super) fn is_denied(error: &azure_core::Error) -> bool {
    matches!(answer(error), Some((StatusCode::Unauthorized | StatusCode::Forbidden, _)))
}

/// There is no container, and this worker may not create it.
pub(super) fn container_is_missing(address: &Address, error: &azure_core::Error) -> Error {
    let container = address.container();
    let code = answer(error).map(|(_, code)| printable(code)).unwrap_or_default();
    let message = format!(
        "the container {container:?} does not exist, and this signature or identity may not create it ({code}): create the \
         container, or check its name in {address}"
    );
    Error::new(ErrorKind::NotFound, message)
}

/// The container's blobs may not be listed, which takes one more permission of a signature than to lead.
pub(super) fn listing_is_denied(address: &Address, error: &azure_core::Error) -> Error {
    let message = format!(
        "listing the elections beside {address} failed: HTTP {}{}; it takes the right to list the blobs of the container {:?}: the \
         role Storage Blob Data Contributor or Reader, or a signature of the container with the permission list (l)",
        answer(error).map(|(status, code)| format!("{} {}", u16::from(status), printable(code))).unwrap_or_default(),
        request_id(error),
        address.container()
    );
    Error::new(ErrorKind::Denied, message)
}

/// Two looks in a row show the same version, and the service refuses it.
pub(super) fn versions_are_rewritten(address: &Address) -> Error {
    let message = format!(
        "taking the lease of {address} failed: the service refuses the very version (ETag) that it shows; let the proxies and \
         caches between here and {:?} pass its answers on as they are",
        address.host()
    );
    Error::new(ErrorKind::Unavailable, message)
}

/// Turns the SDK's error into ours: what was being done to which blob, and what to do about it.
pub(crate) fn explain(doing: &str, address: &Address, error: &azure_core::Error) -> Error {
    let Some((status, code)) = answer(error) else { return explain_silence(doing, address, error) };
    let number = u16::from(status);
    let (kind, hint) = match (number, code) {
        (403, "AuthorizationPermissionMismatch" | "InsufficientAccountPermissions") => (
            ErrorKind::Denied,
            format!(
                "; give the identity the role Storage Blob Data Contributor on the container {:?} (a new role takes up \
                 to ten minutes to work), or the signature the permissions read, create and write",
                address.container()
            ),
        ),
        (403, "KeyBasedAuthenticationNotPermitted") => {
            (ErrorKind::Denied, "; the account forbids keys: use a credential of Entra ID".to_owned())
        }
        (401 | 403, "AuthenticationFailed" | "InvalidAuthenticationInfo" | "NoAuthenticationInformation") => (
            ErrorKind::Denied,
            "; the access token or signature was not accepted: is the signature still valid, the credential of the \
             account's own tenant, and this machine's clock right?"
                .to_owned(),
        ),
        (401 | 403, _) => (
            ErrorKind::Denied,
            format!(
                "; check the role Storage Blob Data Contributor on the container {:?}, the signature, and the account's \
                 network rules",
                address.container()
            ),
        ),
        (404, "ContainerNotFound") => (
            ErrorKind::NotFound,
            format!(
                "; the container {:?} does not exist, and the setting `create` forbids to create it",
                address.container()
            ),
        ),
        (404, _) => {
            (ErrorKind::NotFound, format!("; check the account's name in the container URL ({})", address.host()))
        }
        (407, _) => (ErrorKind::Refused, advice("HTTP 407").map(|advice| format!("; {advice}")).unwrap_or_default()),
        (400, "InvalidHeaderValue" | "UnsupportedHeader") if may_be_the_version(error) => (
            ErrorKind::InvalidSetting,
            "; the server may be older than the API version (x-ms-version) that this program sends: update it, or start Azurite \
             with --skipApiVersionCheck"
                .to_owned(),
        ),
        (400, "InvalidResourceName" | "InvalidUri" | "OutOfRangeInput" | "") => {
            (ErrorKind::InvalidSetting, "; check the names of container and blob".to_owned())
        }
        (400, _) => (ErrorKind::InvalidSetting, String::new()),
        (409, "BlobImmutableDueToPolicy") => (
            ErrorKind::Refused,
            format!(
                "; an immutability policy forbids to change the blob: keep leases in a container without one, and not in {:?}",
                address.container()
            ),
        ),
        (409, "BlobArchived" | "BlobBeingRehydrated") => (
            ErrorKind::Refused,
            "; the blob is in the archive tier, where nothing can be written: move it to the hot tier, and exempt it from the \
             account's lifecycle rules"
                .to_owned(),
        ),
        (409, "PathConflict") => (
            ErrorKind::Refused,
            "; in this account with a hierarchical namespace the name is a directory, or leads through a blob: name another blob"
                .to_owned(),
        ),
        (503, "ServerBusy") => (ErrorKind::Throttled, String::new()),
        (408 | 429 | 500..=599, _) => (leader_election_http::status::kind(number), String::new()),
        // A container that is being deleted can be created anew in a while.
        (409, "ContainerBeingDeleted") => (ErrorKind::Unavailable, String::new()),
        _ => (ErrorKind::Refused, String::new()),
    };
    let message = format!("{doing} {address} failed: HTTP {number} {}{hint}{}", printable(code), request_id(error));
    Error::new(kind, message).with_retry_after(retry_after(error))
}

/// No answer came: the network, the name service, TLS, or the credential.
fn explain_silence(doing: &str, address: &Address, error: &azure_core::Error) -> Error {
    if let Some(error) = credential_error(doing, address, error) {
        return error;
    }
    let cause = scrubbed(error);
    let text = cause.whole();
    let (kind, why) = match error.kind() {
        SdkKind::Connection | SdkKind::Io if is_unknown_host(&text) => (
            ErrorKind::NotFound,
            format!("there is no host {:?}: check the account's name in the container URL", address.host()),
        ),
        SdkKind::Connection | SdkKind::Io if text.contains("certificate") => {
            (ErrorKind::Refused, format!("{:?} could not be reached", address.authority()))
        }
        SdkKind::Connection => {
            (ErrorKind::Unreachable, format!("{:?} could not be reached ({})", address.authority(), cause.root()))
        }
        SdkKind::Io => (ErrorKind::Unreachable, format!("the connection broke ({})", cause.root())),
        _ => (ErrorKind::Refused, "the request could not be made, or its answer not be read".to_owned()),
    };
    let advice = advice(&text).map(|advice| format!("; {advice}")).unwrap_or_default();
    let explained = Error::new(kind, format!("{doing} {address} failed: {why}{advice}"));
    match error.kind() {
        // The SDK quotes the whole answer that it cannot read: of any length, and with whatever a proxy repeats in it.
        SdkKind::DataConversion => explained,
        _ => explained.with_source(cause),
    }
}

fn answer(error: &azure_core::Error) -> Option<(StatusCode, &str)> {
    match error.kind() {
        SdkKind::HttpResponse { status, error_code, .. } => Some((*status, error_code.as_deref().unwrap_or_default())),
        _ => None,
    }
}

fn header<'a>(error: &'a azure_core::Error, name: &'static str) -> Option<&'a str> {
    match error.kind() {
        SdkKind::HttpResponse { raw_response: Some(response), .. } => {
            response.headers().get_optional_str(&HeaderName::from_static(name))
        }
        _ => None,
    }
}

/// For Microsoft's support, and for the account's own logs.
fn request_id(error: &azure_core::Error) -> String {
    header(error, "x-ms-request-id").map(|id| format!(" (request id {})", printable(id))).unwrap_or_default()
}

/// A `HEAD` is answered without a body, which would name the header.
fn may_be_the_version(error: &azure_core::Error) -> bool {
    match error.kind() {
        SdkKind::HttpResponse { raw_response: Some(response), .. } => {
            let body = String::from_utf8_lossy(response.body().as_ref()).to_lowercase();
            !body.contains("<headername>") || body.contains("x-ms-version")
        }
        _ => true,
    }
}

fn retry_after(error: &azure_core::Error) -> Option<Duration> {
    header(error, "retry-after")?.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the transport reports for a name that the resolver answers so.
    fn lookup_failure(resolver: &str) -> Error {
        let lookup = std::io::Error::other(format!("failed to lookup address information: {resolver}"));
        let error = azure_core::Error::with_error(SdkKind::Connection, lookup, "failed to execute request");
        let address = Address::azure("https://acct.blob.core.windows.net/leases", "b", false).expect("valid");
        explain("reading", &address, &error)
    }

    #[test]
    fn a_host_that_does_not_exist_is_a_wrong_setting_and_a_resolver_out_of_order_is_not() {
        let wrong = lookup_failure("Name or service not known");
        assert_eq!(wrong.kind(), ErrorKind::NotFound);
        assert!(wrong.to_string().contains("account's name") && wrong.to_string().contains("acct.blob"));
        assert!(lookup_failure("Temporary failure in name resolution").is_transient());
    }
}
