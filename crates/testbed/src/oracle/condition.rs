//! The conditions that a request may carry. All of those given must hold. See
//! [Specifying conditional headers](https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations).

use super::blob::Blob;
use super::failure::{self, Failure};
use super::message::Request;
use super::tags;

/// What a request does, as far as its conditions go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    Read,
    Write,
    /// Put Blob, which may create.
    Put,
}

const NOT_KNOWN_HERE: [&str; 2] = ["if-modified-since", "if-unmodified-since"];

pub fn check(request: &Request, blob: Option<&Blob>, purpose: Use) -> Result<(), Failure> {
    if NOT_KNOWN_HERE.iter().any(|name| request.header(name).is_some()) {
        return Err(failure::NOT_IMPLEMENTED);
    }
    let (wanted, unwanted) = (request.header("if-match"), request.header("if-none-match"));
    if wanted.is_some() && unwanted.is_some() {
        return Err(failure::MULTIPLE_CONDITIONS);
    }
    let is = |tag: &str| blob.is_some_and(|blob| tag == "*" || tag.trim_matches('"') == blob.etag());
    if wanted.is_some_and(|tag| !is(tag)) {
        return Err(failure::CONDITION_NOT_MET);
    }
    match unwanted {
        Some("*") if purpose == Use::Put && blob.is_some() => return Err(failure::BLOB_ALREADY_EXISTS),
        Some(tag) if purpose == Use::Read && is(tag) => return Err(failure::NOT_MODIFIED),
        Some(tag) if is(tag) => return Err(failure::CONDITION_NOT_MET),
        _ => {}
    }
    match (request.header("x-ms-if-tags"), blob) {
        (Some(condition), Some(blob)) if !tags::hold(&blob.tags, condition)? => Err(failure::CONDITION_NOT_MET),
        _ => Ok(()),
    }
}
