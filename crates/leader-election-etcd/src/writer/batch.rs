//! What goes into one transaction.

use std::collections::HashSet;
use std::fmt;

use leader_election::{Error, Result};

use super::{FENCE, FencedKeys};
use crate::wire::Change;

/// Puts and deletes that etcd carries out together, or not at all. See [`FencedKeys::write`].
///
/// Keys are those behind the prefix of the [`FencedKeys`]. `Debug` shows no values.
///
/// ```
/// use leader_election_etcd::KeyBatch;
///
/// let batch = KeyBatch::new().put("billed-until", "2026-11-28").delete("due/2026-11-28");
/// assert_eq!(batch.len(), 2);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[must_use = "nothing is written yet"]
pub struct KeyBatch {
    changes: Vec<(String, Option<Vec<u8>>)>,
}

impl KeyBatch {
    /// The most changes that a batch may have: 127. With the fence's own they are the
    /// [128 of a transaction](https://etcd.io/docs/v3.4/op-guide/configuration/) that etcd takes by default.
    pub const MAX: usize = 127;

    /// An empty batch, which does nothing but take the fence.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a put.
    pub fn put(mut self, key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.changes.push((key.into(), Some(value.into())));
        self
    }

    /// Adds a deletion; it is no error that the key is absent.
    pub fn delete(mut self, key: impl Into<String>) -> Self {
        self.changes.push((key.into(), None));
        self
    }

    /// The number of changes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether it has no changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The changes as etcd takes them: under the prefix, each key once, within etcd's own limits.
    pub(super) fn changes(self, prefix: &str) -> Result<Vec<Change>> {
        if self.changes.len() > Self::MAX {
            return Err(Error::setting(format!(
                "a batch takes 127 changes at the most, not {}: split it",
                self.changes.len()
            )));
        }
        let mut keys = HashSet::new();
        let change = |(key, value): (String, Option<Vec<u8>>)| {
            let key = whole_key(prefix, &key)?;
            if !keys.insert(key.clone()) {
                return Err(Error::setting(
                    "a batch may change each key once, as etcd takes no transaction that changes one twice",
                ));
            }
            Ok(value.map_or_else(|| Change::Delete(key.clone()), |value| Change::Put(key.clone(), value)))
        };
        self.changes.into_iter().map(change).collect()
    }
}

/// A key behind the prefix. The fence is none of the caller's.
pub(super) fn whole_key(prefix: &str, key: &str) -> Result<Vec<u8>> {
    if key == FENCE {
        return Err(Error::setting(format!("the key {} is the fence's own: take another one", FencedKeys::FENCE)));
    }
    if !(1..=1_024).contains(&key.len()) {
        return Err(Error::setting("a key must have 1 to 1,024 bytes behind the prefix"));
    }
    Ok(format!("{prefix}{key}").into_bytes())
}

impl fmt::Debug for KeyBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let change = |(key, value): &(String, Option<Vec<u8>>)| {
            format!("{} {key}", if value.is_some() { "put" } else { "delete" })
        };
        f.debug_list().entries(self.changes.iter().map(change)).finish()
    }
}

#[cfg(test)]
mod tests {
    use leader_election::ErrorKind;

    use super::*;

    #[test]
    fn a_batch_that_etcd_would_refuse_is_refused_before_it_is_sent() {
        let full = (0..KeyBatch::MAX).fold(KeyBatch::new(), |batch, number| batch.put(number.to_string(), "x"));
        assert_eq!(full.clone().changes("billing/").expect("the most there may be").len(), 127);
        for batch in [
            full.delete("one more"),
            KeyBatch::new().put("a", "1").delete("a"),
            KeyBatch::new().put(FencedKeys::FENCE, "0"),
            KeyBatch::new().put("", "1"),
            KeyBatch::new().put("x".repeat(1_025), "1"),
        ] {
            assert_eq!(batch.changes("billing/").expect_err("refused").kind(), ErrorKind::InvalidSetting);
        }
    }

    #[test]
    fn values_are_not_shown() {
        let batch = KeyBatch::new().put("a", "SECRET").delete("b");
        assert_eq!(format!("{batch:?}"), r#"["put a", "delete b"]"#);
    }
}
