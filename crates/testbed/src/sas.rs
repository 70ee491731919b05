//! Shared access signatures for Azurite's account: the query string that stands for a credential in a URL.

use azure_core::credentials::Secret;
use azure_core::hmac::hmac_sha256;
use azure_core::http::Url;
use azure_core::time::{Duration, OffsetDateTime, to_rfc3339};

use super::azurite::ACCOUNT;

/// Azurite's key, published by Microsoft and the same in every installation: it protects nothing.
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

const VERSION: &str = "2022-11-02";
const PROTOCOLS: &str = "https,http";

/// Everything that the blob service allows, for so many hours from now; with a negative number it has expired.
///
/// Azurite answers an expired one with 403 `AuthorizationFailure`, as it does a wrong signature or none at all.
pub fn account_sas(hours: i64) -> String {
    let expiry = hours_from_now(hours);
    let (permissions, service, resource_types) = ("rwdlactf", "b", "sco");
    let signature = sign(&[
        ACCOUNT,
        permissions,
        service,
        resource_types,
        "", // start
        &expiry,
        "", // IP range
        PROTOCOLS,
        VERSION,
        "", // encryption scope
        "", // the text ends with a line feed
    ]);
    query(&[
        ("sv", VERSION),
        ("ss", service),
        ("srt", resource_types),
        ("sp", permissions),
        ("se", &expiry),
        ("spr", PROTOCOLS),
        ("sig", &signature),
    ])
}

/// These permissions on one container and its blobs, for an hour. It cannot create the container.
///
/// Azure wants the letters in the order `racwdxyltmeopi`; a lease needs `w`, a HEAD `r`. What they do not allow gets
/// 403 `AuthorizationPermissionMismatch`.
pub fn container_sas(container: &str, permissions: &str) -> String {
    let expiry = hours_from_now(1);
    let resource = "c";
    let signature = sign(&[
        permissions,
        "", // start
        &expiry,
        &format!("/blob/{ACCOUNT}/{container}"),
        "", // stored access policy
        "", // IP range
        PROTOCOLS,
        VERSION,
        resource,
        "", // snapshot
        "", // encryption scope
        "", // cache control
        "", // content disposition
        "", // content encoding
        "", // content language
        "", // content type
    ]);
    query(&[
        ("sv", VERSION),
        ("sr", resource),
        ("sp", permissions),
        ("se", &expiry),
        ("spr", PROTOCOLS),
        ("sig", &signature),
    ])
}

fn hours_from_now(hours: i64) -> String {
    let expiry = OffsetDateTime::now_utc() + Duration::hours(hours);
    // Azure refuses fractions of a second here.
    to_rfc3339(&expiry.replace_nanosecond(0).expect("zero is a nanosecond"))
}

fn sign(fields: &[&str]) -> String {
    hmac_sha256(&fields.join("\n"), &Secret::new(KEY)).expect("the key is base64")
}

fn query(pairs: &[(&str, &str)]) -> String {
    let mut url = Url::parse("http://localhost").expect("a URL");
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}
