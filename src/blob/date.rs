//! The service's clock, by which tokens rise even where a record was lost.

use azure_core::http::headers::{HeaderName, Headers};
use azure_core::time::{OffsetDateTime, parse_rfc7231};

use leader_election::{Error, ErrorKind, Result, kit::service_time};

pub(super) fn server_time(headers: &Headers) -> Result<OffsetDateTime> {
    let date = headers.get_optional_str(&HeaderName::from_static("date"));
    date.and_then(|date| parse_rfc7231(date).ok()).ok_or_else(|| {
        Error::new(ErrorKind::Refused, "the service's answer has no readable Date header, which fencing tokens need")
    })
}

/// In milliseconds since 1970.
pub(super) fn millis(time: OffsetDateTime) -> Result<u64> {
    u64::try_from(time.unix_timestamp()).ok().and_then(service_time::millis_in).ok_or_else(|| {
        Error::new(ErrorKind::Refused, "the service's clock shows a time before 1970, or far beyond any")
    })
}
