//! The fields of a JSON record that anybody may have written.
//!
//! For a store that keeps its own fields, such as a token and a holder beside a lease. A whole record of a document store is read by
//! [`document::json`](crate::document::json), which is built on this.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::claim::HolderId;
use crate::error::{Error, Result};
use crate::port::LeaderData;
use crate::timing::Timing;

/// Reads fields, each with the bounds that any sensible record keeps; what is outside them is corrupt.
///
/// ```
/// use leader_election::kit::untrusted::Fields;
/// use leader_election::{Error, ErrorKind};
///
/// fn corrupt(name: &str, what: &str) -> Error {
///     Error::new(ErrorKind::CorruptRecord, format!("in the key nightly, {name} {what}; nothing was changed"))
/// }
///
/// let record = serde_json::from_str(r#"{"holder": "worker-7", "leaseMs": -1}"#).unwrap();
/// let fields = Fields::new(&record, corrupt);
/// assert_eq!(fields.holder("holder")?.unwrap().as_str(), "worker-7");
/// let refused = fields.duration("leaseMs").unwrap_err();
/// assert_eq!(refused.to_string(), "in the key nightly, leaseMs is no whole number from 0 up; nothing was changed");
/// # Ok::<(), leader_election::Error>(())
/// ```
pub struct Fields<'a> {
    record: &'a Map<String, Value>,
    corrupt: fn(&str, &str) -> Error,
}

impl<'a> Fields<'a> {
    /// `corrupt` makes the error of a field's name and what is wrong with it ("is missing"). Let its kind be
    /// [`CorruptRecord`](crate::ErrorKind::CorruptRecord). It never sees a field's content.
    #[must_use]
    pub fn new(record: &'a Map<String, Value>, corrupt: fn(&str, &str) -> Error) -> Self {
        Self { record, corrupt }
    }

    /// The error for what is wrong with a field, where a store reads one of its own.
    #[must_use]
    pub fn corrupt(&self, name: &str, what: &str) -> Error {
        (self.corrupt)(name, what)
    }

    /// A field that must be there.
    ///
    /// # Errors
    /// The one that [`new`](Self::new) was given.
    pub fn get(&self, name: &str) -> Result<&Value> {
        self.record.get(name).ok_or_else(|| self.corrupt(name, "is missing"))
    }

    /// A text of 256 bytes at the most.
    ///
    /// # Errors
    /// The one that [`new`](Self::new) was given.
    pub fn text(&self, name: &str) -> Result<&str> {
        let text = self.get(name)?.as_str().ok_or_else(|| self.corrupt(name, "is no string"))?;
        if text.len() > 256 { Err(self.corrupt(name, "is longer than 256 characters")) } else { Ok(text) }
    }

    /// A whole number from 0 up.
    ///
    /// # Errors
    /// The one that [`new`](Self::new) was given.
    pub fn number(&self, name: &str) -> Result<u64> {
        self.get(name)?.as_u64().ok_or_else(|| self.corrupt(name, "is no whole number from 0 up"))
    }

    /// A holder's name; `None` where the text is empty.
    ///
    /// # Errors
    /// The one that [`new`](Self::new) was given.
    pub fn holder(&self, name: &str) -> Result<Option<HolderId>> {
        match self.text(name)? {
            "" => Ok(None),
            holder => HolderId::new(holder).map(Some).map_err(|_| self.corrupt(name, "is no holder id")),
        }
    }

    /// What a leader tells others, if anything.
    ///
    /// # Errors
    /// The one that [`new`](Self::new) was given, when it is no text of 1 to 4,096 bytes.
    pub fn data(&self, name: &str) -> Result<Option<LeaderData>> {
        let Some(value) = self.record.get(name) else { return Ok(None) };
        let text = value.as_str().ok_or_else(|| self.corrupt(name, "is no string"))?;
        LeaderData::new(text).map(Some).map_err(|_| self.corrupt(name, "must have 1 to 4,096 bytes"))
    }

    /// A number of milliseconds, an hour at the most.
    ///
    /// # Errors
    /// The one that [`new`](Self::new) was given.
    pub fn duration(&self, name: &str) -> Result<Duration> {
        let duration = Duration::from_millis(self.number(name)?);
        if duration > Timing::MAX_LEASE { Err(self.corrupt(name, "is longer than an hour")) } else { Ok(duration) }
    }
}

/// A duration as a record holds it, in whole milliseconds; what is beyond [`u64::MAX`] is that.
///
/// ```
/// use leader_election::kit::untrusted::millis;
/// use std::time::Duration;
///
/// assert_eq!(millis(Duration::from_secs(15)), 15_000);
/// ```
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
