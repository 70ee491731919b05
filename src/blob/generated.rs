//! Made-up metadata, URLs, names and answers.

use std::time::Duration;

use azure_core::error::ErrorKind as SdkKind;
use azure_core::time::OffsetDateTime;
use proptest::prelude::*;

use super::laws;
use super::lease::wire::Metadata;
use crate::laws::CANARY;
use crate::laws::strategies::{number, parsed_url, text, time, url};
use leader_election::{Claim, FencingToken, HolderId, LeaderData};

/// Records that are right but for a part or two.
fn metadata() -> impl Strategy<Value = Metadata> {
    let holder = prop_oneof![3 => "[ -~]{1,130}", 1 => "(%[0-9a-fA-F]{2}){1,4}", 1 => text()];
    let millis = || prop_oneof![3 => (0..90_000_000_u64).prop_map(|millis| millis.to_string()), 1 => number()];
    let token = prop_oneof![2 => (1..=FencingToken::MAX).prop_map(|token| token.to_string()), 1 => number()];
    let claim = prop_oneof![3 => "[0-9a-f]{32}", 1 => text()];
    let data = prop_oneof![3 => "[ -~]{1,40}", 2 => "base64:[A-Za-z0-9+/]{0,12}={0,2}", 1 => text()];
    let values = (holder, token, claim, time(), millis(), millis(), data);
    (values, 0..128_u8, any::<bool>(), prop::collection::hash_map("[a-z]{1,8}", text(), 0..3)).prop_map(
        |((holder, token, claim, elected, lease, renew, data), present, capitals, mut metadata)| {
            let ours = [
                ("leaderholder", holder),
                ("leadertoken", token),
                ("leaderclaim", claim),
                ("leaderelected", elected),
                ("leaderleasems", lease),
                ("leaderrenewms", renew),
                ("leaderdata", data),
            ];
            // All of them as a rule, and what the leader tells in every other.
            let present = if present < 96 { 63 | (present & 1) << 6 } else { present };
            for (bit, (name, value)) in ours.into_iter().enumerate() {
                if present & (1 << bit) != 0 {
                    metadata.insert(if capitals { name.to_uppercase() } else { name.to_owned() }, value);
                }
            }
            metadata
        },
    )
}

/// What leaders tell: addresses, JSON, and anything.
fn data() -> impl Strategy<Value = String> {
    let any = text().prop_filter("1 to 4,096 bytes", |text| LeaderData::new(text).is_ok());
    prop_oneof![3 => "[ -~]{1,60}", 1 => "(base64:)?[A-Za-z=]{1,12}", 1 => "\\PC{1,1024}", 3 => any]
}

fn blob_name() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-zA-Z0-9 ._/%+~-]{1,24}",
        3 => text(),
        1 => (1_000..1_040_usize, prop::sample::select(vec!['x', 'ü', '🦀'])).prop_map(|(n, c)| String::from(c).repeat(n)),
    ]
}

proptest! {
    #[test]
    fn invariant_14_whatever_metadata_is_read_is_within_bounds_or_an_error_that_names_the_key(metadata in metadata()) {
        laws::metadata(&metadata);
    }

    #[test]
    fn the_record_of_any_term_is_read_as_it_was_written(
        holder in "[!-~]([ -~]{0,126}[!-~])?",
        token in 1..=FencingToken::MAX,
        seconds in 0..253_402_300_800_i64,
        lease in 15..=60_u64,
        data in prop::option::of(data()),
        before in metadata(),
    ) {
        let mut claim = Claim::new(HolderId::new(holder).expect("valid"), Duration::from_secs(lease));
        // The record counts in milliseconds.
        claim.renew_every = Duration::from_millis(lease * 333);
        let server_time = OffsetDateTime::from_unix_timestamp(seconds).expect("before the year 10000");
        let data = data.map(|data| LeaderData::new(data).expect("valid"));
        laws::round_trip(&claim, data.as_ref(), FencingToken::new(token).expect("in range"), server_time, &before);
    }

    #[test]
    fn any_address_that_is_accepted_leads_to_that_blob_and_shows_no_signature(url in url(), blob in blob_name()) {
        laws::address(&url, &blob);
    }

    #[test]
    fn any_name_of_a_blob_is_refused_by_name_or_leads_to_that_blob(blob in blob_name()) {
        laws::address("https://acct.blob.core.windows.net/leases", &blob);
        laws::address(&format!("http://127.0.0.1:10000/devstoreaccount1/leases?sig={CANARY}"), &blob);
    }

    #[test]
    fn any_answer_of_the_service_has_a_kind_and_can_be_shown(
        status in 100..600_u16,
        code in prop::option::of(code()),
        id in prop::option::of(text()),
        wait in prop::option::of(number()),
    ) {
        let headers = [("x-ms-request-id", id), ("retry-after", wait)];
        let headers: Vec<_> = headers.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect();
        laws::answer(status, code.as_deref(), &headers);
    }

    #[test]
    fn any_silence_has_a_kind_and_shows_no_signature(
        kind in prop::sample::select(vec![SdkKind::Io, SdkKind::Connection, SdkKind::Credential, SdkKind::DataConversion, SdkKind::Other]),
        before in text(),
        url in parsed_url(),
        after in text(),
    ) {
        laws::silence(kind, &format!("{before} error sending request for url ({url}): {after}"));
    }
}

/// The codes that mean something, and any other.
fn code() -> impl Strategy<Value = String> {
    let known = vec![
        "LeaseAlreadyPresent",
        "LeaseIsBreakingAndCannotBeAcquired",
        "LeaseIsBrokenAndCannotBeRenewed",
        "LeaseIdMismatchWithLeaseOperation",
        "BlobAlreadyExists",
        "ContainerAlreadyExists",
        "ContainerBeingDeleted",
        "ConditionNotMet",
        "BlobNotFound",
        "ContainerNotFound",
        "ServerBusy",
        "AuthenticationFailed",
        "AuthorizationPermissionMismatch",
    ];
    prop_oneof![2 => prop::sample::select(known).prop_map(str::to_owned), 1 => text()]
}

/// An answer with a URL in it, as a proxy's or a gateway's could be.
#[test]
fn a_code_or_request_id_that_is_a_url_loses_its_query() {
    let url = format!("https://acct/?sig={CANARY}");
    laws::answer(403, None, &[("x-ms-request-id", url.clone())]);
    laws::answer(403, Some(&url), &[]);
}

/// Found by the fuzzer: `&` where `?` should be.
#[test]
fn a_signature_in_the_wrong_place_of_a_url_is_not_repeated() {
    laws::address(&format!("https://acct.blob.core.windows.net/leases&sv=2025-01-05&sig={CANARY}"), "nightly");
}
