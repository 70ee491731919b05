//! What an operator may do to a lease on a blob, and to others in its container.

use std::time::Duration;

use async_trait::async_trait;
use azure_storage_blob::models::{BlobClientBreakLeaseOptions, BlobClientBreakLeaseResultHeaders};

use super::requests::LeaseBlob;
use super::{BlobDistributedMutex, wire};
use crate::blob::errors;
use crate::signed_in::SignIn;
use leader_election::{Error, Operator, Result, kit::patience};

/// An operator's force, which takes no more rights than to lead.
///
/// A period must be 0 to 60 whole seconds; one that is longer than the lease still runs has no effect. A lease without end, which
/// other tools can take, is broken at once by `None`.
///
/// To list the elections takes the right to list the container's blobs: the roles *Storage Blob Data Contributor* and *Reader* have
/// it, a shared access signature needs the permission `l` on the container. Of up to 5,000 blobs those are listed that
/// somebody has led from; a container with more blobs is [`Refused`](crate::ErrorKind::Refused).
#[async_trait]
impl Operator for BlobDistributedMutex {
    async fn break_lease(&self, period: Option<Duration>) -> Result<Duration> {
        let period = period.map(break_seconds).transpose()?;
        self.blob()?.run(|blob| async move { blob.break_lease(period).await }).await
    }

    async fn elections(&self) -> Result<Vec<String>> {
        self.blob()?.run(|blob| async move { blob.place.elections(wire::is_election).await }).await
    }
}

impl LeaseBlob {
    async fn break_lease(&self, period: Option<i32>) -> Result<Duration> {
        self.place.access.signed_in(patience::OF_A_LOOK).await?;
        let options = BlobClientBreakLeaseOptions { break_period: period, ..Default::default() };
        match self.place.bounded("breaking the lease of", self.blob.break_lease(Some(options))).await? {
            Ok(response) => {
                let seconds = response.lease_time().ok().flatten().unwrap_or_default();
                Ok(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
            }
            // There is no lease, or not even a blob.
            Err(error) if errors::refusal(&error).is_some() => Ok(Duration::ZERO),
            Err(error) => Err(self.place.failed("breaking the lease of", &error)),
        }
    }
}

/// The service takes 0 to 60 whole seconds.
fn break_seconds(period: Duration) -> Result<i32> {
    match i32::try_from(period.as_secs()) {
        Ok(seconds @ 0..=60) if period.subsec_nanos() == 0 => Ok(seconds),
        _ => Err(Error::setting(format!("the break period must be 0 to 60 whole seconds on a blob, not {period:?}"))),
    }
}
