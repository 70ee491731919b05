//! A record beside the election's: an annotation of a Lease of its own.
//!
//! It is a Lease, and no ConfigMap, because of the rights it takes: the rules that a worker has for its election's Lease need one more name
//! each, and no other kind. Nobody holds that Lease, and no request to it touches the election's.

use leader_election::{Error, ErrorKind, Result, SideContent, SideRecord, Sources, Version, Written, async_trait};
use serde_json::{Value, json};

use crate::cluster::KubernetesCluster;
use crate::object::KubernetesObject;
use crate::requests::{self, Outcome};
use crate::wire::{self, Object};

const SIDE: &str = "azure-leader-election/side";

pub(crate) struct SideLease {
    pub(crate) cluster: KubernetesCluster,
    pub(crate) at: KubernetesObject,
}

struct Seen {
    version: Version,
    text: String,
    /// Of the write that put it there.
    number: String,
    object: Object,
}

impl SideLease {
    async fn look(&self) -> Result<Option<Seen>> {
        match requests::get(&self.cluster, &self.at).await? {
            Some(read) => read_side(&self.at, read.object),
            None => Ok(None),
        }
    }

    async fn outcome(&self, outcome: Outcome, number: &str) -> Result<Written> {
        if let Outcome::Done(object) = outcome {
            return Ok(Written::Done(version(&self.at, &object)?));
        }
        // Only this call bears this number: if it stands there, what was refused was the repetition of a write that was carried out.
        match self.look().await? {
            Some(seen) if seen.number == number => Ok(Written::Done(seen.version)),
            _ => Ok(Written::Conflict),
        }
    }
}

#[async_trait]
impl SideRecord for SideLease {
    async fn read(&self) -> Result<Option<SideContent>> {
        Ok(self.look().await?.map(|seen| SideContent::new(seen.version, seen.text)))
    }

    async fn create(&self, content: &str) -> Result<Written> {
        SideContent::check(content)?;
        let number = write_number();
        let outcome = match requests::get(&self.cluster, &self.at).await? {
            None => {
                let object = Object::from_iter([
                    ("apiVersion".to_owned(), self.at.api_version().into()),
                    ("kind".to_owned(), "Lease".into()),
                    ("metadata".to_owned(), json!({"name": self.at.name, "namespace": self.at.namespace})),
                    ("spec".to_owned(), json!({})),
                ]);
                requests::create(&self.cluster, &self.at, &with(object, &number, content)).await?
            }
            // As a manifest ships it, for workers without the right to create: it is there, and says nothing yet.
            Some(read) if !is_written(&read.object) => {
                requests::replace(&self.cluster, &self.at, &with(read.object, &number, content)).await?
            }
            Some(_) => Outcome::Conflict,
        };
        self.outcome(outcome, &number).await
    }

    async fn replace(&self, seen: &Version, content: &str) -> Result<Written> {
        SideContent::check(content)?;
        let number = write_number();
        let outcome = match self.look().await? {
            Some(now) if now.version == *seen => {
                requests::replace(&self.cluster, &self.at, &with(now.object, &number, content)).await?
            }
            _ => Outcome::Conflict,
        };
        self.outcome(outcome, &number).await
    }
}

fn with(mut object: Object, number: &str, text: &str) -> Object {
    let side = json!({"schemaVersion": 1, "write": number, "text": text});
    wire::annotate(&mut object, SIDE, side.to_string());
    object
}

fn is_written(object: &Object) -> bool {
    annotation(object).is_some()
}

fn annotation(object: &Object) -> Option<&Value> {
    object.get("metadata")?.get("annotations")?.get(SIDE)
}

/// Reads a Lease that anybody may have written.
fn read_side(at: &KubernetesObject, object: Object) -> Result<Option<Seen>> {
    let corrupt = |what: &str| {
        let message = format!(
            "in the annotation {SIDE} of {at}, {what}; something else writes to it. Nothing was changed: restore it, or delete it"
        );
        Error::new(ErrorKind::CorruptRecord, message)
    };
    let Some(annotation) = annotation(&object) else { return Ok(None) };
    let side: Value = annotation.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    match side.get("schemaVersion").and_then(Value::as_u64) {
        Some(1) => {}
        Some(newer) if newer > 1 => return Err(corrupt("schemaVersion is newer than this program knows")),
        _ => return Err(corrupt("schemaVersion is none that there ever was")),
    }
    let text = side.get("text").and_then(Value::as_str).ok_or_else(|| corrupt("text is no string"))?;
    if text.len() > SideContent::MAX {
        return Err(corrupt("text is longer than 8,192 bytes"));
    }
    let number = side.get("write").and_then(Value::as_str).unwrap_or_default();
    let (version, text, number) = (version(at, &object)?, text.to_owned(), number.to_owned());
    Ok(Some(Seen { version, text, number, object }))
}

fn version(at: &KubernetesObject, object: &Object) -> Result<Version> {
    let version = object.get("metadata").and_then(|metadata| metadata.get("resourceVersion")).and_then(Value::as_str);
    let missing = || Error::new(ErrorKind::CorruptRecord, format!("{at} has no resourceVersion"));
    Version::new(version.ok_or_else(missing)?)
}

/// A number that no other write has.
fn write_number() -> String {
    Sources::system().uuid().simple().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> KubernetesObject {
        KubernetesObject::lease("prod", "nightly.wish").expect("valid")
    }

    fn object() -> Object {
        Object::from_iter([("metadata".to_owned(), json!({"resourceVersion": "7", "uid": "u"}))])
    }

    #[test]
    fn what_was_written_is_read() {
        let longest = "\u{0}".repeat(SideContent::MAX);
        for text in ["", "2026-11-27T02:00:00Z", "größer \u{1F600}", &longest] {
            let seen = read_side(&at(), with(object(), "7", text)).expect("readable").expect("there");
            assert_eq!((seen.text.as_str(), seen.number.as_str(), seen.version.as_str()), (text, "7", "7"));
        }
        assert!(read_side(&at(), object()).expect("readable").is_none(), "a Lease as a manifest ships it");
    }

    #[test]
    fn invariant_14_whatever_cannot_be_understood_is_an_error_that_names_it() {
        let long = json!({"schemaVersion": 1, "text": "x".repeat(SideContent::MAX + 1)}).to_string();
        for (text, name) in [
            (r#"{"schemaVersion": 1}"#, "text"),
            (&*long, "text"),
            (r#"{"schemaVersion": 2, "text": ""}"#, "schemaVersion"),
            ("[]", "schemaVersion"),
            ("", "schemaVersion"),
        ] {
            let mut object = object();
            wire::annotate(&mut object, SIDE, text.to_owned());
            let error = read_side(&at(), object).err().expect("must be refused");
            assert_eq!(error.kind(), ErrorKind::CorruptRecord);
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
