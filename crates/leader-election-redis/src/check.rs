//! What the command `leader check` asks of a server beside its elections. No stable API.

use std::sync::Arc;

use leader_election::{Result, SideName};
use redis::{Pipeline, Value};

use crate::RedisServer;
use crate::line::Line;
use crate::options::RedisMutexOptions;
use crate::wire::{self, Keys};

/// The most bytes of the server's own description.
const INFO_BYTES: usize = 64 * 1024;

/// Beside the elections of a server.
pub struct RedisCheck {
    line: Arc<Line>,
    keys: Keys,
}

/// What a server says of itself, in its own words; nothing, where it does not say.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Facts {
    text: String,
}

impl Facts {
    /// A field of `INFO`, such as `maxmemory_policy`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut fields = self.text.lines().filter_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'));
        fields.next().filter(|value| value.len() < 100)
    }
}

impl RedisCheck {
    /// Of the elections under the default prefix. Nothing is sent yet.
    ///
    /// # Errors
    /// None that a server with its defaults has.
    pub fn new(server: RedisServer) -> Result<Self> {
        let keys = Keys::new(&RedisMutexOptions::default().prefix)?;
        server.prepare();
        Ok(Self { line: Arc::new(Line::new(server, "leader check".to_owned())), keys })
    }

    /// Asks the server about itself.
    ///
    /// # Errors
    /// [`Denied`](leader_election::ErrorKind::Denied) for a user that may not ask; otherwise as
    /// [`observe`](leader_election::DistributedMutex::observe).
    pub async fn facts(&self) -> Result<Facts> {
        let mut request = Pipeline::new();
        for section in ["server", "memory", "replication"] {
            request.cmd("INFO").arg(section);
        }
        let answers = self.line.ask("asking about itself", &request, INFO_BYTES).await?;
        let text = answers.into_iter().map(|answer| match answer {
            Value::BulkString(text) => String::from_utf8_lossy(&text).into_owned(),
            Value::VerbatimString { text, .. } => text,
            _ => String::new(),
        });
        Ok(Facts { text: text.collect::<Vec<_>>().join("\n") })
    }

    /// Deletes the record of an election and those beside it. It is no error when there are none.
    ///
    /// # Errors
    /// [`Denied`](leader_election::ErrorKind::Denied) for a user without `+del` and `+srem`, which no election needs.
    pub async fn remove(&self, election: &str, sides: &[&'static str]) -> Result<()> {
        wire::check_election(election)?;
        let mut request = Pipeline::new();
        let delete = request.cmd("DEL").arg(self.keys.record(election));
        for side in sides {
            delete.arg(self.keys.side(election, SideName::new(side)?));
        }
        request.cmd("SREM").arg(self.keys.elections()).arg(election);
        self.line.ask("deleting an election on", &request, INFO_BYTES).await.map(drop)
    }
}
