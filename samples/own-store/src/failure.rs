//! What an error of SQLite's means to a host.

use leader_election::kit::redact::scrubbed;
use leader_election::{Error, ErrorKind};
use rusqlite::ErrorCode;

pub(crate) fn failed(error: rusqlite::Error) -> Error {
    let (kind, what) = match &error {
        rusqlite::Error::SqliteFailure(failure, _) => meaning(failure.code),
        // Another column type, a text that is no UTF-8, a number out of range.
        rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::Utf8Error(..) => {
            (ErrorKind::CorruptRecord, "a row cannot be understood; nothing was changed: restore it or delete it")
        }
        // A table of that name with other columns.
        _ => (ErrorKind::Refused, "SQLite refused the statement: does the table have the columns of this store?"),
    };
    let cause = scrubbed(&error);
    Error::new(kind, format!("{what} ({})", cause.root())).with_source(cause)
}

/// When in doubt, the kind is a transient one: the host asks again, and stops at its lease's end.
fn meaning(code: ErrorCode) -> (ErrorKind, &'static str) {
    match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            (ErrorKind::Throttled, "the database is busy with another write")
        }
        ErrorCode::CannotOpen => (ErrorKind::NotFound, "the database cannot be opened: look at its path and rights"),
        ErrorCode::PermissionDenied | ErrorCode::ReadOnly => {
            (ErrorKind::Denied, "this process lacks the right to write the database and its directory")
        }
        ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt => (
            ErrorKind::CorruptRecord,
            "the file is no sound SQLite database; nothing was changed: restore it or remove it",
        ),
        ErrorCode::TooBig => {
            (ErrorKind::CorruptRecord, "a row is too long to be a record; nothing was changed: restore it or delete it")
        }
        _ => (ErrorKind::Unavailable, "SQLite could not carry out the request: look at the disk"),
    }
}
