//! Keys in etcd that refuse older leaders.

mod batch;
mod fence;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use leader_election::kit::{on_request_threads, write_fenced};
use leader_election::{Error, ErrorKind, FencingToken, Result};
use tokio::sync::Mutex;

use crate::cluster::EtcdCluster;
use crate::connection::{Connection, Patience};
use crate::requests;
use crate::wire::{Change, Compare, Outcome};
use batch::whole_key;
use fence::Fence;

pub use batch::KeyBatch;

const FENCE: &str = "leader-fence";

/// How often a write is tried again when the fence changes under it. Each round is lost only if another one's write falls between the look and the
/// own write.
const ROUNDS: u32 = 32;
/// How often a transaction is sent again, or looked up, when there is no answer.
const UNANSWERED: u32 = 4;
/// Before a request is repeated that was not answered, then twice as long, and so on.
const PAUSE: Duration = Duration::from_millis(50);
/// How long an operation may take, all its requests together, unless the caller says otherwise.
const LIMIT: Duration = Duration::from_secs(60);
/// The most bytes of an answer with a value of the caller's: etcd takes requests of 1.5 MiB by default.
const MOST: usize = 4 * 1024 * 1024;

/// All keys behind a prefix in etcd, which only the latest leader can write to.
///
/// A leader's writes go in transactions that compare the fence, the key `PREFIX` + [`FENCE`](Self::FENCE), with the value that was seen there last, and put a
/// new one: it holds the highest [`FencingToken`], and the marks of the latest writes. etcd carries out a transaction as a whole or not at all, so once a
/// newer leader has written, an older one's write fails as a whole, however long it was paused and whatever its clock shows. A late duplicate
/// of a leader's own write fails too, as the fence has another value by then.
///
/// A write costs one request; the first one of a leadership also reads the fence. Writes of one `FencedKeys` run one after the other. Keep one for
/// each prefix and leadership; clones are the same one.
///
/// # What the fence does not do
/// It keeps an older leader out once a newer one has *written*. A leader that reads, thinks and writes calls [`raise`](Self::raise) before it reads. All writers
/// of the keys must go through it, or compare the fence in their own transactions: its value begins with the token in 20 digits, and etcd compares values as
/// bytes. All tokens must come from one election: those of another say nothing about who is newer. Delete the fence, and an older leader can write again.
///
/// The fence protects the keys as far as etcd keeps both: a snapshot that is restored brings an older fence together with older keys. Then an older leader can
/// write until the newer one's next write; so restore with all workers stopped.
///
/// # Errors of all operations
/// [`Fenced`](ErrorKind::Fenced) when a newer leader has written, with [its token](Error::fenced_by);
/// [`CorruptRecord`](ErrorKind::CorruptRecord) when the fence's key holds none; [`InvalidSetting`](ErrorKind::InvalidSetting) for a batch that
/// cannot be; a transient error when nobody knows whether a write was carried out. Nothing is written with any of the others, but for one case: `Fenced`
/// with a transient error as its source. That write was sent before and not answered, and newer leaders have written so much since that the fence does
/// not tell any more whether it was carried out.
///
/// A write that is dropped may still be carried out; the fence makes that harmless. All operations are bounded by
/// [`with_limit`](Self::with_limit).
///
/// ```no_run
/// use leader_election::{Leadership, TaskError};
/// use leader_election_etcd::{EtcdCluster, FencedKeys, KeyBatch};
///
/// async fn bill(leader: Leadership, cluster: EtcdCluster) -> Result<(), TaskError> {
///     let keys = FencedKeys::new(&cluster, "billing/", leader.fencing_token())?;
///     keys.raise().await?; // from here on no older leader can write
///     let billed_until = keys.read("billed-until").await?;
///     // ... find out what is due ...
///     keys.write(KeyBatch::new().put("billed-until", "2026-11-28").delete("due/2026-11-28")).await?;
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct FencedKeys {
    inner: Arc<Inner>,
    limit: Duration,
}

struct Inner {
    connection: Arc<Connection>,
    prefix: String,
    fence: String,
    token: FencingToken,
    /// The fence as it was last seen.
    known: Mutex<Option<Seen>>,
}

/// What stands at the fence's key.
struct Seen {
    /// `None`: nothing.
    value: Option<Vec<u8>>,
    fence: Option<Fence>,
}

impl FencedKeys {
    /// What the fence's key has behind the prefix.
    pub const FENCE: &str = FENCE;

    /// The keys behind `prefix` in that cluster, written to under `token`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`InvalidSetting`](ErrorKind::InvalidSetting) for a prefix that is empty, longer than 256 bytes, or shared with the cluster's elections.
    pub fn new(cluster: &EtcdCluster, prefix: &str, token: FencingToken) -> Result<Self> {
        let elections = cluster.address().prefix();
        if !(1..=256).contains(&prefix.len()) {
            return Err(Error::setting("the prefix of fenced keys must have 1 to 256 bytes, such as billing/"));
        }
        if prefix.starts_with(&elections) || elections.starts_with(prefix) {
            return Err(Error::setting(format!(
                "the prefix of fenced keys must not be one with that of the elections, {elections}"
            )));
        }
        let inner = Inner {
            connection: Arc::clone(&cluster.connection),
            prefix: prefix.to_owned(),
            fence: format!("{prefix}{FENCE}"),
            token,
            known: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner), limit: LIMIT })
    }

    /// Sets how long an operation may take, all its requests together. Default 60 s, which is more than a leader's task is given after its cancellation. A
    /// request is given up, and looked up or repeated, after a quarter of it, and after 9 s at the most.
    #[must_use]
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Makes all changes of `batch` in one transaction, if no newer leader has written.
    ///
    /// A transaction whose answer was lost is looked up by the mark that it put into the fence, and repeated only if it was not carried out; the repetition and
    /// a late duplicate cannot both be.
    ///
    /// # Errors
    /// As [above](Self#errors-of-all-operations).
    ///
    /// # Cancellation safety
    /// Dropped, it may be carried out or not.
    pub async fn write(&self, batch: KeyBatch) -> Result<()> {
        let changes = batch.changes(&self.inner.prefix)?;
        self.within(move |inner, limit| async move { inner.carry_out(changes, limit).await }).await
    }

    /// Puts one key.
    ///
    /// # Errors
    /// As [above](Self#errors-of-all-operations).
    pub async fn put(&self, key: &str, value: impl Into<Vec<u8>>) -> Result<()> {
        self.write(KeyBatch::new().put(key, value)).await
    }

    /// Deletes one key; it is no error that it is absent.
    ///
    /// # Errors
    /// As [above](Self#errors-of-all-operations).
    pub async fn delete(&self, key: &str) -> Result<()> {
        self.write(KeyBatch::new().delete(key)).await
    }

    /// Takes the fence before anything is written: from then on no older leader can write. A leader that acts on what it reads calls this before it reads.
    ///
    /// # Errors
    /// As [above](Self#errors-of-all-operations).
    pub async fn raise(&self) -> Result<()> {
        self.write(KeyBatch::new()).await
    }

    /// The value of a key as the cluster has it now; `None` when it is absent. A reader is not fenced.
    ///
    /// # Errors
    /// As [above](Self#errors-of-all-operations).
    ///
    /// # Cancellation safety
    /// May be dropped at any time.
    pub async fn read(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let key = String::from_utf8_lossy(&whole_key(&self.inner.prefix, key)?).into_owned();
        self.within(move |inner, _| async move {
            requests::read(&inner.connection, &key, MOST, Patience::OF_A_LOOK).await.map(|seen| seen.value)
        })
        .await
    }

    /// Runs an operation within the limit, on the threads that drive the cluster's connections.
    async fn within<T, F>(&self, operation: impl FnOnce(Arc<Inner>, Duration) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let (limit, prefix) = (self.limit, self.inner.prefix.clone());
        let operation = operation(Arc::clone(&self.inner), limit / 4);
        on_request_threads(async move {
            tokio::time::timeout(limit, operation).await.unwrap_or_else(|_| {
                let message = format!(
                    "the keys of {prefix} in etcd took longer than {limit:?}; whether something was written is not known"
                );
                Err(Error::new(ErrorKind::Timeout, message))
            })
        })
        .await?
    }
}

impl Inner {
    async fn carry_out(&self, changes: Vec<Change>, limit: Duration) -> Result<()> {
        let mut known = self.known.lock().await;
        let mark = fence::new_mark();
        let mut unanswered: Option<Error> = None;
        // Whether the transaction was sent and not answered.
        let mut in_doubt = false;
        let mut silent = 0;
        for _ in 0..ROUNDS {
            if unanswered.is_some() {
                silent += 1;
                if silent >= UNANSWERED {
                    break;
                }
                tokio::time::sleep(PAUSE * 2_u32.pow(silent)).await;
            }
            let seen = match known.take() {
                Some(seen) => seen,
                None => match self.read_fence(limit).await {
                    Ok(seen) => seen,
                    Err(error) if error.is_transient() => {
                        // What is not known of the transaction stays the news.
                        unanswered.get_or_insert(error);
                        continue;
                    }
                    Err(error) => return Err(still_open(error, unanswered, in_doubt)),
                },
            };
            if let Some(fence) = seen.fence.as_ref().filter(|fence| fence.wrote(mark)) {
                // Carried out, though its answer was lost, or its repetition refused.
                if fence.token == self.token {
                    *known = Some(seen);
                }
                return Ok(());
            }
            if let Some(fence) = seen.fence.as_ref().filter(|fence| fence.token > self.token) {
                let error = write_fenced(&format!("the keys of {} in etcd", self.prefix), self.token, fence.token);
                if !in_doubt || !fence.may_have_forgotten_writes() {
                    return Err(error);
                }
                return Err(error.with_source(unanswered.unwrap_or_else(|| sent_twice(&self.fence))));
            }
            let fence = Fence::after(seen.fence.as_ref(), self.token, mark);
            match self.send(seen.value.as_deref(), &fence, &changes, limit).await {
                Ok(None) => {
                    *known = Some(Seen { value: Some(fence.value()), fence: Some(fence) });
                    return Ok(());
                }
                // It has changed, and this is what stands there now. Another member may have been sent it too, and not have answered.
                Ok(Some(stands)) => {
                    in_doubt |= self.connection.address().members().len() > 1;
                    *known = Some(stands);
                }
                // Nobody knows: the fence does.
                Err(error) if error.is_transient() => {
                    in_doubt = true;
                    unanswered = Some(error);
                }
                Err(error) => return Err(still_open(error, unanswered, in_doubt)),
            }
        }
        Err(unanswered.unwrap_or_else(|| {
            Error::new(
                ErrorKind::Unavailable,
                format!("the fence {} in etcd changes all the time: does something else write to it?", self.fence),
            )
        }))
    }

    /// Puts the fence and makes the changes over what was seen; what stands there instead, where that was in vain.
    async fn send(
        &self,
        over: Option<&[u8]>,
        fence: &Fence,
        changes: &[Change],
        limit: Duration,
    ) -> Result<Option<Seen>> {
        let key = self.fence.as_bytes();
        let compare = over.map_or(Compare::Absent(key), |value| Compare::Value(key, value));
        let own = Change::Put(key.to_vec(), fence.value());
        let all: Vec<_> = std::iter::once(own).chain(changes.iter().cloned()).collect();
        let change = requests::change(&self.connection, compare, &all, MOST, within(limit));
        match change.await? {
            Outcome::Changed { .. } => Ok(None),
            Outcome::Stands { value, .. } => self.seen(value).map(Some),
        }
    }

    async fn read_fence(&self, limit: Duration) -> Result<Seen> {
        let read = requests::read(&self.connection, &self.fence, MOST, within(limit));
        self.seen(read.await?.value)
    }

    fn seen(&self, value: Option<Vec<u8>>) -> Result<Seen> {
        let fence = value.as_deref().map(|value| Fence::read(value, &self.fence)).transpose()?;
        Ok(Seen { value, fence })
    }
}

/// A request of an operation whose requests may take so long each.
fn within(limit: Duration) -> Patience {
    let look = Patience::OF_A_LOOK;
    Patience { with_one: look.with_one.min(limit / 4), with_all: look.with_all.min(limit) }
}

fn sent_twice(key: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("the key {key}: another member of etcd may have carried out the write"))
}

/// A refusal says that nothing was written, but not of what was sent before it and not answered.
fn still_open(refusal: Error, unanswered: Option<Error>, in_doubt: bool) -> Error {
    match unanswered {
        Some(unanswered) if in_doubt => {
            Error::new(unanswered.kind(), format!("{unanswered}; and then: {refusal}")).with_source(refusal)
        }
        _ => refusal,
    }
}

impl fmt::Debug for FencedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FencedKeys")
            .field("prefix", &self.inner.prefix)
            .field("token", &self.inner.token)
            .finish_non_exhaustive()
    }
}
