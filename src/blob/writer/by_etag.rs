//! A blob whose ETag refuses older leaders.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::http::headers::ETAG;
use azure_core::http::{Body, Etag, RequestContent};
use azure_storage_blob::models::{
    BlobClientDownloadOptions, BlobClientGetPropertiesResultHeaders, BlobClientSetMetadataOptions,
    BlockBlobClientUploadOptions,
};
use azure_storage_blob::{BlobClient, BlobContainerClient};

use super::LIMIT;
use super::content::{self, BlobContent};
use super::errors::{self, Refusal};
use super::mark::{Mark, TAG};
use super::way::Way;
use crate::blob::address::Address;
use crate::blob::etag::strong_etag;
use crate::shared_credential::SharedCredential;
use crate::writer::{ROUNDS, fenced};
use leader_election::{Error, ErrorKind, FencingToken, Result};

/// An Azure blob that holds a leader's state, and that only the latest leader can write to; for accounts without blob tags.
///
/// [Opening](Self::open) it writes the leader's [`FencingToken`] into the blob's metadata, and so gives it a new ETag; from
/// then on every write is over the very version that this leader wrote before. An older leader's write, however late it
/// arrives, is over a version that is gone, and refused by the service in the same request: no clock, no tags, no lease.
/// The same keeps off late duplicates of this leader's own writes, and those of programs that use no fence at all.
///
/// Opening costs two requests, once per leadership; a write costs one. Other than [`FencedBlob`](crate::FencedBlob) it must
/// be opened before it is written to, and has one writer at a time. Keep the account's lifecycle rules from deleting the blob: its
/// fence goes with it. It needs no right but to read and write blobs: the role
/// *Storage Blob Data Contributor*, scoped to the container. See
/// [conditional headers](https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations).
///
/// # Errors of all operations
/// [`Fenced`](ErrorKind::Fenced) when a newer leader has opened it, with [its token](Error::fenced_by);
/// [`Conflict`](ErrorKind::Conflict) when somebody else has written, without a fence or by another `FencedStateBlob` of this
/// leader: open it again; [`CorruptRecord`](ErrorKind::CorruptRecord) when the metadata `fence` is no token; a transient
/// error when nobody knows whether a write was carried out. Then just write again: a write that was carried out is
/// recognised.
///
/// Cancellation-safe: a write that is dropped may have been carried out; the next one finds out. All operations are bounded
/// by [`with_limit`](Self::with_limit).
///
/// ```no_run
/// use azure_leader_election::{FencedStateBlob, Leadership, TaskError};
/// use azure_storage_blob::BlobContainerClient;
///
/// async fn bill(leader: Leadership, container: &BlobContainerClient) -> Result<(), TaskError> {
///     let mut state = FencedStateBlob::open(container, "billed-until.txt", leader.fencing_token()).await?;
///     let seen = state.read().await?; // nobody older can write any more
///     // ... find out what is due ...
///     state.overwrite("2026-11-21", None).await?;
///     Ok(())
/// }
/// ```
pub struct FencedStateBlob {
    blob: BlobClient,
    way: Arc<Way>,
    token: FencingToken,
    limit: Duration,
    /// The version that the next write is over.
    etag: Etag,
    /// Writes over that version whose outcome is not known. At most one of them was carried out.
    unsettled: Vec<Mark>,
}

/// What a `HEAD` shows.
struct Seen {
    etag: Etag,
    mark: Option<Mark>,
    metadata: HashMap<String, String>,
}

impl FencedStateBlob {
    /// Opens the blob `name` in that container for the leader with this token, and locks older ones out. An absent blob is
    /// created empty, which [`read`](Self::read) takes for absent; one that was written without a fence gets one.
    ///
    /// Requests are sent with the client's own settings, on the runtime that calls. Its retries do no harm.
    ///
    /// # Errors
    /// As [above](Self#errors-of-all-operations); [`InvalidSetting`](ErrorKind::InvalidSetting) for a name or a URL that
    /// cannot be.
    pub async fn open(container: &BlobContainerClient, name: &str, token: FencingToken) -> Result<Self> {
        Self::open_on(Way::of_client(container, name)?, token).await
    }

    /// As [`open`](Self::open), with the container's URL (`https://<account>.blob.core.windows.net/<container>`), a credential,
    /// and a connection pool of its own. Give it the [`SharedCredential`] that the election signs in by: then a token is there.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with_credential(
        container_url: &str,
        name: &str,
        credential: impl Into<SharedCredential>,
        token: FencingToken,
    ) -> Result<Self> {
        Self::open_on(Way::by_credential(container_url, name, credential.into())?, token).await
    }

    /// As [`open`](Self::open), in the Azurite emulator on this machine, such as
    /// `http://127.0.0.1:10000/devstoreaccount1/state`. Requests are signed with the emulator's well-known key, unless the URL
    /// carries a shared access signature. The container is created if it is absent.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`InvalidSetting`](ErrorKind::InvalidSetting) when the URL is not on loopback.
    pub async fn open_in_emulator(container_url: &str, name: &str, token: FencingToken) -> Result<Self> {
        Self::open_on(Way::to_emulator(container_url, name)?, token).await
    }

    async fn open_on((way, blob): (Arc<Way>, BlobClient), token: FencingToken) -> Result<Self> {
        let mut opened =
            Self { blob, way, token, limit: LIMIT, etag: Etag::from(String::new()), unsettled: Vec::new() };
        opened.etag = opened.way.within(LIMIT, opened.take_over()).await?;
        Ok(opened)
    }

    /// Sets how long an operation may take, all its requests together. Default 60 s, also for [`open`](Self::open).
    #[must_use]
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Reads the blob as a whole; `None` when it was never written or is [deleted](Self::delete).
    ///
    /// # Errors
    /// As [above](Self#errors-of-all-operations): what somebody else has written is not read as this leader's state.
    pub async fn read(&mut self) -> Result<Option<BlobContent>> {
        let way = Arc::clone(&self.way);
        way.within(self.limit, async {
            self.settle().await?;
            let options = BlobClientDownloadOptions { if_match: Some(self.etag.clone()), ..Default::default() };
            match content::download(&self.blob, options).await {
                Ok(content) => content,
                Err(error) if errors::refusal(&error).is_some() => Err(self.overtaken(self.look().await?.as_ref())),
                Err(error) => Err(self.failed("reading", &error)),
            }
        })
        .await
    }

    /// Replaces the blob's content; returns the new version.
    ///
    /// `content` is bytes, text, or a boxed `SeekableStream` of any size. Of `options` all are kept but `if_match` and
    /// `if_none_match`, which must be absent.
    ///
    /// # Errors
    /// As [above](Self#errors-of-all-operations).
    pub async fn overwrite(
        &mut self,
        content: impl Into<Body>,
        options: Option<BlockBlobClientUploadOptions<'_>>,
    ) -> Result<Etag> {
        let options = options.unwrap_or_default();
        if options.if_match.is_some() || options.if_none_match.is_some() {
            return Err(Error::setting("a fenced write has `if_match` and `if_none_match` of its own"));
        }
        let way = Arc::clone(&self.way);
        way.within(self.limit, self.write(content.into(), options)).await
    }

    /// Deletes the content, and keeps the fence: an empty blob stays, which [`read`](Self::read) takes for absent.
    ///
    /// # Errors
    /// As [above](Self#errors-of-all-operations).
    pub async fn delete(&mut self) -> Result<()> {
        let options = BlockBlobClientUploadOptions { metadata: Some(content::tombstone()), ..Default::default() };
        self.overwrite(Vec::new(), Some(options)).await.map(drop)
    }

    async fn write(&mut self, content: Body, options: BlockBlobClientUploadOptions<'_>) -> Result<Etag> {
        let mark = Mark::next(self.token);
        let mut metadata = options.metadata.clone().unwrap_or_default();
        metadata.insert(TAG.to_owned(), mark.to_string());
        for _ in 0..ROUNDS {
            let request = BlockBlobClientUploadOptions {
                metadata: Some(metadata.clone()),
                if_match: Some(self.etag.clone()),
                ..options.clone()
            };
            if !self.unsettled.contains(&mark) {
                self.unsettled.push(mark);
            }
            let error = match self.blob.upload(content.clone().into(), Some(request)).await {
                Ok(written) => {
                    let etag = written.etag.map(strong_etag).ok_or_else(|| self.unreadable("ETag"))?;
                    return Ok(self.stands_at(etag));
                }
                Err(error) => error,
            };
            match errors::refusal(&error) {
                Some(Refusal::Condition | Refusal::Absent | Refusal::Blocks) => {}
                _ => return Err(self.failed("writing", &error)),
            }
            let seen = self.look().await?;
            match seen {
                Some(Seen { mark: Some(stands), ref etag, .. }) if stands == mark => {
                    return Ok(self.stands_at(etag.clone()));
                }
                // An earlier write, whose answer was lost: this one goes over it.
                Some(Seen { mark: Some(stands), ref etag, .. }) if self.unsettled.contains(&stands) => {
                    self.stands_at(etag.clone());
                }
                seen => {
                    if seen.as_ref().is_none_or(|seen| seen.etag != self.etag) {
                        return Err(self.overtaken(seen.as_ref()));
                    }
                    // It changed to and fro, or the condition was one of the caller's own.
                }
            }
        }
        Err(self.overtaken(None))
    }

    /// Finds out which of the writes without an answer was carried out.
    async fn settle(&mut self) -> Result<()> {
        if self.unsettled.is_empty() {
            return Ok(());
        }
        if let Some(Seen { mark: Some(stands), etag, .. }) = self.look().await?
            && self.unsettled.contains(&stands)
        {
            self.stands_at(etag);
        }
        Ok(())
    }

    fn stands_at(&mut self, etag: Etag) -> Etag {
        self.unsettled.clear();
        self.etag = etag.clone();
        etag
    }

    /// Writes this leader's mark over whatever version there is, unless a newer leader's is there.
    async fn take_over(&self) -> Result<Etag> {
        let mark = Mark::next(self.token);
        for _ in 0..ROUNDS {
            let Some(mut seen) = self.look().await? else {
                self.create(mark).await?;
                continue;
            };
            match seen.mark {
                Some(newer) if newer.token > self.token => return Err(self.overtaken(Some(&seen))),
                Some(stands) if stands == mark => return Ok(seen.etag),
                _ => {}
            }
            seen.metadata.insert(TAG.to_owned(), mark.to_string());
            let options = BlobClientSetMetadataOptions { if_match: Some(seen.etag), ..Default::default() };
            match self.blob.set_metadata(&seen.metadata, Some(options)).await {
                Ok(written) => {
                    let etag =
                        written.headers().get_optional_str(&ETAG).map(|etag| strong_etag(Etag::from(etag.to_owned())));
                    return etag.ok_or_else(|| self.unreadable("ETag"));
                }
                Err(error) => match errors::refusal(&error) {
                    Some(Refusal::Condition | Refusal::Absent) => {}
                    _ => return Err(self.failed("opening", &error)),
                },
            }
        }
        Err(self.overtaken(None))
    }

    async fn create(&self, mark: Mark) -> Result<()> {
        let mut metadata = content::tombstone();
        metadata.insert(TAG.to_owned(), mark.to_string());
        let options = BlockBlobClientUploadOptions { metadata: Some(metadata), ..Default::default() };
        match self.blob.upload(RequestContent::from(Vec::new()), Some(options.if_not_exists())).await {
            Err(error) if errors::refusal(&error) != Some(Refusal::Exists) => Err(self.failed("creating", &error)),
            _ => Ok(()),
        }
    }

    async fn look(&self) -> Result<Option<Seen>> {
        let properties = match self.blob.get_properties(None).await {
            Ok(properties) => properties,
            Err(error) if errors::refusal(&error) == Some(Refusal::Absent) => return Ok(None),
            Err(error) => return Err(self.failed("reading", &error)),
        };
        let etag = properties.etag().ok().flatten().map(strong_etag).ok_or_else(|| self.unreadable("ETag"))?;
        let metadata = properties.metadata().map_err(|_| self.unreadable("metadata"))?;
        let mark = metadata.get(TAG).map(|text| text.parse()).transpose()?;
        Ok(Some(Seen { etag, mark, metadata }))
    }

    /// The version that was to be written over is gone.
    fn overtaken(&self, by: Option<&Seen>) -> Error {
        match by.and_then(|seen| seen.mark) {
            Some(newer) if newer.token > self.token => fenced(self.address(), self.token, newer.token),
            _ => Error::new(
                ErrorKind::Conflict,
                format!(
                    "somebody else, who is no newer leader, has written to {}; nothing was written",
                    self.address()
                ),
            ),
        }
    }

    fn unreadable(&self, what: &'static str) -> Error {
        Error::new(ErrorKind::Refused, format!("the answer about {} has no readable {what}", self.address()))
    }

    fn address(&self) -> &Address {
        self.way.address()
    }

    fn failed(&self, doing: &str, error: &azure_core::Error) -> Error {
        errors::explain(doing, self.address(), error)
    }
}

impl fmt::Debug for FencedStateBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FencedStateBlob")
            .field("blob", &self.way.address().to_string())
            .field("token", &self.token)
            .field("etag", &self.etag)
            .finish_non_exhaustive()
    }
}
