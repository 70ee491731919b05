//! What an operator may do to all members at once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::Quorum;
use super::calls::Kind;
use crate::error::{Error, Result};
use crate::kit::patience::OF_A_LOOK;
use crate::port::Operator;

/// Of a quorum of which each member has an operator.
pub(super) struct QuorumOperator {
    pub(super) quorum: Arc<Quorum>,
    pub(super) operators: Vec<Arc<dyn Operator>>,
}

#[async_trait]
impl Operator for QuorumOperator {
    /// Breaks the lease at all members. It is broken when a majority has done so: the leader can renew no more.
    async fn break_lease(&self, period: Option<Duration>) -> Result<Duration> {
        // Where some members know a period and others do not, it would be broken at some of them.
        if period.is_some_and(|period| !period.is_zero()) {
            return Err(Error::setting(
                "the members of a quorum need not have clocks that could count a period: break the lease without one, which is safe, or \
                 with zero",
            ));
        }
        let breaks = |member: usize| {
            let operator = Arc::clone(&self.operators[member]);
            async move { operator.break_lease(period).await }
        };
        let told = self.quorum.by_majority(Kind::Break, OF_A_LOOK, breaks).await?;
        // Another can lead as soon as a majority is free, which is by then.
        Ok(told.into_iter().max().unwrap_or_default())
    }

    /// Those of a majority: whoever leads by a majority is on record at one of its members.
    async fn elections(&self) -> Result<Vec<String>> {
        let lists = |member: usize| {
            let operator = Arc::clone(&self.operators[member]);
            async move { operator.elections().await }
        };
        let told = self.quorum.by_majority(Kind::Look, OF_A_LOOK, lists).await?;
        let names: BTreeSet<String> = told.into_iter().flatten().collect();
        Ok(names.into_iter().collect())
    }
}
