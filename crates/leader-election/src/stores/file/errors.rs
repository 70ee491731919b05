//! What went wrong with the files, in words.

use std::fmt;
use std::io;
use std::path::Path;

use crate::error::{Error, ErrorKind};
use crate::kit::record::begin_anew;

/// Of which file.
#[derive(Clone, Copy)]
pub(super) enum Of {
    Leader,
    Side,
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Leader => "the leader record",
            Self::Side => "the side record",
        })
    }
}

/// At which step.
#[derive(Clone, Copy)]
pub(super) enum Doing {
    /// The directory.
    Creating,
    Reading(Of),
    /// What is to become the record.
    Writing(Of),
    /// The record by it.
    Replacing(Of),
    /// Both records of an election have one lock.
    Locking,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Creating => f.write_str("creating the directory of the leader record"),
            Self::Reading(of) => write!(f, "reading {of}"),
            Self::Writing(of) | Self::Replacing(of) => write!(f, "writing {of}"),
            Self::Locking => f.write_str("locking the leader record"),
        }
    }
}

/// An error of the operating system as one of ours. What is not known to last is transient: a full disk gets room again.
/// `file` is the one that was to be opened or replaced, if it exists.
pub(super) fn failure(doing: Doing, directory: &Path, file: Option<&Path>, error: io::Error) -> Error {
    let place = directory.display();
    let (kind, sentence) = match error.kind() {
        io::ErrorKind::NotFound if matches!(doing, Doing::Creating) => (
            ErrorKind::NotFound,
            format!("neither the directory {place} nor the one above it exists: create it, on a disk of this machine"),
        ),
        io::ErrorKind::NotFound => (
            ErrorKind::NotFound,
            format!(
                "{doing} failed, as the directory {place} does not exist: create it, on a disk of this machine, or let a worker \
                 contend, which creates it"
            ),
        ),
        io::ErrorKind::NotADirectory => {
            (ErrorKind::NotFound, format!("{doing} failed, as {place} is no directory: name one"))
        }
        io::ErrorKind::PermissionDenied if passes(doing, cfg!(windows)) => (
            ErrorKind::Unavailable,
            format!(
                "{doing} in {place} failed, as another program holds the file open, such as a virus scanner: {error}"
            ),
        ),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            (ErrorKind::Denied, denied(doing, directory, file))
        }
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

/// Windows denies the replacement of a file as long as a program has it open.
fn passes(doing: Doing, on_windows: bool) -> bool {
    on_windows && matches!(doing, Doing::Replacing(_))
}

fn denied(doing: Doing, directory: &Path, file: Option<&Path>) -> String {
    match file {
        // In a directory with the sticky bit another user's file can be neither written nor replaced.
        Some(file) => format!(
            "{doing} was denied: {} belongs to another user or may not be written; run all workers of this election as one \
             user, in a directory of their own",
            file.display()
        ),
        None => format!(
            "{doing} was denied: give this process the right to read, write and create files in {}",
            directory.display()
        ),
    }
}

/// The record is left as it is.
pub(super) fn corrupt(record: &Path, what: &str) -> Error {
    Error::new(
        ErrorKind::CorruptRecord,
        format!(
            "{} {what}; something else writes to it. Nothing was changed: {}",
            record.display(),
            begin_anew("the file", "this machine's time")
        ),
    )
}

/// The record beside the leader record is left as it is.
pub(super) fn spoilt(record: &Path, what: &str) -> Error {
    let message = format!(
        "{} {what}; something else writes to it. Nothing was changed: restore it, or delete it",
        record.display()
    );
    Error::new(ErrorKind::CorruptRecord, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_that_a_scanner_holds_up_on_windows_is_transient_and_a_missing_right_is_not() {
        let (replacing, writing) = (Doing::Replacing(Of::Leader), Doing::Writing(Of::Leader));
        assert!(passes(replacing, true));
        for (doing, on_windows) in [(replacing, false), (writing, true), (Doing::Locking, true)] {
            assert!(!passes(doing, on_windows));
        }
        assert!(ErrorKind::Unavailable.is_transient() && !ErrorKind::Denied.is_transient());
    }
}
