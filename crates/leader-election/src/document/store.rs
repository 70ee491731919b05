//! What a service must offer for [`DocumentMutex`](super::DocumentMutex) to elect on it.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::Record;
use crate::error::{Error, ErrorKind, Result};
use crate::port::{SideName, SideRecord, Version, Written};

/// One record under compare-and-swap: an item in Cosmos DB, a Kubernetes Lease, a blob with its ETag.
///
/// One call is one attempt: no retrying, no clock, and no waiting but some milliseconds for a lock of the service's
/// ([how long](crate::guide::adding_a_store#5-the-kit)). Reads must see the latest write.
///
/// # Errors
/// As [`DistributedMutex`](crate::DistributedMutex): transient when the outcome is unknown, anything else when a human must act. A record that
/// cannot be understood is [`CorruptRecord`](ErrorKind::CorruptRecord).
///
/// # Cancellation safety
/// Any call may be dropped at any await.
///
/// [`guide::adding_a_store`](crate::guide::adding_a_store) has a whole one.
#[async_trait]
pub trait DocumentStore: Debug + Send + Sync + 'static {
    /// What else stands in the document and is to be kept, such as [`json::Rest`](super::json::Rest); `()` where nothing else can.
    type Rest: Clone + Debug + Default + Send + Sync + 'static;

    /// Reads the document; `None` when there is none. Never from a cache or a replica that may be behind. The fencing token of the next term is
    /// made of what this tells: [`Record::fencing_token`] and [`Stored::server_ms`].
    async fn read(&self) -> Result<Option<Stored<Self::Rest>>>;

    /// Creates the document, unless there is one: then [`Conflict`](Written::Conflict), also when it cannot be understood. It is no grant: the
    /// record has no holder yet, is read next, and replaced then.
    async fn create(&self, record: &Record) -> Result<Written>;

    /// Replaces the document if it still has [the version that was seen](Stored::version), in one step of the service's: to read and then to
    /// write is none. [`Conflict`](Written::Conflict) if it has another one, or is gone. Keeps [`seen.rest`](Stored::rest).
    async fn replace(&self, seen: &Stored<Self::Rest>, record: &Record) -> Result<Written>;

    /// See [`Operator::elections`](crate::Operator::elections). Default: refused, as by a store that cannot list them.
    async fn elections(&self) -> Result<Vec<String>> {
        Err(Error::new(ErrorKind::Refused, "this store does not list its elections"))
    }

    /// See [`DistributedMutex::side`](crate::DistributedMutex::side).
    fn side(&self, name: SideName) -> Option<Arc<dyn SideRecord>> {
        let _ = name;
        None
    }

    /// See [`DistributedMutex::election`](crate::DistributedMutex::election).
    fn election(&self) -> &str {
        ""
    }

    /// See [`DistributedMutex::check_lease`](crate::DistributedMutex::check_lease).
    ///
    /// # Errors
    /// [`InvalidSetting`](ErrorKind::InvalidSetting).
    fn check_lease(&self, lease: Duration) -> Result<()> {
        let _ = lease;
        Ok(())
    }

    /// See [`DistributedMutex::changed`](crate::DistributedMutex::changed).
    async fn changed(&self) {
        std::future::pending().await
    }
}

/// A document as it was read.
///
/// ```
/// use leader_election::document::{Record, Stored};
/// use leader_election::{FencingToken, Version};
///
/// let record = Record::new(FencingToken::new(7)?, "b9c0f3", "4f1a");
/// let stored = Stored::<()>::new(Version::new("\"0x8D\"")?, record).with_server_ms(Some(1_795_229_929_607));
/// assert_eq!(stored.version.as_str(), "\"0x8D\"");
/// # Ok::<(), leader_election::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored<R> {
    /// Its version, such as an ETag.
    pub version: Version,
    /// What it says.
    pub record: Record,
    /// The service's time in milliseconds since 1970, as of this read; tokens follow it where the record was deleted. Default: `None`, from a
    /// service that does not tell it.
    pub server_ms: Option<u64>,
    /// What else stands in it.
    pub rest: R,
}

impl<R> Stored<R> {
    /// A document of this version that says this, with nothing else in it, from a service that did not tell its time.
    #[must_use]
    pub fn new(version: Version, record: Record) -> Self
    where
        R: Default,
    {
        Self { version, record, server_ms: None, rest: R::default() }
    }

    /// Replaces [`server_ms`](Self::server_ms).
    #[must_use]
    pub fn with_server_ms(self, server_ms: Option<u64>) -> Self {
        Self { server_ms, ..self }
    }

    /// Replaces [`rest`](Self::rest).
    #[must_use]
    pub fn with_rest(self, rest: R) -> Self {
        Self { rest, ..self }
    }
}
