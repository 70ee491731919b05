//! What went wrong with the files, in words.

use std::fmt;
use std::io;
use std::path::Path;

use crate::error::{Error, ErrorKind};

/// At which step.
#[derive(Clone, Copy)]
pub(super) enum Doing {
    Reading,
    Writing,
    Locking,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reading => "reading the leader record",
            Self::Writing => "writing the leader record",
            Self::Locking => "locking the leader record",
        })
    }
}

/// An error of the operating system as one of ours. What is not known to last is transient: a full disk gets room again.
pub(super) fn failure(doing: Doing, directory: &Path, error: io::Error) -> Error {
    let place = directory.display();
    let (kind, sentence) = match error.kind() {
        io::ErrorKind::NotFound => (
            ErrorKind::NotFound,
            format!("{doing} failed, as the directory {place} does not exist: create it, on a disk of this machine"),
        ),
        io::ErrorKind::NotADirectory => {
            (ErrorKind::NotFound, format!("{doing} failed, as {place} is no directory: name one"))
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => (
            ErrorKind::Denied,
            format!("{doing} was denied: give this process the right to read, write and create files in {place}"),
        ),
        io::ErrorKind::Unsupported => (
            ErrorKind::Refused,
            format!(
                "{doing} is not supported by the file system of {place}: use a directory on a disk of this machine"
            ),
        ),
        _ => (ErrorKind::Unavailable, format!("{doing} in {place} failed: {error}")),
    };
    Error::new(kind, sentence).with_source(error)
}

/// The record is left as it is.
pub(super) fn corrupt(record: &Path, what: &str) -> Error {
    Error::new(
        ErrorKind::CorruptRecord,
        format!(
            "{} {what}; something else writes to it. Nothing was changed: restore the file, or delete it to begin anew \
             (fencing tokens go on rising, by this machine's clock)",
            record.display()
        ),
    )
}
