//! What an operator may do to the record of a document store.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::DocumentStore;
use crate::error::{Error, ErrorKind, Result};
use crate::port::{Operator, Written};
use crate::sources::Sources;

/// How often to try again when the leader renews in the same instant.
const ROUNDS: usize = 10;

pub(super) struct DocumentOperator<S> {
    pub(super) store: Arc<S>,
    pub(super) sources: Sources,
}

#[async_trait]
impl<S: DocumentStore> Operator for DocumentOperator<S> {
    /// A record that was broken stands still, as that of a leader that died: candidates take it over after a whole lease.
    async fn break_lease(&self, period: Option<Duration>) -> Result<Duration> {
        if period.is_some_and(|period| !period.is_zero()) {
            return Err(Error::setting(
                "this store has no clock that could count a period: break the lease without one, which is safe, or with zero",
            ));
        }
        for _ in 0..ROUNDS {
            let Some(seen) = self.store.read().await? else { return Ok(Duration::ZERO) };
            if seen.record.holder.is_none() {
                return Ok(Duration::ZERO);
            }
            let (record, free_in) = match period {
                Some(_) => (seen.record.released(&self.sources), Duration::ZERO),
                None => (seen.record.broken(&self.sources), seen.record.lease),
            };
            let written = match self.store.replace(&seen, &record).await? {
                Written::Done(_) => true,
                // Only this call bears this number.
                Written::Conflict => self.store.read().await?.is_some_and(|now| now.record.write == record.write),
            };
            if written {
                return Ok(free_in);
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "the leader renewed at each attempt to break its lease: try again"))
    }

    async fn elections(&self) -> Result<Vec<String>> {
        self.store.elections().await
    }
}
