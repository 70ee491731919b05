//! The fence document.

use std::fmt;

use azure_data_cosmos::PartitionKey;
use azure_data_cosmos::models::PartitionKeyValue;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::FencedPartition;
use crate::error::{Error, ErrorKind, Result};
use crate::fencing::FencingToken;
use crate::sources::Sources;

/// How many writes the document remembers. A batch whose answer was lost is found as long as no more than these came after.
const REMEMBERED: usize = 8;

/// What the document says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fence {
    pub(super) token: FencingToken,
    /// The numbers of the latest writes, the last one first.
    writes: Vec<Uuid>,
}

/// A number that no other batch has.
pub(super) fn write_number() -> Uuid {
    Sources::system().uuid()
}

impl Fence {
    pub(super) fn after(before: Option<&Self>, token: FencingToken, write: Uuid) -> Self {
        let earlier = before.map(|fence| fence.writes.as_slice()).unwrap_or_default();
        let writes = std::iter::once(write).chain(earlier.iter().copied()).take(REMEMBERED).collect();
        Self { token, writes }
    }

    /// Whether there were more writes than are remembered.
    pub(super) fn may_have_forgotten_writes(&self) -> bool {
        self.writes.len() >= REMEMBERED
    }

    pub(super) fn wrote(&self, write: Uuid) -> bool {
        self.writes.contains(&write)
    }
}

/// A partition, by the properties of its partition key and their values.
#[derive(Debug, Clone)]
pub(super) struct Place {
    levels: Vec<(String, String)>,
}

impl Place {
    pub(super) fn new(partition_key: &[(&str, &str)]) -> Result<Self> {
        if !(1..=3).contains(&partition_key.len()) {
            return Err(Error::setting("a partition key has one to three levels"));
        }
        let levels: Vec<_> = partition_key
            .iter()
            .map(|(path, value)| (path.trim_matches('/').to_owned(), (*value).to_owned()))
            .collect();
        if levels.iter().any(|(path, _)| path.is_empty() || path.split('/').any(str::is_empty)) {
            return Err(Error::setting("a property of the partition key has no name"));
        }
        if levels.len() == 1 && levels[0].0 == "id" {
            return Err(Error::setting(
                "with the partition key /id every document is a partition of its own, and no batch can hold it and the fence \
                 document: use a container with another partition key",
            ));
        }
        let inside = |one: &str, other: &str| one == other || one.starts_with(&format!("{other}/"));
        for (number, (path, _)) in levels.iter().enumerate() {
            let own = ["id", "token", "writes", "ttl"].iter().any(|own| inside(path, own));
            let others = levels.iter().enumerate().filter(|(other, _)| *other != number);
            if own || others.into_iter().any(|(_, (other, _))| inside(path, other)) {
                return Err(Error::setting(
                    "a property of the partition key is one of the fence document's own (id, token, writes, ttl), or another of \
                     the key's",
                ));
            }
        }
        Ok(Self { levels })
    }

    pub(super) fn partition_key(&self) -> Result<PartitionKey> {
        let values: Vec<PartitionKeyValue> =
            self.levels.iter().map(|(_, value)| PartitionKeyValue::from(value.clone())).collect();
        PartitionKey::try_from(values).map_err(|error| Error::setting(format!("the partition key cannot be: {error}")))
    }

    /// The document as it is stored: Cosmos DB wants the partition key's properties in it.
    pub(super) fn document(&self, fence: &Fence) -> Value {
        let mut document = json!({
            "id": FencedPartition::FENCE_ID,
            "token": fence.token.get(),
            "writes": fence.writes.iter().map(|write| write.simple().to_string()).collect::<Vec<_>>(),
            // It never expires: a container's default time to live would delete the fence, and an older leader could write again.
            "ttl": -1,
        });
        for (path, value) in &self.levels {
            put(&mut document, path, value);
        }
        document
    }

    /// What the document says. It is untrusted: whatever is not as it must be is an error, and never a low token.
    pub(super) fn read(&self, document: Value) -> Result<Fence> {
        let corrupt = |what: &str| {
            Error::new(ErrorKind::CorruptRecord, format!("the fence document of {self} {what}; nothing was changed"))
        };
        let token = document.get("token").and_then(Value::as_u64).ok_or_else(|| corrupt("has no number `token`"))?;
        let token = FencingToken::new(token).map_err(|_| corrupt("has a `token` that is no fencing token"))?;
        let writes = document.get("writes").and_then(Value::as_array).ok_or_else(|| corrupt("has no list `writes`"))?;
        let writes = writes.iter().take(REMEMBERED).map(|write| write.as_str().and_then(|text| text.parse().ok()));
        let writes = writes.collect::<Option<_>>().ok_or_else(|| corrupt("has a write whose number is none"))?;
        Ok(Fence { token, writes })
    }
}

/// Puts `value` where `path` says, such as `address/city`.
fn put(document: &mut Value, path: &str, value: &str) {
    let mut at = document;
    for name in path.split('/') {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = &mut at[name];
    }
    *at = Value::from(value);
}

/// The values stay out of it: they may be anybody's names.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the partition by ")?;
        for (number, (path, _)) in self.levels.iter().enumerate() {
            write!(f, "{}/{path}", if number > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(number: u64) -> FencingToken {
        FencingToken::new(number).expect("in range")
    }

    #[test]
    fn what_was_written_is_read_and_the_latest_writes_are_remembered() {
        let place = Place::new(&[("/tenant", "contoso"), ("address/city", "Ulm")]).expect("valid");
        let numbers: Vec<_> = (0..20).map(Uuid::from_u128).collect();
        let fence = numbers
            .iter()
            .fold(None, |fence: Option<Fence>, write| Some(Fence::after(fence.as_ref(), token(7), *write)))
            .expect("written");
        let document = place.document(&fence);
        assert_eq!((&document["tenant"], &document["address"]["city"]), (&json!("contoso"), &json!("Ulm")));
        assert_eq!(place.read(document).expect("its own document"), fence);
        assert!(numbers[12..].iter().all(|write| fence.wrote(*write)));
        assert!(!numbers[..12].iter().any(|write| fence.wrote(*write)));
    }

    #[test]
    fn a_document_that_is_no_fence_is_an_error_and_never_a_low_token() {
        let place = Place::new(&[("tenant", "contoso")]).expect("valid");
        for document in [
            json!(null),
            json!([]),
            json!({"writes": []}),
            json!({"token": 0, "writes": []}),
            json!({"token": -1, "writes": []}),
            json!({"token": 1.5, "writes": []}),
            json!({"token": "7", "writes": []}),
            json!({"token": 1_u64 << 53, "writes": []}),
            json!({"token": 7}),
            json!({"token": 7, "writes": "none"}),
            json!({"token": 7, "writes": [7]}),
            json!({"token": 7, "writes": ["x"]}),
        ] {
            assert_eq!(
                place.read(document.clone()).expect_err("no fence").kind(),
                ErrorKind::CorruptRecord,
                "{document}"
            );
        }
    }

    #[test]
    fn a_partition_key_that_cannot_be_is_refused() {
        for key in [&[][..], &[("id", "x")], &[("/id", "x")], &[("", "x")], &[("a//b", "x")], &[("a", "x"); 4]] {
            assert_eq!(Place::new(key).expect_err("refused").kind(), ErrorKind::InvalidSetting, "{key:?}");
        }
    }
}
