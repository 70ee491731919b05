//! A document beside the leader document.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::cosmos::address::Address;
use crate::cosmos::documents::{Document, Documents};
use leader_election::{Error, ErrorKind, Result, SideContent, SideRecord, Sources, Version, Written};

pub(super) struct SideDocument {
    pub(super) documents: Arc<Documents>,
    pub(super) address: Address,
}

impl SideDocument {
    async fn look(&self) -> Result<Option<Seen>> {
        self.documents.read(&self.address).await?.map(|document| read(&self.address, document)).transpose()
    }

    /// Only this call bears this number: if it stands there after a conflict, what was refused was the repetition of a write
    /// that was carried out.
    async fn unless_ours(&self, written: Written, number: &str) -> Result<Written> {
        match written {
            Written::Done(_) => Ok(written),
            Written::Conflict => match self.documents.read(&self.address).await? {
                Some(document) if document.content.get(WRITE).and_then(Value::as_str) == Some(number) => {
                    Ok(Written::Done(document.version))
                }
                _ => Ok(Written::Conflict),
            },
        }
    }
}

#[async_trait]
impl SideRecord for SideDocument {
    async fn read(&self) -> Result<Option<SideContent>> {
        Ok(self.look().await?.map(|seen| SideContent::new(seen.version, seen.text)))
    }

    async fn create(&self, content: &str) -> Result<Written> {
        SideContent::check(content)?;
        let number = write_number();
        let document = write(&self.address.id, &number, content);
        let written = self.documents.create(&self.address, &document).await?;
        self.unless_ours(written, &number).await
    }

    async fn replace(&self, seen: &Version, content: &str) -> Result<Written> {
        SideContent::check(content)?;
        let number = write_number();
        let document = write(&self.address.id, &number, content);
        let written = self.documents.replace(&self.address, seen, &document).await?;
        self.unless_ours(written, &number).await
    }
}

struct Seen {
    version: Version,
    text: String,
}

const TEXT: &str = "text";
const WRITE: &str = "write";

fn write(id: &str, number: &str, text: &str) -> Value {
    // As the leader document, it must outlive what the container has for a default.
    json!({"id": id, "ttl": -1, "schemaVersion": 1, WRITE: number, TEXT: text})
}

/// Reads a document that anybody may have written.
fn read(at: &Address, document: Document) -> Result<Seen> {
    let corrupt = |what: &str| {
        let message =
            format!("in {at}, {what}; something else writes to it. Nothing was changed: restore it, or delete it");
        Error::new(ErrorKind::CorruptRecord, message)
    };
    match document.content.get("schemaVersion").and_then(Value::as_u64) {
        Some(1) => {}
        Some(newer) if newer > 1 => return Err(corrupt("schemaVersion is newer than this program knows")),
        _ => return Err(corrupt("schemaVersion is none that there ever was")),
    }
    let text = document.content.get(TEXT).and_then(Value::as_str).ok_or_else(|| corrupt("text is no string"))?;
    if text.len() > SideContent::MAX {
        return Err(corrupt("text is longer than 8,192 bytes"));
    }
    Ok(Seen { version: document.version, text: text.to_owned() })
}

/// A number that no other write has.
fn write_number() -> String {
    Sources::system().uuid().simple().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cosmos::laws;

    fn seen(content: Value) -> Result<Seen> {
        read(&laws::place(), Document { version: Version::new("\"1\"").expect("valid"), content })
    }

    #[test]
    fn what_was_written_is_read() {
        let longest = "\u{0}".repeat(SideContent::MAX);
        for text in ["", "2026-11-27T02:00:00Z", "größer \u{1F600}", &longest] {
            let mut document = write("nightly.wish", "7", text);
            document["_ts"] = json!(7);
            assert_eq!(seen(document).expect("readable").text, text);
        }
    }

    #[test]
    fn invariant_14_whatever_cannot_be_understood_is_an_error_that_names_it() {
        for (name, value) in [
            ("text", json!(7)),
            ("text", Value::Null),
            ("text", json!("x".repeat(SideContent::MAX + 1))),
            ("schemaVersion", json!(2)),
            ("schemaVersion", json!("1")),
            ("schemaVersion", json!(0)),
        ] {
            let mut document = write("nightly.wish", "7", "text");
            document[name] = value;
            let error = seen(document).err().expect("must be refused");
            assert_eq!(error.kind(), ErrorKind::CorruptRecord);
            assert!(error.to_string().contains(name), "{error}");
        }
        for document in [json!([]), json!("text"), json!(7), Value::Null, json!({})] {
            assert_eq!(seen(document).err().expect("no record").kind(), ErrorKind::CorruptRecord);
        }
    }
}
