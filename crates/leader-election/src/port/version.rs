//! Versions of records.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};

/// The version of a record under compare-and-swap, such as an ETag. Only equality has a meaning.
///
/// ```
/// use leader_election::Version;
///
/// assert_eq!(Version::new("\"0x8D\"")?.as_str(), "\"0x8D\"");
/// assert!(Version::new("").is_err());
/// # Ok::<(), leader_election::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version(Arc<str>);

impl Version {
    /// Wraps what the store calls its version.
    ///
    /// # Errors
    /// [`CorruptRecord`](crate::ErrorKind::CorruptRecord) when it is empty or longer than 1,024 bytes.
    pub fn new(version: impl AsRef<str>) -> Result<Self> {
        let version = version.as_ref();
        if version.is_empty() || version.len() > 1024 {
            return Err(Error::new(ErrorKind::CorruptRecord, "a record's version must have 1 to 1,024 bytes"));
        }
        Ok(Self(version.into()))
    }

    /// The version as the store wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
