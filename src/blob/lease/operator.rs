//! What an operator may do to a lease on a blob, and to others in its container.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use azure_storage_blob::models::{
    BlobClientBreakLeaseOptions, BlobClientBreakLeaseResultHeaders, BlobContainerClientListBlobsOptions, BlobItem,
    ListBlobsIncludeItem,
};
use futures_core::Stream;

use super::requests::LeaseBlob;
use super::{BlobDistributedMutex, Create, wire};
use crate::blob::address::is_blob_name;
use crate::blob::errors;
use leader_election::{Error, ErrorKind, Operator, Result, SideName, kit::patience};

/// The most blobs that are listed: elections have a container of their own, with a few.
const MOST_BLOBS: usize = 5_000;

/// Blobs in an answer: with 8 KiB of metadata each, 4 MiB.
const PAGE: i32 = 500;

/// The service may answer with less than a page, or nothing, and where to go on.
const MOST_PAGES: usize = 100;

/// An operator's force, which takes no more rights than to lead.
///
/// A period must be 0 to 60 whole seconds; one that is longer than the lease still runs has no effect. A lease without end, which
/// other tools can take, is broken at once by `None`.
///
/// To list the elections takes the right to list the container's blobs: the roles *Storage Blob Data Contributor* and *Reader* have
/// it, a shared access signature needs the permission `l` on the container. Of up to 5,000 blobs those are listed that
/// somebody has led from; a container with more blobs is [`Refused`](ErrorKind::Refused).
#[async_trait]
impl Operator for BlobDistributedMutex {
    async fn break_lease(&self, period: Option<Duration>) -> Result<Duration> {
        let period = period.map(break_seconds).transpose()?;
        self.blob()?.run(|blob| async move { blob.break_lease(period).await }).await
    }

    async fn elections(&self) -> Result<Vec<String>> {
        self.blob()?.run(|blob| async move { blob.elections().await }).await
    }
}

impl LeaseBlob {
    async fn break_lease(&self, period: Option<i32>) -> Result<Duration> {
        self.access.signed_in(patience::OF_A_LOOK).await?;
        let options = BlobClientBreakLeaseOptions { break_period: period, ..Default::default() };
        match self.bounded("breaking the lease of", self.blob.break_lease(Some(options))).await? {
            Ok(response) => {
                let seconds = response.lease_time().ok().flatten().unwrap_or_default();
                Ok(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
            }
            // There is no lease, or not even a blob.
            Err(error) if errors::refusal(&error).is_some() => Ok(Duration::ZERO),
            Err(error) => Err(self.failed("breaking the lease of", &error)),
        }
    }

    async fn elections(&self) -> Result<Vec<String>> {
        const DOING: &str = "listing the elections beside";
        self.access.signed_in(patience::OF_A_LOOK).await?;
        let options = BlobContainerClientListBlobsOptions {
            include: Some(vec![ListBlobsIncludeItem::Metadata]),
            maxresults: Some(PAGE),
            ..Default::default()
        };
        let pages = self.container.list_blobs(Some(options)).map_err(|error| self.failed(DOING, &error))?;
        let mut pages = pages.into_pages();
        let (mut blobs, mut names) = (0, Vec::new());
        for _ in 0..MOST_PAGES {
            let next = poll_fn(|context| Pin::new(&mut pages).poll_next(context));
            let page = match self.bounded(DOING, next).await? {
                None => {
                    names.sort();
                    return Ok(names);
                }
                Some(Ok(page)) => page.into_model().map_err(|error| self.failed(DOING, &error))?,
                // A container that nobody has created yet.
                Some(Err(error)) if errors::is_absent_container(&error) && self.create == Create::ContainerAndBlob => {
                    return Ok(Vec::new());
                }
                Some(Err(error)) if errors::is_denied(&error) => {
                    return Err(errors::listing_is_denied(&self.address, &error));
                }
                Some(Err(error)) => return Err(self.failed(DOING, &error)),
            };
            blobs += page.blob_items.len();
            if blobs > MOST_BLOBS {
                break;
            }
            names.extend(page.blob_items.into_iter().filter_map(election));
        }
        Err(Error::new(
            ErrorKind::Refused,
            format!(
                "the container {:?} has more than 5,000 blobs, which are not searched for elections: keep those in a container of \
                 their own",
                self.address.container()
            ),
        ))
    }
}

/// The name of the election whose blob this is. A name that none could have may hold anything, and is not shown.
fn election(blob: BlobItem) -> Option<String> {
    let metadata = blob.metadata?.values?;
    let is_current = blob.snapshot.is_none() && blob.deleted != Some(true);
    let name = blob.name.filter(|_| is_current && wire::is_election(&metadata))?;
    (is_blob_name(&name) && SideName::check_election(&name).is_ok()).then_some(name)
}

/// The service takes 0 to 60 whole seconds.
fn break_seconds(period: Duration) -> Result<i32> {
    match i32::try_from(period.as_secs()) {
        Ok(seconds @ 0..=60) if period.subsec_nanos() == 0 => Ok(seconds),
        _ => Err(Error::setting(format!("the break period must be 0 to 60 whole seconds on a blob, not {period:?}"))),
    }
}
