//! Made-up records, and records that were spoilt.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};

use super::{Rest, laws, write};
use crate::claim::HolderId;
use crate::document::Record;
use crate::port::LeaderData;
use crate::token::FencingToken;

/// Any JSON, of a few levels, with the numbers and texts at which a reader's bounds are.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec![json!(0), json!(1), json!(2), json!(1_u64 << 53), json!(3_600_001), json!(u64::MAX)]),
        "[ -~]{0,8}|[a-zü]{120,260}|\\PC{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-zA-Z]{0,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn strangers() -> impl Strategy<Value = Rest> {
    prop::collection::hash_map("[a-zA-Z_]{0,8}", value(), 0..3).prop_map(|map| map.into_iter().collect())
}

fn holder() -> impl Strategy<Value = Option<HolderId>> {
    prop::option::of("[!-~]([ -~]{0,126}[!-~])?".prop_map(|name| HolderId::new(name).expect("valid")))
}

/// Of the years 1970 to 9999, in the milliseconds that the record counts in.
fn time() -> impl Strategy<Value = Option<SystemTime>> {
    prop::option::of((0..253_402_300_800_000_u64).prop_map(|ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms)))
}

fn data() -> impl Strategy<Value = Option<LeaderData>> {
    prop::option::of("(\\PC|\\pC){1,64}".prop_map(|text| LeaderData::new(text).expect("valid")))
}

prop_compose! {
    fn record()(
        holder in holder(), previous in holder(), claim in "[0-9a-f]{32}", write in "[0-9a-f]{32}",
        token in 1..=FencingToken::MAX, lease in 0..=3_600_000_u64, rhythm in 0..=3_600_000_u64, renewals in any::<u64>(),
        elected_at in time(), renewed_at in time(), data in data(),
    ) -> Record {
        Record {
            holder, previous, claim, write, renewals, elected_at, renewed_at, data,
            fencing_token: FencingToken::new(token).expect("in range"),
            lease: Duration::from_millis(lease),
            renew_every: Duration::from_millis(rhythm),
        }
    }
}

/// A record in which a field or two are something else, or nothing.
fn spoilt() -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<Index>(), prop::option::of(value())), 0..3);
    (record(), strangers(), edits).prop_map(|(record, strangers, edits)| {
        let mut fields: Map<String, Value> = serde_json::from_str(&write(&record, &strangers)).expect("our own JSON");
        for (index, value) in edits {
            let name = *index.get(&crate::document::json::OURS);
            match value {
                Some(value) => drop(fields.insert(name.to_owned(), value)),
                None => drop(fields.remove(name)),
            }
        }
        Value::Object(fields).to_string().into_bytes()
    })
}

/// The text of a record that a broken disk, or an editor, has cut and written over.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop::collection::vec((any::<Index>(), any::<u8>()), 0..4);
    (record(), strangers(), bytes, prop::option::of(any::<Index>())).prop_map(|(record, strangers, bytes, end)| {
        let mut text = write(&record, &strangers).into_bytes();
        for (index, byte) in bytes {
            *index.get_mut(&mut text) = byte;
        }
        let end = end.map_or(text.len(), |end| end.index(text.len()));
        text.truncate(end);
        text
    })
}

proptest! {
    #[test]
    fn invariant_14_whatever_record_is_read_is_within_bounds_or_its_field_is_named(content in spoilt()) {
        laws::content(&content);
    }

    #[test]
    fn invariant_14_any_bytes_are_read_or_it_is_said_what_is_wrong_with_them(
        damaged in damaged(),
        json in value(),
        noise in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        laws::content(&damaged);
        laws::content(json.to_string().as_bytes());
        laws::content(&noise);
    }

    #[test]
    fn any_record_is_read_as_it_was_written_and_what_strangers_put_there_stays(
        record in record(),
        before in strangers(),
    ) {
        laws::round_trip(&record, &before);
    }
}
