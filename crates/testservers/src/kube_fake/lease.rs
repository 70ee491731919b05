//! What a Lease may hold.

use serde_json::Value;

/// A refusal: the status, its reason, and words.
pub(super) type Refusal = (u16, &'static str, String);

const INT32: std::ops::RangeInclusive<i64> = -2_147_483_648..=2_147_483_647;

/// First what cannot be decoded (400), then what is not valid (422).
pub(super) fn check(object: &Value) -> Result<(), Refusal> {
    let Some(spec) = object.get("spec").filter(|spec| !spec.is_null()) else { return Ok(()) };
    for name in ["leaseDurationSeconds", "leaseTransitions"] {
        if !spec[name].is_null() && !spec[name].as_i64().is_some_and(|number| INT32.contains(&number)) {
            return Err((400, "BadRequest", format!("cannot unmarshal {name} into an int32")));
        }
    }
    for name in ["acquireTime", "renewTime"] {
        if !spec[name].is_null() && !spec[name].as_str().is_some_and(is_micro) {
            return Err((400, "BadRequest", format!("cannot parse {name} as 2006-01-02T15:04:05.000000Z07:00")));
        }
    }
    if spec["leaseDurationSeconds"].as_i64().is_some_and(|seconds| seconds <= 0) {
        return Err((422, "Invalid", "spec.leaseDurationSeconds: must be greater than 0".to_owned()));
    }
    if spec["leaseTransitions"].as_i64().is_some_and(|count| count < 0) {
        return Err((422, "Invalid", "spec.leaseTransitions: must be greater than or equal to 0".to_owned()));
    }
    Ok(())
}

/// Six digits, and an offset.
fn is_micro(text: &str) -> bool {
    let Some((before, after)) = text.split_once('.') else { return false };
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    before.len() == 19 && digits == 6 && matches!(&after[6..], "Z") || matches!(after.len(), 12) && digits == 6
}

/// What is null is absent, and times are in UTC.
pub(super) fn normalized(mut object: Value) -> Value {
    if object["spec"].is_null() {
        object["spec"] = Value::Object(serde_json::Map::new());
    }
    if let Some(spec) = object["spec"].as_object_mut() {
        // What this version does not know is dropped in silence.
        let known = ["holderIdentity", "leaseDurationSeconds", "acquireTime", "renewTime", "leaseTransitions"];
        spec.retain(|name, value| !value.is_null() && known.contains(&name.as_str()));
        for name in ["acquireTime", "renewTime"] {
            if let Some(text) = spec.get(name).and_then(Value::as_str).map(in_utc) {
                spec.insert(name.to_owned(), text.into());
            }
        }
    }
    object
}

/// Only offsets of whole hours are ever sent here.
fn in_utc(text: &str) -> String {
    let (time, offset) = text.split_at(text.len().min(26));
    let hours = offset.get(..3).and_then(|hours| hours.parse::<i64>().ok()).unwrap_or_default();
    let hour = time.get(11..13).and_then(|hour| hour.parse::<i64>().ok()).unwrap_or_default();
    format!("{}{:02}{}Z", &time[..11], (hour - hours).rem_euclid(24), &time[13..])
}
