//! One member, and what became of the requests to it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::port::DistributedMutex;
use crate::sources::Sources;
use crate::trace::TARGET;

/// One of the stores, as [`QuorumMutex`](super::QuorumMutex) knows it.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) mutex: Arc<dyn DistributedMutex>,
    sources: Sources,
    record: Mutex<Record>,
}

/// How a member has answered of late: for dashboards and alerts.
///
/// A quorum works as long as a majority answers, so nobody notices that a member is gone until the next one is. Look at this, or alert on the
/// log's `event=quorum_member_gone`, which comes when a member has not answered for a lease, and `quorum_member_back`.
///
/// ```
/// use leader_election::{DistributedMutex, MemoryMutex, QuorumMutex};
/// use std::sync::Arc;
///
/// let stores = ["a", "b", "c"].map(|name| (name, Arc::new(MemoryMutex::named("nightly")) as Arc<dyn DistributedMutex>));
/// let quorum = QuorumMutex::with_names(stores)?;
/// let gone: Vec<String> =
///     quorum.members().into_iter().filter(|member| member.fails_for.is_some()).map(|member| member.name).collect();
/// assert!(gone.is_empty(), "nothing was asked yet");
/// # Ok::<(), leader_election::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MemberStatus {
    /// Its name: by its place, from 1 on, unless it was given one.
    pub name: String,
    /// For how long it has failed or kept silent, since the first request that it did not answer well; `None` while it answers. By the
    /// clock of the [`Sources`].
    pub fails_for: Option<Duration>,
    /// So many requests in a row it has failed or not answered.
    pub failures: u64,
    /// What it last failed with. A request that was given up has no error.
    pub last_error: Option<Error>,
}

#[derive(Debug, Default)]
struct Record {
    /// Requests that were sent since the last answer of any kind.
    unanswered: u64,
    failures: u64,
    failing_since: Option<Duration>,
    last_error: Option<Error>,
    told: bool,
}

impl Member {
    pub(super) fn new(name: String, mutex: Arc<dyn DistributedMutex>, sources: Sources) -> Self {
        Self { name, mutex, sources, record: Mutex::default() }
    }

    pub(super) fn with_sources(&self, sources: Sources) -> Self {
        Self::new(self.name.clone(), Arc::clone(&self.mutex), sources)
    }

    /// Whether its latest request has no answer.
    pub(super) fn is_silent(&self) -> bool {
        self.record().unanswered > 0
    }

    /// A request goes to it. `lease`: after what time without a good answer that is told.
    pub(super) fn asked(&self, lease: Duration) {
        let now = self.sources.clock().monotonic();
        let mut record = self.record();
        record.unanswered += 1;
        record.failing_since.get_or_insert(now);
        self.tell_if_gone(&mut record, now, lease);
    }

    /// It has answered.
    pub(super) fn answered<T>(&self, answer: &Result<T>, lease: Duration) {
        let now = self.sources.clock().monotonic();
        let mut record = self.record();
        record.unanswered = 0;
        match answer {
            Ok(_) => {
                let back = std::mem::take(&mut *record);
                drop(record);
                if back.told {
                    let (election, member) = (self.mutex.election(), self.name.as_str());
                    tracing::info!(target: TARGET, event = "quorum_member_back", election, member, "the member answers again");
                }
            }
            Err(error) => {
                record.failures += 1;
                record.last_error = Some(error.clone());
                self.tell_if_gone(&mut record, now, lease);
            }
        }
    }

    /// A request was given up without an answer.
    pub(super) fn given_up(&self) {
        self.record().failures += 1;
    }

    pub(super) fn status(&self) -> MemberStatus {
        let now = self.sources.clock().monotonic();
        let record = self.record();
        // While a first request is on its way nothing is wrong yet.
        let fails = record.failures > 0;
        MemberStatus {
            name: self.name.clone(),
            fails_for: record.failing_since.filter(|_| fails).map(|since| now.saturating_sub(since)),
            failures: record.failures,
            last_error: record.last_error.clone(),
        }
    }

    fn tell_if_gone(&self, record: &mut Record, now: Duration, lease: Duration) {
        let gone_for = record.failing_since.map(|since| now.saturating_sub(since)).unwrap_or_default();
        if record.told || record.failures == 0 || gone_for < lease {
            return;
        }
        record.told = true;
        let (election, member, failures) = (self.mutex.election(), self.name.as_str(), record.failures);
        let error = record.last_error.as_ref().map_or_else(|| "no answer".to_owned(), Error::to_string);
        tracing::warn!(
            target: TARGET, event = "quorum_member_gone", election, member, failures, error,
            "a member of the quorum has not answered for {gone_for:?}: the election goes on without it, and stands on fewer"
        );
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.name, self.mutex)
    }
}
