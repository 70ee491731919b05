//! The leader record as JSON: what all stores that keep it so write and read alike.
//!
//! A store whose record is a text of its own takes [`to_text`] and [`from_text`]. One whose service has times of its own, or wants other
//! fields in the same object, builds the object by [`write`](self::write()) and reads it by [`read`].
//!
//! What is read is [untrusted](crate::kit::untrusted): each field has bounds, and what is outside them is an error that names the field.
//! Fields that are not ours are kept. A text is bounded by [`MAX_BYTES`], both as it is read and as it is written.
//!
//! ```
//! use leader_election::document::{Record, json};
//! use leader_election::{ErrorKind, FencingToken, HolderId};
//! use std::time::Duration;
//!
//! let record = Record::new(FencingToken::new(7)?, "b9c0f3", "4f1a")
//!     .with_holder(Some(HolderId::new("worker-7")?))
//!     .with_lease(Duration::from_secs(15));
//! let text = json::to_text(&record, &json::Rest::new());
//! let (read, rest) = json::from_text(text.as_bytes(), "the record of nightly")?;
//! assert_eq!(read, record);
//!
//! // Somebody adds a field, and it stays.
//! let edited = text.replace("\"schemaVersion\"", "\"team\": \"billing\", \"schemaVersion\"");
//! let (read, rest) = json::from_text(edited.as_bytes(), "the record of nightly")?;
//! assert!(json::to_text(&read, &rest).contains("billing"));
//!
//! let refused = json::from_text(b"{}", "the record of nightly").unwrap_err();
//! assert_eq!(refused.kind(), ErrorKind::CorruptRecord);
//! assert!(refused.to_string().contains("schemaVersion is missing"));
//! # Ok::<(), leader_election::Error>(())
//! ```

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use crate::claim::HolderId;
use crate::document::Record;
use crate::error::{Error, ErrorKind, Result};
use crate::kit::record::begin_anew;
use crate::kit::untrusted::{Fields, millis};
use crate::token::FencingToken;

/// The other fields of the object: those that others have put there, and the service's own. A store has it for its
/// [`DocumentStore::Rest`](super::DocumentStore::Rest).
pub type Rest = Map<String, Value>;

/// The most bytes that a record's text may have: 65,536. [`from_text`] refuses a longer one, and [`to_text`] makes none of what
/// [`from_text`] gave. Make a column this wide, and read no more than this and one byte.
///
/// Half of it is for the record: 4,096 bytes of [data](Record::data) grow to 24,576 where each is a control character, and the other
/// fields have less than 8 KiB. The other half is for [fields of others](Rest).
///
/// ```
/// use leader_election::document::json::{self, MAX_BYTES};
///
/// let refused = json::from_text(&[b' '; MAX_BYTES + 1], "the record of nightly").unwrap_err();
/// assert!(refused.to_string().contains("longer than 65,536 bytes"));
/// ```
pub const MAX_BYTES: usize = 64 * 1024;

const SCHEMA: u64 = 1;

const DATA: &str = "data";

pub(crate) const ELECTED_AT: &str = "electedAtMs";
pub(crate) const RENEWED_AT: &str = "renewedAtMs";

/// The fields of a record's text.
pub(crate) const OURS: [&str; 12] = [
    "schemaVersion",
    "holder",
    "previousHolder",
    "claim",
    "write",
    "fencingToken",
    "leaseMs",
    "renewEveryMs",
    "renewals",
    DATA,
    ELECTED_AT,
    RENEWED_AT,
];

/// The text of a record: our fields over what else was there. Its times are in milliseconds since 1970. It is indented for those who
/// look at it, unless that would be longer than [`MAX_BYTES`].
#[must_use]
pub fn to_text(record: &Record, rest: &Rest) -> String {
    let time = |time: Option<SystemTime>| json!(time.and_then(since_1970));
    let times = [(ELECTED_AT, time(record.elected_at)), (RENEWED_AT, time(record.renewed_at))];
    let object = Value::Object(write(record, times, rest.clone()));
    let indented = format!("{object:#}\n");
    if indented.len() <= MAX_BYTES { indented } else { object.to_string() }
}

/// Reads the text of a record that anybody may have written. `what` names it in the error: "the blob nightly".
///
/// # Errors
/// [`CorruptRecord`](ErrorKind::CorruptRecord), with the field and with what to do; also for more than [`MAX_BYTES`].
pub fn from_text(text: &[u8], what: &str) -> Result<(Record, Rest)> {
    parse(text).map_err(|wrong| {
        let advice = begin_anew(what, "the service's time");
        Error::new(ErrorKind::CorruptRecord, format!("{what} {wrong}; something else writes to it. {advice}"))
    })
}

/// As [`from_text`]; what is wrong is told for a sentence that begins with the record's name.
pub(crate) fn parse(text: &[u8]) -> Result<(Record, Rest), String> {
    if text.len() > MAX_BYTES {
        return Err("is longer than 65,536 bytes".to_owned());
    }
    let mut rest: Rest = match serde_json::from_slice(text) {
        Ok(Value::Object(rest)) => rest,
        Ok(_) => return Err("is no JSON object".to_owned()),
        Err(_) => return Err("is no JSON".to_owned()),
    };
    let record = read(&Fields::new(&rest, wrong), [ELECTED_AT, RENEWED_AT], time);
    let record = record.map_err(|error| error.to_string())?;
    rest.retain(|name, _| !OURS.contains(&name.as_str()));
    // As it will be written: `1e15` has four characters here, and eighteen then.
    if Value::Object(rest.clone()).to_string().len() > MAX_BYTES / 2 {
        return Err("is longer than a record can be: fields of others take more than 32,768 bytes".to_owned());
    }
    Ok((record, rest))
}

fn time(fields: &Fields<'_>, name: &str) -> Result<Option<SystemTime>> {
    if fields.get(name)?.is_null() {
        return Ok(None);
    }
    let ms = Duration::from_millis(fields.number(name)?);
    // The bound of a time that every system can hold, and print.
    let time =
        Some(ms).filter(|ms| ms.as_secs() < 253_402_300_800).and_then(|ms| SystemTime::UNIX_EPOCH.checked_add(ms));
    time.map(Some).ok_or_else(|| wrong(name, "is later than the year 9999"))
}

fn since_1970(time: SystemTime) -> Option<u64> {
    time.duration_since(SystemTime::UNIX_EPOCH).ok().map(millis)
}

fn wrong(name: &str, what: &str) -> Error {
    Error::new(ErrorKind::CorruptRecord, format!("is corrupt: {name} {what}"))
}

/// The object to write: our fields over what else was there. `times` are when the leader was elected and when it last
/// renewed, as the store names and writes them.
#[must_use]
pub fn write(record: &Record, times: [(&str, Value); 2], mut rest: Rest) -> Rest {
    let name = |holder: &Option<HolderId>| holder.as_ref().map_or("", HolderId::as_str).to_owned();
    let ours = json!({
        "schemaVersion": SCHEMA,
        "holder": name(&record.holder),
        "previousHolder": name(&record.previous),
        "claim": record.claim,
        "write": record.write,
        "fencingToken": record.fencing_token.get(),
        "leaseMs": millis(record.lease),
        "renewEveryMs": millis(record.renew_every),
        "renewals": record.renewals,
    });
    // One of an earlier leader's must not stay.
    rest.remove(DATA);
    if let Some(data) = &record.data {
        rest.insert(DATA.to_owned(), data.as_str().into());
    }
    if let Value::Object(ours) = ours {
        rest.extend(ours);
    }
    rest.extend(times.map(|(name, time)| (name.to_owned(), time)));
    rest
}

/// Reads an object that anybody may have written. `time` reads the fields that are named in `times`: when the leader was elected, and
/// when it last renewed.
///
/// # Errors
/// Those that [`fields`](Fields::new) makes, with the field; and those of `time`.
pub fn read(
    fields: &Fields<'_>,
    times: [&str; 2],
    time: fn(&Fields<'_>, &str) -> Result<Option<SystemTime>>,
) -> Result<Record> {
    match fields.number("schemaVersion")? {
        SCHEMA => {}
        newer if newer > SCHEMA => {
            let what = "is newer than this program knows (update it, or use another election)";
            return Err(fields.corrupt("schemaVersion", what));
        }
        _ => return Err(fields.corrupt("schemaVersion", "is none that there ever was")),
    }
    let [elected_at, renewed_at] = times;
    Ok(Record {
        holder: fields.holder("holder")?,
        previous: fields.holder("previousHolder")?,
        claim: fields.text("claim")?.to_owned(),
        write: fields.text("write")?.to_owned(),
        fencing_token: FencingToken::new(fields.number("fencingToken")?)
            .map_err(|error| fields.corrupt("fencingToken", "is out of range").with_source(error))?,
        lease: fields.duration("leaseMs")?,
        renew_every: fields.duration("renewEveryMs")?,
        renewals: fields.number("renewals")?,
        elected_at: time(fields, elected_at)?,
        renewed_at: time(fields, renewed_at)?,
        data: fields.data(DATA)?,
    })
}

/// For the tests of the stores.
#[cfg(test)]
pub(crate) fn sample(elected_at: SystemTime) -> Record {
    use crate::claim::ClaimId;

    Record {
        holder: Some(HolderId::new("worker-7").expect("valid")),
        previous: None,
        claim: ClaimId::from_u128(7).fingerprint(),
        write: "1".to_owned(),
        fencing_token: FencingToken::new(7).expect("valid"),
        lease: Duration::from_secs(3),
        renew_every: Duration::from_secs(1),
        renewals: 4,
        elected_at: Some(elected_at),
        renewed_at: None,
        data: None,
    }
}
