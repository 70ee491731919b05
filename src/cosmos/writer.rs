//! Documents in Cosmos DB that refuse older leaders.

mod errors;
mod fence;
#[cfg(test)]
mod generated;
#[cfg(any(test, fuzzing))]
pub(crate) mod laws;

use std::fmt;
use std::time::Duration;

use azure_core::http::Etag;
use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos::models::TransactionalBatchOperationResult;
use azure_data_cosmos::options::{
    BatchReplaceOptions, ItemReadOptions, OperationOptionsBuilder, Precondition, ReadConsistencyStrategy,
};
use azure_data_cosmos::{CosmosError, TransactionalBatch};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::writer::{ROUNDS, fenced};
use fence::{Fence, Place};
use leader_election::{Error, ErrorKind, FencingToken, Result};
use leader_election_http::etag::strong;

pub use errors::RefusedOperation;

/// How often a batch is sent again, or looked up, when there is no answer.
const UNANSWERED: u32 = 4;
/// Before a request is repeated that was not answered, then twice as long, and so on.
const PAUSE: Duration = Duration::from_millis(50);
/// How long an operation may take, all its requests together, unless the caller says otherwise.
const LIMIT: Duration = Duration::from_secs(60);

/// A partition of a Cosmos DB container whose documents only the latest leader can write to.
///
/// A leader's writes go in transactional batches, the first operation of which replaces a fence document in the same
/// partition: it holds the highest [`FencingToken`], and the numbers of the latest writes. Cosmos DB carries out a batch as a
/// whole or not at all, so once a newer leader has written, an older one's batch fails as a whole, however long it was
/// paused and whatever its clock shows.
///
/// The fence document never expires (`"ttl": -1`), even where the container has a default time to live. Delete it by hand, and an
/// older leader can write again.
///
/// A batch costs one request, and of request units about ten more than without a fence; the first one of a leadership
/// also reads the fence document. Batches of one `FencedPartition` run one after the other. Keep one for each partition
/// and leadership.
///
/// # What the fence does not do
/// It keeps an older leader out once a newer one has *written*. A leader that reads, thinks and writes calls
/// [`raise`](Self::raise) before it reads. All writers of the documents must go through it. With several write regions no
/// condition holds between them, so the account must have one. All tokens must come from one election: those of another say
/// nothing about who is newer.
///
/// # Errors of all operations
/// [`Fenced`](ErrorKind::Fenced) when a newer leader has written, with [its token](Error::fenced_by);
/// [`Conflict`](ErrorKind::Conflict) when an operation of the caller's own is refused, with a [`RefusedOperation`] as its
/// source; [`CorruptRecord`](ErrorKind::CorruptRecord) when the fence document is none; a transient error when nobody knows
/// whether a batch was carried out. Nothing is written with any of the others, but for one case: `Fenced` with a transient error
/// as its source. That batch was sent before and not answered, and newer leaders have written so much since that the fence
/// document does not tell any more whether it was carried out.
///
/// A batch that is dropped may still be carried out; the fence makes that harmless. All operations are bounded by
/// [`with_limit`](Self::with_limit).
///
/// ```no_run
/// use azure_data_cosmos::clients::ContainerClient;
/// use azure_leader_election::{FencedPartition, Leadership, TaskError};
/// use serde_json::json;
///
/// // A container with the partition key /tenant.
/// async fn bill(leader: Leadership, container: ContainerClient) -> Result<(), TaskError> {
///     let tenant = FencedPartition::new(container, &[("tenant", "contoso")], leader.fencing_token())?;
///     tenant.raise().await?; // from here on no older leader can write
///     // ... read what is due ...
///     tenant
///         .execute(|batch| {
///             let charge = json!({"id": "charge-2026-11", "tenant": "contoso", "amount": 12});
///             Ok(batch.create_item(charge)?.delete_item("due-2026-11", None))
///         })
///         .await?;
///     Ok(())
/// }
/// ```
pub struct FencedPartition {
    container: ContainerClient,
    place: Place,
    token: FencingToken,
    limit: Duration,
    /// The fence document as this leader last wrote it.
    known: Mutex<Option<(Etag, Fence)>>,
}

/// A batch that was carried out. See [`FencedPartition::execute`].
///
/// ```
/// use azure_leader_election::CommittedBatch;
///
/// fn charge(batch: &CommittedBatch) -> f64 {
///     batch.results.iter().flatten().filter_map(|operation| operation.request_charge()).sum()
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CommittedBatch {
    /// What became of the caller's operations, in their order. `None` when the answer was lost and the fence document
    /// shows that the batch was carried out.
    pub results: Option<Vec<TransactionalBatchOperationResult>>,
}

impl FencedPartition {
    /// The id of the fence document.
    pub const FENCE_ID: &str = "leader-fence";

    /// The partition of `container` with this partition key, written to under `token`. Nothing is sent yet. Let its client sign
    /// in by a [`SharedCredential`](crate::SharedCredential): `AccountReference::with_credential(endpoint, Arc::new(shared))`.
    ///
    /// `partition_key` names the property and its value, such as `[("tenant", "contoso")]` for a container whose partition
    /// key is `/tenant`; one pair for each level of a hierarchical key. Values are texts.
    ///
    /// # Errors
    /// [`InvalidSetting`](ErrorKind::InvalidSetting) when the key is empty, has more than three levels, or is the `id`: then
    /// every document is a partition of its own, and no batch can hold two.
    pub fn new(container: ContainerClient, partition_key: &[(&str, &str)], token: FencingToken) -> Result<Self> {
        let place = Place::new(partition_key)?;
        Ok(Self { container, place, token, limit: LIMIT, known: Mutex::default() })
    }

    /// Sets how long an operation may take, all its requests together. Default 60 s, which is more than a leader's task is
    /// given after its cancellation. A request is given up, and looked up or repeated, after a quarter of it.
    #[must_use]
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Sends what `fill` puts into the batch, at most 99 operations, if no newer leader has written.
    ///
    /// `fill` can be called more than once: when the fence document has changed but no newer leader has written. A batch whose
    /// answer was lost is looked up by the number that it wrote into the fence document, and repeated only if it was not
    /// carried out; the repetition and a late duplicate cannot both be.
    ///
    /// # Errors
    /// As [above](Self#errors-of-all-operations).
    pub async fn execute<F>(&self, fill: F) -> Result<CommittedBatch>
    where
        F: Fn(TransactionalBatch) -> std::result::Result<TransactionalBatch, CosmosError>,
    {
        let limit = self.limit;
        tokio::time::timeout(limit, self.carry_out(fill)).await.unwrap_or_else(|_| {
            let place = &self.place;
            let message =
                format!("{place} was not written to within {limit:?}; whether a batch was carried out is not known");
            Err(Error::new(ErrorKind::Timeout, message))
        })
    }

    /// Takes the fence before anything is written: from then on no older leader can write to the partition. A leader that acts
    /// on what it reads calls this before it reads. It costs as much as a batch.
    ///
    /// # Errors
    /// As [above](Self#errors-of-all-operations).
    pub async fn raise(&self) -> Result<()> {
        self.execute(Ok).await.map(drop)
    }

    async fn carry_out<F>(&self, fill: F) -> Result<CommittedBatch>
    where
        F: Fn(TransactionalBatch) -> std::result::Result<TransactionalBatch, CosmosError>,
    {
        let mut known = self.known.lock().await;
        let write = fence::write_number();
        let mut unanswered = None;
        // Whether the batch was sent and not answered.
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
                Some(seen) => Some(seen),
                None => match self.read_fence().await {
                    Ok(seen) => seen,
                    Err(error) if error.is_transient() => {
                        // What is not known of the batch stays the news.
                        unanswered.get_or_insert(error);
                        continue;
                    }
                    Err(error) => return Err(error),
                },
            };
            let before = seen.as_ref().map(|(_, fence)| fence);
            if let Some(fence) = before.filter(|fence| fence.wrote(write)) {
                // Carried out, though its answer was lost, or its repetition refused.
                if fence.token == self.token {
                    *known = seen;
                }
                return Ok(CommittedBatch { results: None });
            }
            if let Some(fence) = before.filter(|fence| fence.token > self.token) {
                let error = fenced(&self.place, self.token, fence.token);
                let unanswered = unanswered.filter(|_| in_doubt && fence.may_have_forgotten_writes());
                return Err(unanswered.map_or(error.clone(), |unanswered| error.with_source(unanswered)));
            }
            let fence = Fence::after(before, self.token, write);
            let batch = self.batch(seen.as_ref().map(|(etag, _)| etag), &fence)?;
            let batch = fill(batch).map_err(|error| self.failed("filling a batch of", &error))?;
            match self.send(batch).await {
                Ok(Answer::Committed { etag, results }) => {
                    *known = etag.map(|etag| (etag, fence));
                    return Ok(CommittedBatch { results: Some(results) });
                }
                Ok(Answer::FenceChanged) => {}
                Ok(Answer::Refused(refused)) => {
                    // The fence held, and nothing was written.
                    *known = seen;
                    return Err(refused.into_error(&self.place));
                }
                // Nobody knows: the fence document does.
                Err(error) if error.is_transient() => {
                    in_doubt = true;
                    unanswered = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(unanswered.unwrap_or_else(|| {
            Error::new(
                ErrorKind::Unavailable,
                format!("the fence document of {} changes all the time: does something else write to it?", self.place),
            )
        }))
    }

    fn batch(&self, over: Option<&Etag>, fence: &Fence) -> Result<TransactionalBatch> {
        let document = self.place.document(fence);
        let batch = TransactionalBatch::new(self.place.partition_key()?);
        let batch = match over {
            None => batch.create_item(document),
            Some(etag) => {
                let options = BatchReplaceOptions::default().with_precondition(Precondition::if_match(etag.clone()));
                batch.replace_item(Self::FENCE_ID, document, Some(options))
            }
        };
        batch.map_err(|error| self.failed("fencing a batch of", &error))
    }

    async fn send(&self, batch: TransactionalBatch) -> Result<Answer> {
        let sent = self.bounded("writing to", self.container.execute_transactional_batch(batch, None)).await?;
        let response = sent.map_err(|error| self.failed("writing to", &error))?;
        let results = response.into_model().map_err(|_| self.unreadable())?;
        let (fence, own) = results.results().split_first().ok_or_else(|| self.unreadable())?;
        if fence.is_success() && own.iter().all(TransactionalBatchOperationResult::is_success) {
            let etag = fence.etag().map(|etag| Etag::from(strong(etag).to_owned()));
            return Ok(Answer::Committed { etag, results: own.to_vec() });
        }
        match fence.status_code() {
            // Somebody else created, replaced or deleted the fence document.
            404 | 409 | 412 => Ok(Answer::FenceChanged),
            _ => RefusedOperation::of(fence, own, &self.place).map(Answer::Refused),
        }
    }

    async fn read_fence(&self) -> Result<Option<(Etag, Fence)>> {
        // Below it a read can show a version from before this leader's own last write.
        let latest = OperationOptionsBuilder::new()
            .with_read_consistency_strategy(ReadConsistencyStrategy::LatestCommitted)
            .build();
        let options = ItemReadOptions::default().with_operation_options(latest);
        let key = self.place.partition_key()?;
        let read = self.container.read_item(key, Self::FENCE_ID, Some(options));
        let response = match self.bounded("reading the fence of", read).await? {
            Ok(response) => response,
            Err(error) if error.status().is_not_found() => return Ok(None),
            Err(error) => return Err(self.failed("reading the fence of", &error)),
        };
        let etag = response.headers().etag().map(|etag| Etag::from(strong(etag.as_ref()).to_owned()));
        let document: Value = response.into_model().map_err(|_| self.unreadable())?;
        Ok(Some((etag.ok_or_else(|| self.unreadable())?, self.place.read(document)?)))
    }

    async fn bounded<T>(&self, doing: &str, call: impl Future<Output = T>) -> Result<T> {
        let limit = self.limit / 4;
        tokio::time::timeout(limit, call)
            .await
            .map_err(|_| Error::new(ErrorKind::Timeout, format!("{doing} {}: no answer within {limit:?}", self.place)))
    }

    fn failed(&self, doing: &str, error: &CosmosError) -> Error {
        errors::explain(doing, &self.place, error)
    }

    fn unreadable(&self) -> Error {
        Error::new(ErrorKind::Refused, format!("the answer about {} cannot be read", self.place))
    }
}

enum Answer {
    /// The fence document's new version, and what became of the caller's operations.
    Committed {
        etag: Option<Etag>,
        results: Vec<TransactionalBatchOperationResult>,
    },
    FenceChanged,
    Refused(RefusedOperation),
}

impl fmt::Debug for FencedPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FencedPartition")
            .field("partition", &self.place.to_string())
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}
