//! Where an election's blobs are, and by what right they are reached.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use azure_storage_blob::BlobContainerClient;
use azure_storage_blob::models::{BlobContainerClientListBlobsOptions, BlobItem, ListBlobsIncludeItem};
use futures_core::Stream;

use super::address::{Address, is_blob_name};
use super::errors::{self, Refusal};
use super::lease::Create;
use super::transport::Access;
use crate::signed_in::SignIn;
use leader_election::{Error, ErrorKind, Result, SideName, kit::patience};

/// How long a request for whoever calls from outside may take.
const LIMIT: Duration = Duration::from_secs(30);

/// The most blobs that are listed: elections have a container of their own, with a few.
const MOST_BLOBS: usize = 5_000;

/// Blobs in an answer: with 8 KiB of metadata each, 4 MiB.
const PAGE: i32 = 500;

/// The service may answer with less than a page, or nothing, and where to go on.
const MOST_PAGES: usize = 100;

/// The metadata of a blob, as a listing shows it.
type Metadata = std::collections::HashMap<String, String>;

#[derive(Clone)]
pub(super) struct Place {
    pub(super) container: Arc<BlobContainerClient>,
    pub(super) address: Address,
    pub(super) access: Access,
    pub(super) create: Create,
}

impl Place {
    /// Of a record beside the election's.
    pub(super) fn beside(&self, name: SideName) -> Result<Self> {
        Ok(Self { address: self.address.beside(name)?, ..self.clone() })
    }

    pub(super) fn may_create_container(&self) -> bool {
        self.create == Create::ContainerAndBlob
    }

    pub(super) async fn create_container(&self) -> Result<()> {
        match self.container.create(None).await {
            Err(error) if errors::is_denied(&error) => Err(errors::container_is_missing(&self.address, &error)),
            Err(error) if errors::refusal(&error) != Some(Refusal::Exists) => {
                Err(self.failed("creating the container of", &error))
            }
            _ => Ok(()),
        }
    }

    /// The names of the blobs that are elections by what their metadata say, in order.
    pub(super) async fn elections(&self, is_election: fn(&Metadata) -> bool) -> Result<Vec<String>> {
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
                Some(Err(error)) if errors::is_absent_container(&error) && self.may_create_container() => {
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
            names.extend(page.blob_items.into_iter().filter_map(|blob| election(blob, is_election)));
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

    /// For whoever calls from outside; a host bounds its attempts itself.
    pub(super) async fn bounded<T>(&self, doing: &str, request: impl Future<Output = T>) -> Result<T> {
        tokio::time::timeout(LIMIT, request).await.map_err(|_| {
            let message = format!("{doing} {} had no answer within {} s", self.address, LIMIT.as_secs());
            Error::new(ErrorKind::Timeout, message)
        })
    }

    pub(super) fn failed(&self, doing: &str, error: &azure_core::Error) -> Error {
        errors::explain(doing, &self.address, error)
    }
}

/// The name of the election whose blob this is. A name that none could have may hold anything, and is not shown.
fn election(blob: BlobItem, is_election: fn(&Metadata) -> bool) -> Option<String> {
    let metadata = blob.metadata?.values?;
    let is_current = blob.snapshot.is_none() && blob.deleted != Some(true);
    let name = blob.name.filter(|_| is_current && is_election(&metadata))?;
    (is_blob_name(&name) && SideName::check_election(&name).is_ok()).then_some(name)
}
