//! The side records: in a table of their own, so that no write to one looks like the leader's sign of life.

use leader_election::{Error, ErrorKind, Result, SideContent, SideName, SideRecord, Version, Written, async_trait};
use rusqlite::{OptionalExtension, params};

use crate::database::{Database, Table};
use crate::failure::failed;
use crate::record::{new_version, written};
use crate::thread::BlockingThread;

const SIDES: Table = Table {
    name: "leader_election_side",
    create: "CREATE TABLE IF NOT EXISTS leader_election_side (
        election TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, content TEXT NOT NULL,
        PRIMARY KEY (election, name)) STRICT",
};

pub(crate) struct Side {
    database: Database,
    thread: BlockingThread,
    election: String,
    name: &'static str,
}

impl Side {
    pub(crate) fn new(database: Database, thread: BlockingThread, election: &str, name: SideName) -> Self {
        Self { database, thread, election: election.to_owned(), name: name.as_str() }
    }
}

#[async_trait]
impl SideRecord for Side {
    async fn read(&self) -> Result<Option<SideContent>> {
        let (database, election, name) = (self.database.clone(), self.election.clone(), self.name);
        self.thread
            .run(move || {
                let Some(connection) = database.open_existing(SIDES)? else { return Ok(None) };
                let row = connection
                    .query_row(
                        "SELECT version, content FROM leader_election_side WHERE election = ?1 AND name = ?2",
                        params![election, name],
                        |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)),
                    )
                    .optional()
                    .map_err(failed)?;
                row.map(|(version, content)| content_of(version, content)).transpose()
            })
            .await
    }

    async fn create(&self, content: &str) -> Result<Written> {
        SideContent::check(content)?;
        let (database, election, name) = (self.database.clone(), self.election.clone(), self.name);
        let content = content.to_owned();
        self.thread
            .run(move || {
                let connection = database.open_or_create(SIDES)?;
                let version = new_version(&connection)?;
                let rows = connection.execute(
                    "INSERT INTO leader_election_side (election, name, version, content) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT DO NOTHING",
                    params![election, name, version, content],
                );
                written(rows, version)
            })
            .await
    }

    async fn replace(&self, seen: &Version, content: &str) -> Result<Written> {
        SideContent::check(content)?;
        let (database, election, name) = (self.database.clone(), self.election.clone(), self.name);
        let (seen, content) = (seen.as_str().to_owned(), content.to_owned());
        self.thread
            .run(move || {
                let Some(connection) = database.open_existing(SIDES)? else { return Ok(Written::Conflict) };
                let version = new_version(&connection)?;
                let rows = connection.execute(
                    "UPDATE leader_election_side SET version = ?4, content = ?5
                     WHERE election = ?1 AND name = ?2 AND version = ?3",
                    params![election, name, seen, version, content],
                );
                written(rows, version)
            })
            .await
    }
}

fn content_of(version: String, content: String) -> Result<SideContent> {
    if content.len() > SideContent::MAX {
        let message = "the side record's row is longer than a side record can be; nothing was changed";
        return Err(Error::new(ErrorKind::CorruptRecord, message));
    }
    Ok(SideContent::new(Version::new(version)?, content))
}
