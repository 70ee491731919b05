//! The objects, each with its version, and what has happened to them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Plural, namespace, name.
pub(crate) type Key = (String, String, String);

#[derive(Debug)]
pub(crate) struct Objects {
    version: u64,
    made: u64,
    stored: BTreeMap<Key, Value>,
    /// With the version after each.
    pub(super) events: Vec<(u64, Key, &'static str, Value)>,
    /// Events up to this version are not known any more.
    pub(super) compacted: u64,
}

impl Default for Objects {
    fn default() -> Self {
        let mut objects = Self { version: 100, made: 0, stored: BTreeMap::new(), events: Vec::new(), compacted: 0 };
        objects.create(namespace("default"), json!({"metadata": {"name": "default"}}));
        objects
    }
}

pub(super) fn namespace(name: &str) -> Key {
    ("namespaces".to_owned(), String::new(), name.to_owned())
}

impl Objects {
    pub(super) fn get(&self, key: &Key) -> Option<&Value> {
        self.stored.get(key)
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn of<'a>(&'a self, plural: &'a str, namespace: &'a str) -> impl Iterator<Item = &'a Value> {
        let is_there = move |key: &Key| key.0 == plural && key.1 == namespace;
        self.stored.iter().filter(move |(key, _)| is_there(key)).map(|(_, object)| object)
    }

    pub(super) fn create(&mut self, key: Key, object: Value) -> Value {
        self.made += 1;
        let object = self.prepared(&key, object);
        self.store(key, "ADDED", object)
    }

    /// As it would be stored.
    pub(super) fn prepared(&self, key: &Key, mut object: Value) -> Value {
        let metadata = &mut object["metadata"];
        metadata["name"] = key.2.as_str().into();
        if !key.1.is_empty() {
            metadata["namespace"] = key.1.as_str().into();
        }
        metadata["uid"] = format!("00000000-0000-4000-8000-{:012}", self.made).into();
        metadata["creationTimestamp"] = "2026-11-28T00:00:00Z".into();
        metadata["managedFields"] = json!([{"manager": "fake", "operation": "Update"}]);
        object
    }

    pub(super) fn replace(&mut self, key: Key, object: Value) -> Value {
        self.store(key, "MODIFIED", object)
    }

    pub(super) fn delete(&mut self, key: &Key) {
        let Some(mut object) = self.stored.remove(key) else { return };
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.events.push((self.version, key.clone(), "DELETED", object));
    }

    pub(super) fn compact(&mut self) {
        self.compacted = self.version;
        self.events.clear();
    }

    fn store(&mut self, key: Key, event: &'static str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.events.push((self.version, key.clone(), event, object.clone()));
        self.stored.insert(key, object.clone());
        object
    }
}
