//! The leader record as JSON: what all stores that keep it so write and read alike.

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use crate::claim::HolderId;
use crate::document::Record;
use crate::error::Result;
use crate::kit::untrusted::{Fields, millis};
use crate::token::FencingToken;

/// The other fields of the object: those that others have put there, and the service's own.
pub type Rest = Map<String, Value>;

const SCHEMA: u64 = 1;

const DATA: &str = "data";

/// The object to write: our fields over what else was there. `times` are when the leader was elected and when it last
/// renewed, as the store names and writes them.
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

/// Reads an object that anybody may have written. `time` reads the fields that are named in `times`.
///
/// # Errors
/// Those of [`Fields`], with the field.
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
pub fn sample(elected_at: SystemTime) -> Record {
    use std::time::Duration;

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
