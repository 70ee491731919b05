//! The database file, opened anew for each request.
//!
//! A connection that is kept would go on with a file that somebody has deleted, while another worker elects itself in a new
//! one. To open a local file takes well under a millisecond.

use std::path::PathBuf;
use std::time::Duration;

use leader_election::{Error, ErrorKind, Result};
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use crate::failure::failed;

/// How long to wait for another process's write to end: that takes milliseconds. Not longer than a host with a lease of one
/// second waits for an answer.
const BUSY: Duration = Duration::from_millis(200);

/// The most bytes of a value that are read: far more than a record with 4,096 bytes of data needs.
const LONGEST: i32 = 256 * 1024;

/// A table of the store's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// How to create it, unless it is there.
    pub(crate) create: &'static str,
}

#[derive(Debug, Clone)]
pub(crate) struct Database {
    path: PathBuf,
}

impl Database {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// A connection; `None` where the file or the table is not there, as nobody has contended yet. To look creates nothing.
    pub(crate) fn open_existing(&self, table: Table) -> Result<Option<Connection>> {
        if !self.path.try_exists().map_err(|error| self.unreadable(error))? {
            return self.directory_exists().map(|()| None);
        }
        let connection = self.open(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let known = connection
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)",
                [table.name],
                |row| row.get(0),
            )
            .map_err(failed)?;
        Ok(if known { Some(connection) } else { None })
    }

    pub(crate) fn open_or_create(&self, table: Table) -> Result<Connection> {
        self.directory_exists()?;
        let connection = self.open(OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        connection.execute_batch(table.create).map_err(failed)?;
        Ok(connection)
    }

    /// The path is taken as it is: without `SQLITE_OPEN_URI` no part of it is a setting.
    fn open(&self, flags: OpenFlags) -> Result<Connection> {
        let connection = Connection::open_with_flags(&self.path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .and_then(|connection| {
                connection.busy_timeout(BUSY)?;
                connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST)?;
                // A fencing token is on disk before it is granted, in either journal mode. The mode itself is the
                // database's, and stays as its owner has chosen it.
                connection.execute_batch("PRAGMA synchronous = EXTRA; PRAGMA fullfsync = ON;")?;
                Ok(connection)
            })
            .map_err(failed)?;
        Ok(connection)
    }

    fn directory_exists(&self) -> Result<()> {
        match self.path.parent() {
            Some(directory) if !directory.is_dir() => {
                let message = format!("there is no directory {}: create it", directory.display());
                Err(Error::new(ErrorKind::NotFound, message))
            }
            _ => Ok(()),
        }
    }

    fn unreadable(&self, error: std::io::Error) -> Error {
        let message = format!("{} cannot be looked at: {error}", self.path.display());
        let kind = match error.kind() {
            std::io::ErrorKind::PermissionDenied => ErrorKind::Denied,
            _ => ErrorKind::Unavailable,
        };
        Error::new(kind, message).with_source(error)
    }
}
