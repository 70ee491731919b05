//! The record of an election, under compare-and-swap.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use leader_election::document::{DocumentStore, Record, Stored, json};
use leader_election::kit::{TARGET, record::check_lease, untrusted::millis};
use leader_election::{Error, ErrorKind, Result, SideName, SideRecord, Written, async_trait};
use redis::{Pipeline, Value};
use tracing::warn;

use crate::errors;
use crate::line::Line;
use crate::options::RedisMutexOptions;
use crate::side::Side;
use crate::watch::Watch;
use crate::wire::{self, CREATE, Keys, LIST, READ, READ_BYTES, REPLACE, Read, WRITE_BYTES, Wrote};

/// The most elections that are listed.
const LISTED: usize = 5_000;
/// How many keys are looked for in one request.
const BATCH: usize = 500;

pub(crate) struct RedisRecord {
    line: Arc<Line>,
    keys: Keys,
    election: String,
    options: RedisMutexOptions,
    watch: Option<Arc<Watch>>,
    age_warned: AtomicBool,
    push_warned: AtomicBool,
    /// The lease on record, as it was last read: it may be another worker's, and longer.
    seen_lease: Mutex<Duration>,
}

impl RedisRecord {
    pub(crate) fn new(line: Line, keys: Keys, election: &str, options: RedisMutexOptions) -> Self {
        let line = Arc::new(line);
        let watch = options.push.then(|| Arc::new(Watch::new(Arc::clone(&line), keys.record(election))));
        Self {
            line,
            keys,
            election: election.to_owned(),
            options,
            watch,
            age_warned: AtomicBool::new(false),
            push_warned: AtomicBool::new(false),
            seen_lease: Mutex::default(),
        }
    }

    /// How old the server has to be.
    fn least_age_ms(&self) -> u64 {
        let seen = *self.seen_lease.lock().unwrap_or_else(PoisonError::into_inner);
        wire::least_age_ms(self.line.longest_lease().max(self.options.longest_lease).max(seen))
    }

    fn script(&self, script: &str, text: &str, least_age_ms: u64) -> Pipeline {
        let mut request = Pipeline::new();
        request
            .cmd("EVAL")
            .arg(script)
            .arg(2)
            .arg(self.keys.record(&self.election))
            .arg(self.keys.elections())
            .arg(text)
            .arg(&self.election)
            .arg(least_age_ms);
        request
    }

    fn wrote(&self, doing: &str, answer: Option<&Value>, least_age_ms: u64) -> Result<Written> {
        let read =
            answer.and_then(|answer| Wrote::of(answer, least_age_ms, &format_args!("the lease of {}", self.election)));
        let wrote = read.ok_or_else(|| errors::unexpected(doing, &self.line.server))??;
        if !wrote.age_known && !self.age_warned.swap(true, Ordering::Relaxed) {
            warn!(
                target: TARGET,
                event = "server_age_unknown",
                election = self.election,
                server = %self.line.server,
                "the server does not tell how long it has been up (INFO server in a script): one that restarts without its data can \
                 grant the lease while the leader still leads"
            );
        }
        if !wrote.told && !self.push_warned.swap(true, Ordering::Relaxed) {
            warn!(
                target: TARGET,
                event = "release_not_told",
                election = self.election,
                server = %self.line.server,
                "the server refused to tell the standbys of the release (PUBLISH): a hand-over takes a poll"
            );
        }
        Ok(wrote.written)
    }
}

#[async_trait]
impl DocumentStore for RedisRecord {
    type Rest = json::Rest;

    async fn read(&self) -> Result<Option<Stored<json::Rest>>> {
        const READING: &str = "reading the leader's record on";
        let mut request = Pipeline::new();
        request.cmd("EVAL").arg(READ).arg(1).arg(self.keys.record(&self.election)).arg(json::MAX_BYTES);
        let answers = self.line.ask(READING, &request, READ_BYTES).await?;
        let read = answers.first().and_then(Read::of);
        let what = || format!("the key {} on {}", self.keys.record(&self.election), self.line.server);
        match read.ok_or_else(|| errors::unexpected(READING, &self.line.server))? {
            Read::Absent => Ok(None),
            Read::TooLong => Err(Error::new(
                ErrorKind::CorruptRecord,
                format!(
                    "{} is longer than 65,536 bytes; something else writes to it. Nothing was changed: delete it",
                    what()
                ),
            )),
            Read::Found { text, version, server_ms } => {
                let (record, rest) = json::from_text(&text, &what())?;
                *self.seen_lease.lock().unwrap_or_else(PoisonError::into_inner) = record.lease;
                Ok(Some(Stored::new(version, record).with_server_ms(server_ms).with_rest(rest)))
            }
        }
    }

    async fn create(&self, record: &Record) -> Result<Written> {
        const CREATING: &str = "creating the leader's record on";
        let least = self.least_age_ms();
        let request = self.script(CREATE, &json::to_text(record, &json::Rest::new()), least);
        let answers = self.line.ask(CREATING, &request, WRITE_BYTES).await?;
        self.wrote(CREATING, answers.first(), least)
    }

    async fn replace(&self, seen: &Stored<json::Rest>, record: &Record) -> Result<Written> {
        const WRITING: &str = "writing the leader's record on";
        let frees = record.holder.is_none();
        // What the server has lost may be newer than what it has: nobody else is granted before that would have run out.
        let grants = !frees && record.claim != seen.record.claim && record.fencing_token != seen.record.fencing_token;
        let least = if grants { self.least_age_ms() } else { 0 };
        let mut request = self.script(REPLACE, &json::to_text(record, &seen.rest), least);
        request.arg(seen.version.as_str()).arg(u8::from(frees));
        let waits = self.options.wait_for_replica && !frees;
        if waits {
            request.cmd("WAIT").arg(1).arg((millis(record.lease) / 10).max(1));
        }
        if let Some(watch) = self.watch.as_ref().filter(|_| !frees) {
            // Whoever leads waits for no release.
            watch.end();
        }
        let answers = self.line.ask(WRITING, &request, WRITE_BYTES).await?;
        let written = self.wrote(WRITING, answers.first(), least)?;
        if waits && matches!(written, Written::Done(_)) && !matches!(answers.get(1), Some(Value::Int(1..))) {
            let message = format!(
                "{WRITING} {} failed: no replica has acknowledged the write (wait_for_replica)",
                self.line.server
            );
            return Err(Error::new(ErrorKind::Unavailable, message));
        }
        Ok(written)
    }

    async fn elections(&self) -> Result<Vec<String>> {
        const LISTING: &str = "listing the elections on";
        let unexpected = || errors::unexpected(LISTING, &self.line.server);
        let mut request = Pipeline::new();
        request.cmd("EVAL").arg(LIST).arg(1).arg(self.keys.elections()).arg(LISTED);
        let mut answers = self.line.ask(LISTING, &request, 2 * 1024 * 1024).await?;
        let listed = match answers.pop() {
            Some(Value::Array(names)) if names.len() <= LISTED => names,
            Some(Value::Int(count)) => {
                let message = format!(
                    "{} lists {count} elections, and no more than 5,000 are read: look by SSCAN {}",
                    self.line.server,
                    self.keys.elections()
                );
                return Err(Error::new(ErrorKind::Refused, message));
            }
            _ => return Err(unexpected()),
        };
        let name = |name: Value| match name {
            Value::BulkString(name) => String::from_utf8(name).ok(),
            _ => None,
        };
        // Names that no election can have were put there by somebody else.
        let mut names: Vec<_> =
            listed.into_iter().filter_map(name).filter(|name| wire::check_election(name).is_ok()).collect();
        names.sort_unstable();
        let mut present = Vec::with_capacity(names.len());
        // The record of one may have been deleted by hand.
        for names in names.chunks(BATCH) {
            let mut request = Pipeline::new();
            for name in names {
                request.cmd("EXISTS").arg(self.keys.record(name));
            }
            let answers = self.line.ask(LISTING, &request, 64 * 1024).await?;
            let exists = |answer: &Value| matches!(answer, Value::Int(1));
            present
                .extend(names.iter().zip(&answers).filter(|(_, answer)| exists(answer)).map(|(name, _)| name.clone()));
        }
        Ok(present)
    }

    fn side(&self, name: SideName) -> Option<Arc<dyn SideRecord>> {
        Some(Arc::new(Side::new(Arc::clone(&self.line), self.keys.side(&self.election, name))))
    }

    fn election(&self) -> &str {
        &self.election
    }

    fn check_lease(&self, lease: Duration) -> Result<()> {
        check_lease(lease, "on Redis")?;
        // Asked before each grant: what is created next may follow a lease of this length.
        self.line.note_lease(lease);
        Ok(())
    }

    async fn changed(&self) {
        match &self.watch {
            Some(watch) => watch.news().await,
            None => std::future::pending().await,
        }
    }
}

impl fmt::Debug for RedisRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.keys.record(&self.election), self.line.server)
    }
}
