//! Leader election on a table in SQLite, for the processes of one machine that share a database file anyway.
//!
//! ```
//! use leader_election::{CancellationToken, LeaderHost};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let database = directory.path().join("app.db");
//! let mutex = own_store::elect(&database, "nightly-billing")?;
//! let shutdown = CancellationToken::new();
//! let stop = shutdown.clone();
//! LeaderHost::new(mutex)
//!     .run_task_when_mutex_acquired(shutdown, move |leader| {
//!         let stop = stop.clone();
//!         async move {
//!             println!("leading with fencing token {}", leader.fencing_token());
//!             stop.cancel();
//!             Ok(())
//!         }
//!     })
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! It is a document store: a row holds the record, and is replaced only if it still has the version that was read. The host
//! does the rest, so no clock decides who leads.
//!
//! Each request opens the database anew, on a thread that the store keeps for that. So a file that was deleted or replaced
//! is noticed with the next request, and a disk that hangs holds up this one election and nothing else.

mod database;
mod failure;
mod name;
mod record;
mod side;
mod thread;

use std::path::Path;

use leader_election::document::DocumentMutex;
use leader_election::{Error, ErrorKind, Result};

pub use record::SqliteStore;

use database::Database;
use thread::BlockingThread;

/// What a [`LeaderHost`](leader_election::LeaderHost) takes to elect on SQLite.
pub type SqliteMutex = DocumentMutex<SqliteStore>;

/// The election of this name in the database file at `path`, which the first worker that contends creates, with the tables.
///
/// A relative path is one from the current directory of this moment.
///
/// # Errors
///
/// [`InvalidSetting`](ErrorKind::InvalidSetting) for a name other than 1 to 128 of the ASCII letters, digits, `.`, `-` and `_`, for one that
/// begins with a dot or [names a side record](leader_election::SideName::check_election), and for an empty path; [`Runtime`](ErrorKind::Runtime) when the system refuses the store's thread.
pub fn elect(path: impl AsRef<Path>, election: &str) -> Result<SqliteMutex> {
    name::check(election)?;
    let path = std::path::absolute(path).map_err(|error| {
        Error::new(ErrorKind::InvalidSetting, format!("the path of the database cannot be used: {error}"))
    })?;
    Ok(DocumentMutex::new(SqliteStore::new(Database::new(path), BlockingThread::start()?, election)))
}
