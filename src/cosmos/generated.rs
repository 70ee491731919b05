//! Made-up documents, endpoints, names and answers.

use std::time::{Duration, SystemTime};

use azure_core::time::OffsetDateTime;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::laws;
use crate::laws::strategies::{number, parsed_url, text, time, url};
use leader_election::{FencingToken, HolderId, LeaderData, document::Record};

/// Any JSON, of a few levels.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-zA-Z_]{0,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Documents that are right but for a field or two.
fn document() -> impl Strategy<Value = Value> {
    let digits =
        || prop_oneof![4 => any::<u16>().prop_map(Value::from), 1 => number().prop_map(as_number), 1 => value()];
    let token = prop_oneof![4 => (1..=FencingToken::MAX).prop_map(Value::from), 1 => number().prop_map(as_number)];
    let name =
        || prop_oneof![4 => "[!-~]{0,130}".prop_map(Value::from), 1 => text().prop_map(Value::from), 1 => value()];
    let mark =
        || prop_oneof![6 => "[0-9a-f]{0,40}".prop_map(Value::from), 1 => "[a-zü]{250,260}".prop_map(Value::from)];
    let when = || prop_oneof![1 => Just(Value::Null), 6 => time().prop_map(Value::from), 1 => value()];
    let schema = prop_oneof![20 => Just(json!(1)), 1 => value()];
    let ts =
        prop_oneof![4 => any::<u32>().prop_map(Value::from), 1 => any::<u64>().prop_map(Value::from), 1 => value()];
    let ours = (schema, name(), name(), mark(), mark(), token, digits(), digits(), digits(), when(), when(), ts);
    let strangers = prop::collection::hash_map("[a-zA-Z_]{0,8}", value(), 0..3);
    let told = prop::option::of(prop_oneof![6 => text().prop_map(Value::from), 1 => value()]);
    (ours, told, strangers, prop::option::weighted(0.1, 0..12_usize)).prop_map(|(ours, told, strangers, left_out)| {
        let (schema, holder, previous, claim, write, token, lease, renew, renewals, elected, renewed, ts) = ours;
        let mut document: Map<String, Value> = strangers.into_iter().collect();
        let fields = [
            ("schemaVersion", schema),
            ("holder", holder),
            ("previousHolder", previous),
            ("claim", claim),
            ("write", write),
            ("fencingToken", token),
            ("leaseMs", lease),
            ("renewEveryMs", renew),
            ("renewals", renewals),
            ("electedAt", elected),
            ("renewedAt", renewed),
            ("_ts", ts),
        ];
        document.extend(told.map(|told| ("data".to_owned(), told)));
        for (number, (name, value)) in fields.into_iter().enumerate() {
            if left_out != Some(number) {
                document.insert(name.to_owned(), value);
            }
        }
        Value::Object(document)
    })
}

/// As JSON has it: a whole number where it is one, else what a parser makes of it.
fn as_number(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

fn holder() -> impl Strategy<Value = Option<HolderId>> {
    prop::option::of("[!-~]([ -~]{0,126}[!-~])?".prop_map(|name| HolderId::new(name).expect("valid")))
}

/// The times that a record can have: of a machine's clock, in years of four digits.
fn clock() -> impl Strategy<Value = Option<SystemTime>> {
    let second = 0..253_402_300_800_i64;
    prop::option::of((second, 0..1_000_000_000_i64).prop_map(|(second, nanos)| {
        let whole = OffsetDateTime::from_unix_timestamp(second).expect("before the year 10000");
        SystemTime::from(whole) + Duration::from_nanos(nanos.unsigned_abs())
    }))
}

fn data() -> impl Strategy<Value = Option<LeaderData>> {
    prop::option::of(".{1,300}".prop_map(|text| LeaderData::new(text).expect("of 1,200 bytes at the most")))
}

prop_compose! {
    fn record()(
        holder in holder(), previous in holder(), claim in "[0-9a-f]{32}", write in "[0-9a-f]{32}",
        token in 1..=FencingToken::MAX, lease in 0..=3_600_000_u64, rhythm in 0..=3_600_000_u64, renewals in any::<u64>(),
        elected_at in clock(), renewed_at in clock(), data in data(),
    ) -> Record {
        let mut record = laws::record();
        record.holder = holder;
        record.previous = previous;
        record.claim = claim;
        record.write = write;
        record.fencing_token = FencingToken::new(token).expect("in range");
        record.lease = Duration::from_millis(lease);
        record.renew_every = Duration::from_millis(rhythm);
        record.renewals = renewals;
        record.elected_at = elected_at;
        record.renewed_at = renewed_at;
        record.data = data;
        record
    }
}

proptest! {
    #[test]
    fn invariant_14_whatever_document_is_read_is_within_bounds_or_an_error_that_names_the_field(document in document()) {
        laws::document(document);
    }

    #[test]
    fn invariant_14_any_json_at_all_is_read_or_an_error_that_names_the_field(document in value()) {
        laws::document(document);
    }

    #[test]
    fn any_record_is_read_as_it_was_written_and_what_strangers_put_there_stays(record in record(), before in document()) {
        laws::round_trip(&record, &before);
    }

    #[test]
    fn any_address_that_is_accepted_names_one_account_and_shows_no_more(
        endpoint in url(),
        database in text(),
        container in text(),
        election in text(),
    ) {
        laws::address(&endpoint, "workers", "leaders", "nightly");
        laws::address("https://acct.documents.azure.com/", &database, "leaders", "nightly");
        laws::address("https://acct.documents.azure.com/", "workers", &container, "nightly");
        laws::address("https://acct.documents.azure.com/", "workers", "leaders", &election);
    }

    #[test]
    fn any_answer_of_the_service_has_a_kind_and_can_be_shown(
        status in 100..600_u16,
        sub_status in prop::option::of(any::<u16>()),
        wait in prop::option::of(any::<u64>()),
    ) {
        laws::answer(status, sub_status, wait.map(Duration::from_millis));
    }

    #[test]
    fn any_silence_has_a_kind_and_shows_no_secret(
        status in 100..600_u16,
        before in text(),
        url in parsed_url(),
        after in text(),
    ) {
        laws::silence(status, &format!("{before} error sending request for url ({url}): {after}"));
    }
}

#[test]
fn a_name_that_urls_take_for_a_place_is_refused_or_stays_a_name() {
    for name in [".", ".."] {
        laws::address("https://acct.documents.azure.com/", name, "leaders", "nightly");
        laws::address("https://acct.documents.azure.com/", "workers", name, "nightly");
        laws::address("https://acct.documents.azure.com/", "workers", "leaders", name);
    }
}

/// A renewal and a release write the times that they read.
#[test]
fn a_time_that_leaves_the_years_of_four_digits_by_its_offset_is_refused_or_written_again() {
    for time in ["9999-12-31T23:59:59-00:01", "0000-01-01T00:00:00+00:01"] {
        laws::document(json!({
            "id": "nightly", "schemaVersion": 1, "holder": "a", "previousHolder": "", "claim": "", "write": "",
            "fencingToken": 7, "leaseMs": 15_000, "renewEveryMs": 5_000, "renewals": 0, "electedAt": time,
            "renewedAt": null,
        }));
    }
}
