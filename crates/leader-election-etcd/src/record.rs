//! The leader record as a document store: read, create, replace.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use leader_election::document::{DocumentStore, Record, Stored, json};
use leader_election::kit::{record::check_lease, untrusted::millis};
use leader_election::{Error, FencingToken, Result, SideName, SideRecord, Version, Written};
use uuid::Uuid;

use crate::connection::{Connection, Patience};
use crate::requests::{self, MOST};
use crate::side::SideKey;
use crate::watch::Watch;
use crate::wire::{Change, Compare, Outcome};

pub(crate) struct LeaderRecord {
    connection: Arc<Connection>,
    election: String,
    key: String,
    /// In milliseconds; 0 while nobody has asked for one.
    lease: AtomicU64,
    watch: Watch,
}

/// What else stands in the record, and the record's text as it was read.
#[derive(Clone, Default)]
pub(crate) struct Rest {
    fields: json::Rest,
    text: Arc<[u8]>,
}

impl LeaderRecord {
    pub(crate) fn new(connection: Arc<Connection>, election: &str) -> Self {
        let key = format!("{}{election}", connection.address().prefix());
        let watch = Watch::new(Arc::clone(&connection), key.clone());
        Self { connection, election: election.to_owned(), key, lease: AtomicU64::new(0), watch }
    }

    fn what(&self) -> String {
        format!("the key {} in etcd", self.key)
    }

    fn patience(&self) -> Patience {
        match self.lease.load(Ordering::Relaxed) {
            0 => Patience::OF_A_LOOK,
            lease => Patience::within_an_attempt(Duration::from_millis(lease)),
        }
    }

    /// Makes the record's text `text` if the condition holds.
    async fn write(&self, compare: Compare<'_>, text: Vec<u8>) -> Result<Written> {
        let changes = [Change::Put(self.key.clone().into_bytes(), text.clone())];
        let (stands, revision) =
            match requests::change(&self.connection, compare, &changes, MOST, self.patience()).await? {
                Outcome::Changed { revision } => (true, revision),
                // Asked of two members, or sent twice on the way: no other write has this text, as each has a number of its own.
                Outcome::Stands { value, revision } => (value.as_ref() == Some(&text), revision),
            };
        if !stands {
            return Ok(Written::Conflict);
        }
        self.watch.seen(revision);
        version(&text).map(Written::Done)
    }
}

impl fmt::Debug for LeaderRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.key, self.connection.address())
    }
}

/// Without the text, which is that of `fields` and the record.
impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fields.fmt(f)
    }
}

#[async_trait]
impl DocumentStore for LeaderRecord {
    type Rest = Rest;

    async fn read(&self) -> Result<Option<Stored<Rest>>> {
        let seen = requests::read(&self.connection, &self.key, MOST, self.patience()).await?;
        self.watch.seen(seen.revision);
        seen.value.map(|text| stored(text, &self.what())).transpose()
    }

    async fn create(&self, record: &Record) -> Result<Written> {
        let text = json::to_text(record, &json::Rest::new()).into_bytes();
        self.write(Compare::Absent(self.key.as_bytes()), text).await
    }

    async fn replace(&self, seen: &Stored<Rest>, record: &Record) -> Result<Written> {
        let Some(before) = text_of(seen)? else { return Ok(Written::Conflict) };
        let text = json::to_text(record, &seen.rest.fields).into_bytes();
        self.write(Compare::Value(self.key.as_bytes(), &before), text).await
    }

    async fn elections(&self) -> Result<Vec<String>> {
        let mut names = requests::names(&self.connection, &self.connection.address().prefix()).await?;
        names.retain(|name| check_election(name).is_ok());
        Ok(names)
    }

    fn side(&self, name: SideName) -> Option<Arc<dyn SideRecord>> {
        // With a colon, which no election and no prefix has: so it is told from them by its key alone.
        Some(Arc::new(SideKey::new(Arc::clone(&self.connection), format!("{}:{name}", self.key))))
    }

    fn election(&self) -> &str {
        &self.election
    }

    /// Any that a host can have, in the milliseconds that the record counts in. The time of an attempt follows it.
    fn check_lease(&self, lease: Duration) -> Result<()> {
        check_lease(lease, "on etcd")?;
        self.lease.store(millis(lease), Ordering::Relaxed);
        Ok(())
    }

    async fn changed(&self) {
        self.watch.changed().await;
    }
}

/// What is a key of its own below the prefix. The refusal does not quote it: somebody may have put a secret there.
pub(crate) fn check_election(election: &str) -> Result<()> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if !(1..=128).contains(&election.len()) || !election.bytes().all(allowed) || election.starts_with('.') {
        return Err(Error::setting(
            "the election name must be 1 to 128 ASCII letters, digits, dots, hyphens and underscores, and not begin with a dot, as it is \
             part of a key in etcd",
        ));
    }
    SideName::check_election(election)
}

fn stored(text: Vec<u8>, what: &str) -> Result<Stored<Rest>> {
    let (record, fields) = json::from_text(&text, what)?;
    let stored = Stored::new(version(&text)?, record).with_server_ms(now_ms());
    Ok(stored.with_rest(Rest { fields, text: text.into() }))
}

/// The text that has the version that was seen: the one that was read, or the one that this process has written since. `None` where
/// it is neither.
fn text_of(seen: &Stored<Rest>) -> Result<Option<Vec<u8>>> {
    if version(&seen.rest.text)? == seen.version {
        return Ok(Some(seen.rest.text.to_vec()));
    }
    // Of the same record and fields, it comes out the same.
    let written = json::to_text(&seen.record, &seen.rest.fields).into_bytes();
    Ok(if version(&written)? == seen.version { Some(written) } else { None })
}

/// Made of the whole text, in which each write has a number of its own: so an edit by hand is seen, too.
pub(crate) fn version(text: &[u8]) -> Result<Version> {
    const NAMESPACE: Uuid = Uuid::from_u128(0x0c9a_61f4_5b3e_4d0f_9d27_7e14_c8b1_62aa);
    Version::new(Uuid::new_v5(&NAMESPACE, text).simple().to_string())
}

/// This machine's clock, which tokens follow where the record was deleted or an older one restored: etcd does not tell the time, and its
/// revisions come again after a restore. Nothing expires by it. One that shows an absurd time is not followed.
fn now_ms() -> Option<u64> {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    u64::try_from(since_1970.as_millis()).ok().filter(|ms| *ms < FencingToken::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(write: &str) -> Record {
        Record::new(FencingToken::new(7).expect("in range"), "b9c0f3", write)
    }

    fn read(text: &str) -> Stored<Rest> {
        stored(text.as_bytes().to_vec(), "the key").expect("readable")
    }

    #[test]
    fn what_was_read_is_compared_as_it_was_read_however_it_was_written() {
        let edited = json::to_text(&record("1"), &json::Rest::new()).replace('\n', " \r\n");
        let seen = read(&edited);
        assert_eq!(text_of(&seen).expect("an answer"), Some(edited.into_bytes()));
    }

    #[test]
    fn what_was_written_since_is_compared_as_it_was_written() {
        let edited = json::to_text(&record("1"), &json::Rest::new())
            .replace("\"schemaVersion\"", "\"team\": \"billing\",\n \"schemaVersion\"");
        let seen = read(&edited);
        let text = json::to_text(&record("2"), &seen.rest.fields);
        assert!(text.contains("billing"));
        // As `DocumentMutex` remembers its own write: the rest is that of the text before.
        let mut written = seen.clone();
        (written.version, written.record) = (version(text.as_bytes()).expect("valid"), record("2"));
        assert_eq!(text_of(&written).expect("an answer"), Some(text.into_bytes()));
        // Of which version the text is not known, that is not replaced.
        written.version = Version::new("another").expect("valid");
        assert_eq!(text_of(&written).expect("an answer"), None);
    }

    #[test]
    fn an_edit_by_hand_is_another_version() {
        let text = json::to_text(&record("1"), &json::Rest::new());
        let edited = text.replace("\"renewals\": 0", "\"renewals\": 1");
        assert_ne!(text, edited);
        assert_ne!(read(&text).version, read(&edited).version);
    }

    #[test]
    fn names_that_are_no_key_of_their_own_are_refused_and_not_quoted() {
        for name in
            ["", ".", "../SECRET", "a/SECRET", "a SECRET", "gr\u{f6}\u{df}e", &"x".repeat(129), "nightly.wish", "a\0"]
        {
            let refused = check_election(name).expect_err(name).to_string();
            assert!(refused.contains("election name") && !refused.contains("SECRET"), "{refused}");
        }
        for name in ["a", "nightly-billing_2.eu", "7", &"x".repeat(128)] {
            check_election(name).expect("allowed");
        }
    }
}
