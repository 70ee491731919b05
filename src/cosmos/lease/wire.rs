//! What stands in the leader document.

use std::time::SystemTime;

use azure_core::time::{OffsetDateTime, parse_rfc3339, to_rfc3339};
use serde_json::{Value, json};

use leader_election::{
    Error, ErrorKind, FencingToken, Result, Version,
    document::json as common,
    document::{Record, Stored},
    kit::record::begin_anew,
    kit::service_time,
    kit::untrusted::Fields,
};

pub(crate) use leader_election::document::json::Rest;

const ELECTED_AT: &str = "electedAt";
const RENEWED_AT: &str = "renewedAt";
/// How long the service keeps the document. A container may have a default, after which it would delete the record and with it
/// the lease and the token.
const TTL: &str = "ttl";
const FOR_EVER: i64 = -1;
/// The fields that are ours.
pub(crate) const NAMES: [&str; 14] = [
    "id",
    TTL,
    "schemaVersion",
    "holder",
    "previousHolder",
    "claim",
    "write",
    "fencingToken",
    "leaseMs",
    "renewEveryMs",
    "renewals",
    ELECTED_AT,
    RENEWED_AT,
    "data",
];
/// By these a leader document is told from all others, those beside it among them.
pub(crate) const MARKS: [&str; 2] = ["fencingToken", "leaseMs"];

/// The document to write: ours, and what else was there.
pub(crate) fn write(id: &str, record: &Record, rest: &Rest) -> Value {
    let time = |time: Option<SystemTime>| json!(time.map(|time| to_rfc3339(&OffsetDateTime::from(time))));
    let times = [(ELECTED_AT, time(record.elected_at)), (RENEWED_AT, time(record.renewed_at))];
    let mut document = rest.clone();
    // The service's own fields begin so; it writes them anew.
    document.retain(|name, _| !name.starts_with('_') && !NAMES.contains(&name.as_str()));
    document.insert("id".to_owned(), id.into());
    document.insert(TTL.to_owned(), FOR_EVER.into());
    Value::Object(common::write(record, times, document))
}

/// Reads a document that anybody may have written.
///
/// # Errors
/// [`CorruptRecord`](ErrorKind::CorruptRecord), with the field.
pub(crate) fn read(version: Version, document: Value) -> Result<Stored<Rest>> {
    let Value::Object(rest) = document else {
        return Err(corrupt("the document", "is no JSON object"));
    };
    let record = common::read(&Fields::new(&rest, corrupt), [ELECTED_AT, RENEWED_AT], time)?;
    // `_ts` is when the service last wrote the document, in whole seconds.
    let server_ms = rest.get("_ts").and_then(Value::as_u64).and_then(service_time::millis_in);
    let server_ms = server_ms.filter(|ms| *ms < FencingToken::MAX);
    Ok(Stored::new(version, record).with_server_ms(server_ms).with_rest(rest))
}

/// In seconds since 1970.
const YEARS_OF_FOUR_DIGITS: std::ops::RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;

fn time(fields: &Fields<'_>, name: &str) -> Result<Option<SystemTime>> {
    match fields.get(name)? {
        Value::Null => Ok(None),
        Value::String(text) => {
            let time = parse_rfc3339(text).map_err(|_| corrupt(name, "is no RFC 3339 time"))?;
            // An offset can lead out of the years that can be written again.
            if !YEARS_OF_FOUR_DIGITS.contains(&time.unix_timestamp()) {
                return Err(corrupt(name, "is before the year 0 or after 9999"));
            }
            Ok(Some(SystemTime::from(time)))
        }
        _ => Err(corrupt(name, "is no RFC 3339 time")),
    }
}

fn corrupt(name: &str, what: &str) -> Error {
    Error::new(
        ErrorKind::CorruptRecord,
        format!(
            "in the leader document, {name} {what}; something else writes to it. Nothing was changed: {}",
            begin_anew("the document", "the service's time")
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cosmos::laws;

    fn written() -> Value {
        write("nightly", &laws::record(), &Rest::new())
    }

    fn version() -> Version {
        Version::new("\"1\"").expect("valid")
    }

    #[test]
    fn what_was_written_is_read_and_unknown_fields_are_kept() {
        let mut document = written();
        document["team"] = json!({"name": "billing"});
        document["_ts"] = json!(1_700_000_000);
        document["ttl"] = json!(60);
        let stored = read(version(), document).expect("readable");
        assert_eq!(stored.record, laws::record());
        assert_eq!(stored.server_ms, Some(1_700_000_000_999));
        let again = write("nightly", &stored.record, &stored.rest);
        assert_eq!(again["team"]["name"], "billing");
        assert_eq!(again.get("_ts"), None);
        assert_eq!(again["ttl"], -1, "whatever somebody has put there");
    }

    #[test]
    fn invariant_14_whatever_cannot_be_understood_is_an_error_that_names_it() {
        let ten_years = 10 * 365 * 24 * 3600 * 1000_u64;
        for (name, value) in [
            ("leaseMs", json!(ten_years)),
            ("leaseMs", json!(-1)),
            ("leaseMs", json!(1.5)),
            ("fencingToken", json!(-1)),
            ("fencingToken", json!(0)),
            ("fencingToken", json!(1_u64 << 60)),
            ("fencingToken", json!("7")),
            ("fencingToken", Value::Null),
            ("holder", json!("Größe")),
            ("holder", json!("two\nlines")),
            ("holder", json!(7)),
            ("claim", json!("x".repeat(1000))),
            ("renewals", json!(-1)),
            ("data", json!(7)),
            ("data", json!("")),
            ("data", json!("x".repeat(4_097))),
            ("electedAt", json!("yesterday")),
            ("renewedAt", json!(12)),
            ("schemaVersion", json!(0)),
            ("schemaVersion", json!(2)),
        ] {
            let mut document = written();
            document[name] = value.clone();
            let error = read(version(), document).expect_err("must be refused");
            assert_eq!(error.kind(), ErrorKind::CorruptRecord);
            assert!(error.to_string().contains(name), "{name}: {value} -> {error}");
        }
        for name in NAMES.iter().filter(|name| !["id", TTL, "data"].contains(name)) {
            let mut document = written();
            document.as_object_mut().expect("an object").remove(*name);
            assert!(read(version(), document).expect_err("half a document").to_string().contains(name));
        }
        for document in [json!([]), json!("text"), json!(7), Value::Null] {
            assert!(read(version(), document).expect_err("no object").to_string().contains("no JSON object"));
        }
    }

    #[test]
    fn what_an_earlier_leader_told_others_is_not_kept_for_the_next() {
        let mut document = written();
        document["data"] = json!("http://10.0.0.7:8080");
        let before = read(version(), document).expect("readable");
        assert_eq!(before.record.data.as_ref().expect("told").as_str(), "http://10.0.0.7:8080");
        assert_eq!(write("nightly", &laws::record(), &before.rest).get("data"), None);
    }

    #[test]
    fn an_absurd_server_time_is_not_followed() {
        for ts in [json!(u64::MAX), json!(9_007_199_254_741_u64), json!(-1), json!("now")] {
            let mut document = written();
            document["_ts"] = ts;
            assert_eq!(read(version(), document).expect("readable").server_ms, None);
        }
    }
}
