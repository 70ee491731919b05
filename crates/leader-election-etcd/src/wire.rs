//! What goes over the wire: the JSON of etcd's gateway, in which keys and values are base64, and numbers of 64 bits are texts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

/// A condition of a transaction.
pub(crate) enum Compare<'a> {
    /// The key is absent.
    Absent(&'a [u8]),
    /// The key has this very value. Never its revision: after a snapshot was restored, another value can have the same one.
    Value(&'a [u8], &'a [u8]),
}

/// A change of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
}

/// Reads one key as the cluster has it now: never `serializable`, which a member answers by itself and late.
pub(crate) fn range(key: &[u8]) -> Value {
    json!({"key": encode(key)})
}

/// The keys from `from` on that begin with `prefix`, without their values.
pub(crate) fn keys(from: &[u8], prefix: &[u8], limit: usize) -> Value {
    json!({"key": encode(from), "range_end": encode(&after_all_of(prefix)), "keys_only": true, "limit": limit.to_string()})
}

/// Makes all changes if the condition holds; if not, reads the key.
pub(crate) fn txn(compare: &Compare<'_>, changes: &[Change]) -> Value {
    let (key, compare) = match compare {
        Compare::Absent(key) => {
            (key, json!({"key": encode(key), "target": "CREATE", "result": "EQUAL", "create_revision": "0"}))
        }
        Compare::Value(key, value) => {
            (key, json!({"key": encode(key), "target": "VALUE", "result": "EQUAL", "value": encode(value)}))
        }
    };
    let changes: Vec<_> = changes
        .iter()
        .map(|change| match change {
            Change::Put(key, value) => json!({"request_put": {"key": encode(key), "value": encode(value)}}),
            Change::Delete(key) => json!({"request_delete_range": {"key": encode(key)}}),
        })
        .collect();
    json!({"compare": [compare], "success": changes, "failure": [{"request_range": range(key)}]})
}

/// Tells of what happens to the key from this revision on; `None`: from now on.
pub(crate) fn watch(key: &[u8], from: Option<u64>) -> Value {
    let mut create = json!({"key": encode(key)});
    if let Some(from) = from {
        create["start_revision"] = from.to_string().into();
    }
    json!({"create_request": create})
}

/// The first key after all that begin with `prefix`.
fn after_all_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    // To etcd: all keys.
    vec![0]
}

/// The answer to a request that signs in.
#[derive(Deserialize)]
pub(crate) struct SignedIn {
    pub(crate) token: String,
}

#[derive(Deserialize)]
pub(crate) struct Header {
    /// Of the whole store, when it answered.
    #[serde(deserialize_with = "number")]
    pub(crate) revision: u64,
}

/// What is absent in an answer is zero, empty or false.
#[derive(Deserialize)]
pub(crate) struct Range {
    pub(crate) header: Header,
    #[serde(default)]
    pub(crate) kvs: Vec<KeyValue>,
    #[serde(default)]
    pub(crate) more: bool,
}

#[derive(Deserialize)]
pub(crate) struct KeyValue {
    #[serde(default, deserialize_with = "bytes")]
    pub(crate) key: Vec<u8>,
    #[serde(default, deserialize_with = "bytes")]
    pub(crate) value: Vec<u8>,
}

#[derive(Deserialize)]
struct Txn {
    header: Header,
    #[serde(default)]
    succeeded: bool,
    #[serde(default)]
    responses: Vec<Response>,
}

#[derive(Deserialize)]
struct Response {
    response_range: Option<Range>,
}

/// What became of a transaction.
pub(crate) enum Outcome {
    /// The condition held, and all changes were made.
    Changed { revision: u64 },
    /// It did not hold, and nothing was changed: this stands at its key, if anything.
    Stands { value: Option<Vec<u8>>, revision: u64 },
}

impl<'de> Deserialize<'de> for Outcome {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let Txn { header: Header { revision }, succeeded, responses } = Txn::deserialize(deserializer)?;
        if succeeded {
            return Ok(Self::Changed { revision });
        }
        // An answer that does not say what stands there says nothing: a proxy's `{}` must not pass for "it did not hold".
        let range = responses.into_iter().next().and_then(|response| response.response_range);
        let range = range.ok_or_else(|| serde::de::Error::custom("no response_range"))?;
        Ok(Self::Stands { value: range.kvs.into_iter().next().map(|kv| kv.value), revision })
    }
}

/// A line of a watch.
#[derive(Deserialize)]
pub(crate) struct WatchLine {
    pub(crate) result: Option<Watched>,
    pub(crate) error: Option<WatchError>,
}

#[derive(Deserialize)]
pub(crate) struct Watched {
    pub(crate) header: Option<WatchHeader>,
    #[serde(default)]
    pub(crate) created: bool,
    #[serde(default)]
    pub(crate) canceled: bool,
    #[serde(default)]
    pub(crate) cancel_reason: String,
    /// Not zero: the watch was to begin at a revision that was compacted, and this is the first that was not.
    #[serde(default, deserialize_with = "number")]
    pub(crate) compact_revision: u64,
    #[serde(default)]
    pub(crate) events: Vec<Event>,
}

#[derive(Deserialize)]
pub(crate) struct WatchHeader {
    /// Absent where the watch is cancelled.
    #[serde(default, deserialize_with = "number")]
    pub(crate) revision: u64,
}

#[derive(Deserialize)]
pub(crate) struct Event {
    /// `DELETE`; absent or `PUT` otherwise.
    #[serde(default, rename = "type")]
    pub(crate) kind: String,
    pub(crate) kv: Option<KeyValue>,
}

#[derive(Deserialize)]
pub(crate) struct WatchError {
    #[serde(default, alias = "code")]
    pub(crate) grpc_code: u64,
    #[serde(default)]
    pub(crate) message: String,
}

fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map_err(serde::de::Error::custom)
}

/// A text of digits, as 3.4 to 3.6 write it, or a number.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    match Either::deserialize(deserializer)? {
        Either::Number(number) => Ok(number),
        Either::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(text: &str) -> Option<Outcome> {
        serde_json::from_str(text).ok()
    }

    #[test]
    fn an_answer_tells_of_success_or_of_what_stands_there_and_all_else_is_none() {
        let changed = r#"{"header":{"revision":"7","raft_term":"2"},"succeeded":true,"responses":[{"response_put":{"header":{"revision":"7"}}}]}"#;
        assert!(matches!(outcome(changed), Some(Outcome::Changed { revision: 7 })));
        let stands = r#"{"header":{"revision":"7"},"responses":[{"response_range":{"header":{"revision":"7"},"kvs":[{"key":"aw==","value":"YQ=="}],"count":"1"}}]}"#;
        assert!(matches!(outcome(stands), Some(Outcome::Stands { value: Some(value), revision: 7 }) if value == b"a"));
        let absent = r#"{"header":{"revision":"7"},"responses":[{"response_range":{"header":{"revision":"7"}}}]}"#;
        assert!(matches!(outcome(absent), Some(Outcome::Stands { value: None, .. })));
        for text in [
            "",
            "{}",
            "null",
            "[]",
            r#"{"header":{"revision":"7"}}"#,
            r#"{"succeeded":true}"#,
            r#"{"header":{"revision":"-1"},"succeeded":true}"#,
            r#"{"header":{"revision":"7"},"succeeded":"yes"}"#,
            r#"{"header":{"revision":"7"},"responses":[{"response_range":{"header":{"revision":"7"},"kvs":[{"value":"!"}]}}]}"#,
        ] {
            assert!(outcome(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_end_of_a_range_is_behind_all_that_begins_so() {
        assert_eq!(after_all_of(b"elections/"), b"elections0");
        assert_eq!(after_all_of(&[b'a', 0xff, 0xff]), b"b");
        assert_eq!(after_all_of(&[0xff]), [0]);
    }

    #[test]
    fn a_read_asks_the_cluster_and_not_one_member() {
        assert_eq!(range(b"k"), json!({"key": "aw=="}));
        assert!(!txn(&Compare::Absent(b"k"), &[]).to_string().contains("serializable"));
    }
}
