//! What is asked of the account, and how often.

use std::collections::HashMap;
use std::sync::Mutex;

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Account,
    Database,
    Container,
    PartitionKeyRanges,
    Item,
    Other,
}

impl Kind {
    /// From a path such as `/dbs/<name>/colls/<name>/docs/<name>`, with or without the last name.
    pub(super) fn of(path: &str) -> Self {
        let segments: Vec<_> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        match *segments.as_slice() {
            [] => Self::Account,
            ["dbs"] | ["dbs", _] => Self::Database,
            ["dbs", _, "colls"] | ["dbs", _, "colls", _] => Self::Container,
            ["dbs", _, "colls", _, "pkranges"] => Self::PartitionKeyRanges,
            ["dbs", _, "colls", _, "docs"] | ["dbs", _, "colls", _, "docs", _] => Self::Item,
            _ => Self::Other,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Requests(Mutex<HashMap<(String, Kind), u64>>);

impl Requests {
    pub(super) fn note(&self, method: &str, kind: Kind) {
        *self.0.lock().expect("not poisoned").entry((method.to_owned(), kind)).or_default() += 1;
    }

    pub(super) fn count(&self, method: &str, kind: Kind) -> u64 {
        self.0.lock().expect("not poisoned").get(&(method.to_owned(), kind)).copied().unwrap_or_default()
    }
}
