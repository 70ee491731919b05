//! The record of an election: one row, replaced under compare-and-swap.

use std::sync::Arc;
use std::time::Duration;

use leader_election::document::{DocumentStore, Record, Stored, json};
use leader_election::{Error, Result, SideName, SideRecord, Version, Written, async_trait};
use rusqlite::{Connection, OptionalExtension, params};

use crate::database::{Database, Table};
use crate::failure::failed;
use crate::name;
use crate::side::Side;
use crate::thread::BlockingThread;

const RECORDS: Table = Table {
    name: "leader_election",
    create: "CREATE TABLE IF NOT EXISTS leader_election (
        election TEXT NOT NULL PRIMARY KEY, version TEXT NOT NULL, record TEXT NOT NULL) STRICT",
};

/// The row of one election. See [`elect`](crate::elect).
#[derive(Debug)]
pub struct SqliteStore {
    database: Database,
    thread: BlockingThread,
    election: String,
}

impl SqliteStore {
    pub(crate) fn new(database: Database, thread: BlockingThread, election: &str) -> Self {
        Self { database, thread, election: election.to_owned() }
    }
}

#[async_trait]
impl DocumentStore for SqliteStore {
    type Rest = json::Rest;

    async fn read(&self) -> Result<Option<Stored<json::Rest>>> {
        let (database, election) = (self.database.clone(), self.election.clone());
        self.thread
            .run(move || match database.open_existing(RECORDS)? {
                Some(connection) => read(&connection, &election),
                None => Ok(None),
            })
            .await
    }

    async fn create(&self, record: &Record) -> Result<Written> {
        let (database, election) = (self.database.clone(), self.election.clone());
        let text = json::to_text(record, &json::Rest::new());
        self.thread
            .run(move || {
                let connection = database.open_or_create(RECORDS)?;
                let version = new_version(&connection)?;
                let rows = connection.execute(
                    "INSERT INTO leader_election (election, version, record) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                    params![election, version, text],
                );
                written(rows, version)
            })
            .await
    }

    async fn replace(&self, seen: &Stored<json::Rest>, record: &Record) -> Result<Written> {
        let (database, election) = (self.database.clone(), self.election.clone());
        let seen_version = seen.version.as_str().to_owned();
        let text = json::to_text(record, &seen.rest);
        self.thread
            .run(move || {
                let Some(connection) = database.open_existing(RECORDS)? else { return Ok(Written::Conflict) };
                let version = new_version(&connection)?;
                let rows = connection.execute(
                    "UPDATE leader_election SET version = ?3, record = ?4 WHERE election = ?1 AND version = ?2",
                    params![election, seen_version, version, text],
                );
                written(rows, version)
            })
            .await
    }

    async fn elections(&self) -> Result<Vec<String>> {
        let database = self.database.clone();
        self.thread
            .run(move || match database.open_existing(RECORDS)? {
                Some(connection) => names(&connection).map_err(failed),
                None => Ok(Vec::new()),
            })
            .await
    }

    fn side(&self, name: SideName) -> Option<Arc<dyn SideRecord>> {
        Some(Arc::new(Side::new(self.database.clone(), self.thread.clone(), &self.election, name)))
    }

    fn election(&self) -> &str {
        &self.election
    }

    fn check_lease(&self, lease: Duration) -> Result<()> {
        // The record counts in whole milliseconds.
        if lease < Duration::from_secs(1)
            || lease > Duration::from_secs(3_600)
            || !lease.subsec_nanos().is_multiple_of(1_000_000)
        {
            return Err(Error::setting(format!("lease must be 1 s to an hour, in whole milliseconds, not {lease:?}")));
        }
        Ok(())
    }
}

/// The row, and what the machine's clock shows at that instant: the tokens of a record that was deleted follow it.
fn read(connection: &Connection, election: &str) -> Result<Option<Stored<json::Rest>>> {
    let row = connection
        .query_row(
            "SELECT version, record, CAST(unixepoch('subsec') * 1000 AS INTEGER) FROM leader_election WHERE election = ?1",
            [election],
            |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?)),
        )
        .optional()
        .map_err(failed)?;
    let Some((version, text, now)) = row else { return Ok(None) };
    let (record, rest) = json::from_text(text.as_bytes(), "the row of the election")?;
    Ok(Some(Stored::new(Version::new(version)?, record).with_server_ms(u64::try_from(now).ok()).with_rest(rest)))
}

/// A name that is not one of ours was put there by somebody else, and nobody can elect by it.
fn names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement =
        connection.prepare("SELECT election FROM leader_election WHERE length(election) <= 128 ORDER BY election")?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?;
    names.filter(|found| found.as_ref().map_or(true, |election| name::is_valid(election))).collect()
}

/// By chance, of 128 bits: it never comes again, also not after the row was deleted, as a counter's would.
///
/// It has a statement of its own. With `RETURNING` the row comes before the commit, and whoever stops there misses its failure.
pub(crate) fn new_version(connection: &Connection) -> Result<String> {
    connection.query_row("SELECT lower(hex(randomblob(16)))", [], |row| row.get(0)).map_err(failed)
}

/// What became of a statement that changes the one row that has the version, or none.
pub(crate) fn written(rows: rusqlite::Result<usize>, version: String) -> Result<Written> {
    match rows.map_err(failed)? {
        0 => Ok(Written::Conflict),
        _ => Ok(Written::Done(Version::new(version)?)),
    }
}
