//! What holds whatever stands in a leader record.

#![allow(clippy::expect_used)]

use serde_json::Value;

use super::{Rest, read, write};
use crate::claim::HolderId;
use crate::document::Record;
use crate::document::json::{MAX_BYTES, OURS};
use crate::timing::Timing;
use crate::token::FencingToken;

/// Whatever content is read is within bounds and can be written again, as a renewal does; of all else is said what is wrong, with
/// the field.
pub(crate) fn content(content: &[u8]) {
    let (record, rest) = match read(content) {
        Ok(read) => read,
        Err(wrong) => {
            let named = OURS.iter().any(|name| wrong.contains(name));
            assert!(named || wrong.starts_with("is no JSON") || wrong.starts_with("is longer than"), "{wrong}");
            assert!(wrong.len() < 1_000 && !wrong.chars().any(char::is_control), "{wrong:?}");
            return;
        }
    };
    let Record { holder, previous, claim, write, fencing_token, lease, renew_every, .. } = &record;
    assert!([holder, previous].into_iter().flatten().all(|holder| HolderId::new(holder.as_str()).is_ok()));
    assert!(claim.len() <= 256 && write.len() <= 256);
    assert!((1..=FencingToken::MAX).contains(&fencing_token.get()));
    assert!(*lease <= Timing::MAX_LEASE && *renew_every <= Timing::MAX_LEASE);
    // A token follows, unless there is none left.
    let next = FencingToken::next(Some(*fencing_token), 0);
    assert!(next.map_or(fencing_token.get() == FencingToken::MAX, |next| next > *fencing_token));
    round_trip(&record, &rest);
}

/// A record is read back as it was written, and what else stands there stays.
pub(super) fn round_trip(record: &Record, before: &Rest) {
    let text = write(record, before);
    assert!(text.len() <= MAX_BYTES, "{} bytes", text.len());
    let (again, rest) = read(text.as_bytes()).expect("its own text");
    assert_eq!(again, *record);
    for (name, value) in before.iter().filter(|(name, _)| !OURS.contains(&name.as_str())) {
        assert!(rest.get(name).is_some_and(|kept| same(kept, value)), "{name}: {value} is {:?} now", rest.get(name));
    }
}

/// The same, but for the last digit of a fraction: from text and back it may change.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) if one.is_f64() && other.is_f64() => {
            let (one, other) = (one.as_f64().unwrap_or_default(), other.as_f64().unwrap_or_default());
            // Next to zero a last digit is more than that part of the number.
            let least = f64::from_bits(1);
            (one - other).abs() <= one.abs() * 4.0 * f64::EPSILON + 4.0 * least
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let same = |(name, value)| other.get(name).is_some_and(|other| same(value, other));
            one.len() == other.len() && one.iter().all(same)
        }
        _ => one == other,
    }
}
