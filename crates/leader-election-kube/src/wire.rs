//! What stands in a Lease: the spec that client-go and people read, and our record in one annotation, under a seal.
//!
//! The seal repeats the five fields of the spec as they were written with the record. client-go keeps annotations that it does not know,
//! so our record stays when a Go worker takes the Lease over. Where seal and spec differ, somebody else has written since: then the spec
//! says who leads, and of the record only the fencing token counts.

use std::time::{Duration, SystemTime};

use leader_election::document::{Record, Stored, json as common};
use leader_election::{Error, ErrorKind, FencingToken, HolderId, Result, Timing, Version};
use serde_json::{Map, Value, json};

use crate::object::KubernetesObject;
use crate::times;

/// A whole object, as it was read. Fields of newer versions of Kubernetes, and of others, are sent back as they are.
pub(crate) type Object = Map<String, Value>;

/// The annotation that holds our record.
pub(crate) const RECORD: &str = "azure-leader-election/record";
const SEAL: &str = "seal";
/// The most that the server takes: an int32.
const MOST_TRANSITIONS: i64 = 2_147_483_647;

/// Reads a Lease that anybody may have written.
pub(crate) fn read(at: &KubernetesObject, object: Object) -> Result<Stored<Object>> {
    let metadata = object.get("metadata").and_then(Value::as_object);
    let text = |name: &str| metadata.and_then(|metadata| metadata.get(name)).and_then(Value::as_str);
    let version = Version::new(text("resourceVersion").unwrap_or_default())
        .map_err(|_| corrupt(at, "metadata.resourceVersion is missing"))?;
    if text("uid").unwrap_or_default().is_empty() {
        return Err(corrupt(at, "metadata.uid is missing"));
    }
    let empty = Object::new();
    let spec = match object.get("spec") {
        None | Some(Value::Null) => &empty,
        Some(Value::Object(spec)) => spec,
        Some(_) => return Err(corrupt(at, "spec is no object")),
    };
    refuse_coordinated(at, spec)?;
    let record = match annotation(&object) {
        Some(text) => sealed(at, spec, text)?,
        None => foreign(at, spec, FencingToken::new(1)?)?,
    };
    Ok(Stored::new(version, record).with_rest(object))
}

fn annotation(object: &Object) -> Option<&str> {
    object.get("metadata")?.get("annotations")?.get(RECORD)?.as_str()
}

/// The API server's own coordinator chooses who leads by such a Lease, and whoever takes it is not asked.
fn refuse_coordinated(at: &KubernetesObject, spec: &Object) -> Result<()> {
    match spec.get("strategy") {
        None | Some(Value::Null) => Ok(()),
        Some(_) => Err(Error::new(
            ErrorKind::Refused,
            format!(
                "the API server itself chooses who leads by {at}, as its spec.strategy is set: give the election another name"
            ),
        )),
    }
}

fn sealed(at: &KubernetesObject, spec: &Object, text: &str) -> Result<Record> {
    let what = format!("the annotation {RECORD} of {at}");
    let (record, rest) = common::from_text(text.as_bytes(), &what)?;
    if rest.get(SEAL) != Some(&seal(spec)) {
        return foreign(at, spec, record.fencing_token);
    }
    let holder = record.holder.as_ref().map_or("", HolderId::as_str);
    let lease = json!(record.lease.as_secs());
    if holder != holder_of(spec) || (record.holder.is_some() && spec.get("leaseDurationSeconds") != Some(&lease)) {
        return Err(corrupt(at, "the record in its annotation is not the one that its seal is of"));
    }
    Ok(record)
}

/// What somebody else has written, who knows nothing of our record.
fn foreign(at: &KubernetesObject, spec: &Object, token: FencingToken) -> Result<Record> {
    // Neither is a claim's fingerprint or a write's number, so the record is nobody's here.
    let record = Record::new(token, "", "");
    let Some(holder) = cleaned(holder_of(spec)) else { return Ok(record) };
    let seconds = spec.get("leaseDurationSeconds").and_then(Value::as_u64).filter(|seconds| *seconds > 0);
    let lease = seconds.map(Duration::from_secs).filter(|lease| *lease <= Timing::MAX_LEASE).ok_or_else(|| {
        corrupt(
            at,
            "it is held without a leaseDurationSeconds of 1 to 3,600, so nobody can tell when its holder is gone",
        )
    })?;
    let time = |name: &str| spec.get(name).and_then(Value::as_str).and_then(times::read);
    Ok(record
        .with_holder(Some(holder))
        .with_lease(lease)
        .with_elected_at(time("acquireTime"))
        .with_renewed_at(time("renewTime")))
}

fn holder_of(spec: &Object) -> &str {
    spec.get("holderIdentity").and_then(Value::as_str).unwrap_or_default()
}

/// A foreign holder's name may be any text of any length. It is only for people here; `None` of an empty one.
fn cleaned(identity: &str) -> Option<HolderId> {
    if identity.is_empty() {
        return None;
    }
    let printable: String =
        identity.chars().take(128).map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '_' }).collect();
    HolderId::new(printable.trim()).or_else(|_| HolderId::new("_")).ok()
}

/// The five fields of a spec that make an election.
fn seal(spec: &Object) -> Value {
    let field = |name: &str| spec.get(name).cloned().unwrap_or_default();
    json!([
        holder_of(spec),
        field("leaseDurationSeconds"),
        field("acquireTime"),
        field("renewTime"),
        field("leaseTransitions"),
    ])
}

/// A Lease to create: held by nobody.
pub(crate) fn new(at: &KubernetesObject, record: &Record) -> Object {
    let spec = released(Object::new());
    let mut object = Object::new();
    object.insert("apiVersion".to_owned(), at.api_version().into());
    object.insert("kind".to_owned(), "Lease".into());
    object.insert("metadata".to_owned(), json!({"name": at.name, "namespace": at.namespace}));
    with(object, spec, record)
}

/// The Lease to write over `object`, which is what was seen whole: with its resourceVersion and uid, by which the server refuses the write
/// over any other version, and over a Lease that was created anew.
pub(crate) fn replaced(mut object: Object, seen: &Record, record: &Record) -> Object {
    let spec = match object.remove("spec") {
        Some(Value::Object(spec)) => spec,
        _ => Object::new(),
    };
    let same_term = seen.fencing_token == record.fencing_token;
    let spec = match &record.holder {
        None => released(spec),
        Some(_) if same_term && record.renewals == seen.renewals => spec, // Broken: no sign of life, to client-go neither.
        Some(_) if same_term => renewed(spec, record),
        Some(holder) => begun(spec, holder, record),
    };
    with(object, spec, record)
}

fn with(mut object: Object, spec: Object, record: &Record) -> Object {
    let rest = Object::from_iter([(SEAL.to_owned(), seal(&spec))]);
    object.insert("spec".to_owned(), Value::Object(spec));
    annotate(&mut object, RECORD, common::to_text(record, &rest));
    object
}

/// Puts an annotation into an object that is to be sent.
pub(crate) fn annotate(object: &mut Object, name: &str, text: String) {
    let Value::Object(metadata) = object.entry("metadata").or_insert_with(|| json!({})) else { return };
    // The server keeps its own, which can be larger than all else.
    metadata.remove("managedFields");
    let annotations = metadata.entry("annotations").or_insert(Value::Null);
    if !annotations.is_object() {
        *annotations = json!({});
    }
    if let Value::Object(annotations) = annotations {
        annotations.insert(name.to_owned(), text.into());
    }
}

/// As client-go releases. A duration of 0 would be refused.
fn released(mut spec: Object) -> Object {
    spec.insert("holderIdentity".to_owned(), "".into());
    spec.insert("leaseDurationSeconds".to_owned(), 1.into());
    spec.entry("leaseTransitions").or_insert(0.into());
    spec
}

fn renewed(mut spec: Object, record: &Record) -> Object {
    let on_record = spec.get("renewTime").and_then(Value::as_str).and_then(times::read);
    spec.insert("leaseDurationSeconds".to_owned(), record.lease.as_secs().into());
    put_time(&mut spec, "renewTime", record.renewed_at.map(|now| times::next_second(on_record, now)));
    spec
}

/// A term begins. `leaseTransitions` counts terms, so that a Lease which the same worker has released and taken again within a second
/// differs for client-go too.
fn begun(spec: Object, holder: &HolderId, record: &Record) -> Object {
    let before = spec.get("leaseTransitions").and_then(Value::as_i64).unwrap_or_default();
    let mut spec = renewed_at_most(spec, before, record);
    spec.insert("holderIdentity".to_owned(), holder.as_str().into());
    spec.insert("leaseDurationSeconds".to_owned(), record.lease.as_secs().into());
    spec.insert("leaseTransitions".to_owned(), before.saturating_add(1).clamp(1, MOST_TRANSITIONS).into());
    put_time(&mut spec, "acquireTime", record.elected_at);
    spec
}

/// Where transitions can rise no more, the time alone has to tell of the new term.
fn renewed_at_most(mut spec: Object, transitions: i64, record: &Record) -> Object {
    if transitions >= MOST_TRANSITIONS {
        return renewed(spec, record);
    }
    put_time(&mut spec, "renewTime", record.renewed_at);
    spec
}

fn put_time(spec: &mut Object, name: &str, time: Option<SystemTime>) {
    if let Some(text) = time.and_then(times::micro) {
        spec.insert(name.to_owned(), text.into());
    }
}

fn corrupt(at: &KubernetesObject, what: &str) -> Error {
    Error::new(
        ErrorKind::CorruptRecord,
        format!(
            "in {at}, {what}; something else writes to it. Nothing was changed: mend the Lease, or let another election have its name"
        ),
    )
}

#[cfg(test)]
mod tests;
