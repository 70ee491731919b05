//! The fields of a JSON record that anybody may have written.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::claim::HolderId;
use crate::error::{Error, Result};
use crate::timing::Timing;

/// Reads fields, each with the bounds that any sensible record keeps; what is outside them is corrupt.
pub struct Fields<'a> {
    record: &'a Map<String, Value>,
    corrupt: fn(&str, &str) -> Error,
}

impl<'a> Fields<'a> {
    /// `corrupt` makes the error of a field's name and what is wrong with it.
    pub fn new(record: &'a Map<String, Value>, corrupt: fn(&str, &str) -> Error) -> Self {
        Self { record, corrupt }
    }

    pub fn corrupt(&self, name: &str, what: &str) -> Error {
        (self.corrupt)(name, what)
    }

    pub fn get(&self, name: &str) -> Result<&Value> {
        self.record.get(name).ok_or_else(|| self.corrupt(name, "is missing"))
    }

    pub fn text(&self, name: &str) -> Result<&str> {
        let text = self.get(name)?.as_str().ok_or_else(|| self.corrupt(name, "is no string"))?;
        if text.len() > 256 { Err(self.corrupt(name, "is longer than 256 characters")) } else { Ok(text) }
    }

    pub fn number(&self, name: &str) -> Result<u64> {
        self.get(name)?.as_u64().ok_or_else(|| self.corrupt(name, "is no whole number from 0 up"))
    }

    pub fn holder(&self, name: &str) -> Result<Option<HolderId>> {
        match self.text(name)? {
            "" => Ok(None),
            holder => HolderId::new(holder).map(Some).map_err(|_| self.corrupt(name, "is no holder id")),
        }
    }

    pub fn duration(&self, name: &str) -> Result<Duration> {
        let duration = Duration::from_millis(self.number(name)?);
        if duration > Timing::MAX_LEASE { Err(self.corrupt(name, "is longer than an hour")) } else { Ok(duration) }
    }
}

/// A duration as a record holds it.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
