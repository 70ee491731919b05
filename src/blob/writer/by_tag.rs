//! A blob whose tag refuses older leaders.

mod append;
mod fence;
mod tail;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use azure_core::http::{Body, Etag};
use azure_storage_blob::models::{
    BlobClientDeleteOptions, BlobClientDownloadOptions, BlobClientGetPropertiesOptions,
    BlobClientGetPropertiesResultHeaders, BlockBlobClientUploadOptions,
};
use azure_storage_blob::{BlobClient, BlobContainerClient};

use super::LIMIT;
use super::content::{self, BlobContent};
use super::errors::{self, Refusal};
use super::mark::{self, Mark};
use super::way::Way;
use crate::blob::address::Address;
use crate::blob::etag::strong_etag;
use crate::shared_credential::SharedCredential;
use crate::writer::{ROUNDS, fenced};
use fence::{Absent, Fence};
use leader_election::{Error, ErrorKind, FencingToken, Result};
use tail::Tail;

/// An Azure blob that only the latest leader can write to, enforced by the service in the same request.
///
/// Every write carries the condition that the blob's tag `fence` is lower than the write's own, which the write then puts
/// there: the leader's [`FencingToken`], and a number that rises with each write of the process. So the service refuses,
/// in the one request that writes and without any clock,
/// - what a leader sends after a newer one has written, however long it was paused before or inside the write;
/// - a late duplicate of what this leader itself has overwritten since: after a lost answer or a time-out, just write again.
///
/// A write costs one request; the very first one to a blob can take two more.
///
/// # What the fence does not do
/// It keeps an older leader out once a newer one has *written*. To read, think and write, pass on the version that was
/// [read](Self::read) as `if_match`: then an older leader's write in between is seen as
/// [`Conflict`](ErrorKind::Conflict). To read, and act elsewhere on what was read, [`raise`](Self::raise) first. All tokens
/// must come from one election: those of another say nothing about who is newer.
///
/// It goes with its blob: keep the account's lifecycle rules from deleting that, or an older leader can write again. A cache on
/// the way must not answer for the service: let your client send `Cache-Control: no-cache` where there is one.
///
/// # Rights
/// Reading and writing blobs and their tags: the role *Storage Blob Data Owner* scoped to the container, or a role of
/// one's own with `blobs/read`, `blobs/write`, `blobs/tags/read` and `blobs/tags/write`; of a shared access signature the
/// permissions `rwct`. Accounts with a hierarchical namespace have no tags: [`FencedStateBlob`](crate::FencedStateBlob)
/// needs none. See
/// [conditional headers](https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations)
/// and [Set Blob Tags](https://learn.microsoft.com/rest/api/storageservices/set-blob-tags).
///
/// # Errors of all operations
/// [`Fenced`](ErrorKind::Fenced) when a newer leader has written, with [its token](Error::fenced_by);
/// [`Conflict`](ErrorKind::Conflict) when a condition of the caller's own does not hold;
/// [`InvalidSetting`](ErrorKind::InvalidSetting) when the blob exists and has no tag `fence`: somebody writes to it without
/// one; [`CorruptRecord`](ErrorKind::CorruptRecord) when the tag is no token; a transient error when nobody knows whether a
/// write was carried out.
///
/// Operations are not cancellation-safe in the sense that a write that is dropped may still be carried out. The fence makes
/// that harmless. All are bounded by [`with_limit`](Self::with_limit).
///
/// ```no_run
/// use azure_leader_election::{FencedBlob, Leadership, TaskError};
/// use azure_storage_blob::BlobContainerClient;
///
/// async fn bill(leader: Leadership, container: &BlobContainerClient) -> Result<(), TaskError> {
///     let state = FencedBlob::new(container, "billed-until.txt", leader.fencing_token())?;
///     let seen = state.read().await?;
///     // ... find out what is due ...
///     state.overwrite("2026-11-21", None).await?;
///     Ok(())
/// }
/// ```
pub struct FencedBlob {
    blob: BlobClient,
    way: Arc<Way>,
    token: FencingToken,
    limit: Duration,
    /// Whether the fence was seen to be this leadership's.
    raised: AtomicBool,
    tail: Arc<Tail>,
}

impl FencedBlob {
    /// The blob `name` in that container, written to under `token`. Nothing is sent yet.
    ///
    /// Requests are sent with the client's own settings, on the runtime that calls. Its retries do no harm, as none of these
    /// requests can be carried out twice: a write that is repeated finds its own mark in the tag, and a block that is repeated
    /// finds its place taken.
    ///
    /// Let the client sign in by a [`SharedCredential`], or each of its requests may wait for a new token while the present one
    /// is good.
    ///
    /// # Errors
    /// [`InvalidSetting`](ErrorKind::InvalidSetting) for a name or a URL that cannot be.
    pub fn new(container: &BlobContainerClient, name: &str, token: FencingToken) -> Result<Self> {
        Ok(Self::on(Way::of_client(container, name)?, token))
    }

    /// As [`new`](Self::new), with the container's URL (`https://<account>.blob.core.windows.net/<container>`), a credential, and
    /// a connection pool of its own. Give it the [`SharedCredential`] that the election signs in by: then a token is there. An
    /// operation that waits for one says so ("signing in has taken 9 s so far").
    ///
    /// # Errors
    /// [`InvalidSetting`](ErrorKind::InvalidSetting) for a name or a URL that cannot be.
    pub fn with_credential(
        container_url: &str,
        name: &str,
        credential: impl Into<SharedCredential>,
        token: FencingToken,
    ) -> Result<Self> {
        Ok(Self::on(Way::by_credential(container_url, name, credential.into())?, token))
    }

    /// As [`new`](Self::new), in the Azurite emulator on this machine, such as
    /// `http://127.0.0.1:10000/devstoreaccount1/state`. Requests are signed with the emulator's well-known key, unless the URL
    /// carries a shared access signature. The container is created if it is absent.
    ///
    /// # Errors
    /// [`InvalidSetting`](ErrorKind::InvalidSetting) when the URL is not on loopback, and as [`new`](Self::new).
    pub fn for_emulator(container_url: &str, name: &str, token: FencingToken) -> Result<Self> {
        Ok(Self::on(Way::to_emulator(container_url, name)?, token))
    }

    fn on((way, blob): (Arc<Way>, BlobClient), token: FencingToken) -> Self {
        let tail = tail::of(way.address(), token);
        Self { blob, way, token, limit: LIMIT, raised: AtomicBool::new(false), tail }
    }

    /// Sets how long an operation may take, all its requests together. Default 60 s; give large streams more.
    #[must_use]
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Reads the blob as a whole; `None` when it is absent or [deleted](Self::delete).
    ///
    /// # Errors
    /// As [above](Self#errors-of-all-operations), but a reader is not fenced.
    pub async fn read(&self) -> Result<Option<BlobContent>> {
        self.within(async {
            match content::download(&self.blob, BlobClientDownloadOptions::default()).await {
                Ok(content) => content,
                Err(error) if errors::refusal(&error) == Some(Refusal::Absent) => Ok(None),
                Err(error) => Err(self.failed("reading", &error)),
            }
        })
        .await
    }

    /// Replaces the blob's content, or creates the blob; returns the new version.
    ///
    /// `content` is bytes, text, or a boxed `SeekableStream` of any size, which is sent in blocks that nobody sees
    /// before the last request, the one that carries the condition. Of `options` all are kept, also other tags, but
    /// `if_tags` and `if_none_match`, which must be absent; `if_match` makes it a write over the very version that was read.
    ///
    /// Of two overwrites of one leader that run at once the one that was begun later stays.
    ///
    /// # Errors
    /// As [above](Self#errors-of-all-operations).
    pub async fn overwrite(
        &self,
        content: impl Into<Body>,
        options: Option<BlockBlobClientUploadOptions<'_>>,
    ) -> Result<Etag> {
        let options = options.unwrap_or_default();
        if options.if_tags.is_some() || options.if_none_match.is_some() {
            return Err(Error::setting("a fenced write has `if_tags` and `if_none_match` of its own"));
        }
        self.within(self.write(content.into(), options)).await
    }

    /// Deletes the content, and keeps the fence: an empty blob stays, which [`read`](Self::read) takes for absent. Were it
    /// removed, an older leader's late write would find nothing that refuses it.
    ///
    /// # Errors
    /// As [above](Self#errors-of-all-operations).
    pub async fn delete(&self) -> Result<()> {
        let options = BlockBlobClientUploadOptions { metadata: Some(content::tombstone()), ..Default::default() };
        self.overwrite(Vec::new(), Some(options)).await.map(drop)
    }

    /// Removes the blob with its fence, if no newer leader has written; it may be absent.
    ///
    /// A write of an older leader that is still on its way creates it anew. So use [`delete`](Self::delete) for a name that
    /// is used again, and this for one that never is.
    ///
    /// # Errors
    /// As [above](Self#errors-of-all-operations).
    pub async fn purge(&self) -> Result<()> {
        self.within(async {
            for _ in 0..ROUNDS {
                let options =
                    BlobClientDeleteOptions { if_tags: Some(mark::at_most(self.token)), ..Default::default() };
                match self.blob.delete(Some(options)).await {
                    Ok(_) => return Ok(()),
                    Err(error) => match errors::refusal(&error) {
                        Some(Refusal::Absent) => return Ok(()),
                        Some(Refusal::Condition) => drop(self.passed().await?),
                        _ => return Err(self.failed("removing", &error)),
                    },
                }
            }
            Err(self.restless())
        })
        .await
    }

    /// Takes the fence before anything is written: from then on no older leader can write. A leader that acts elsewhere on
    /// what it reads here calls this first. Two requests; of an absent blob the fence alone is created.
    ///
    /// # Errors
    /// As [above](Self#errors-of-all-operations).
    pub async fn raise(&self) -> Result<()> {
        self.within(self.take_over(Absent::LeaveTombstone)).await
    }

    async fn write(&self, content: Body, options: BlockBlobClientUploadOptions<'_>) -> Result<Etag> {
        let mark = Mark::next(self.token);
        let has_condition = options.if_match.is_some()
            || options.if_modified_since.is_some()
            || options.if_unmodified_since.is_some()
            || options.lease_id.is_some();
        let tags = with_mark(options.blob_tags_string.as_deref(), mark);
        let mut first = false;
        for _ in 0..ROUNDS {
            let mut request = BlockBlobClientUploadOptions { blob_tags_string: Some(tags.clone()), ..options.clone() };
            if first {
                request = request.if_not_exists();
            } else {
                request.if_tags = Some(mark.follows());
            }
            let error = match self.blob.upload(content.clone().into(), Some(request)).await {
                Ok(written) => return self.version(written.etag),
                Err(error) => error,
            };
            match errors::refusal(&error) {
                Some(Refusal::Condition | Refusal::Absent | Refusal::Exists | Refusal::Blocks) => {}
                _ => return Err(self.failed("writing", &error)),
            }
            let current = match self.fence().await? {
                // The service finds no tag on a blob that is not there, and so no condition that holds.
                Fence::Absent if options.if_match.is_some() => return Err(self.changed()),
                Fence::Absent => {
                    first = true;
                    continue;
                }
                Fence::Marked(current, _) => current,
            };
            first = false;
            if current == mark {
                // Carried out, though its answer was lost and the repetition refused.
                return self.version_at(mark).await;
            }
            if current > mark {
                return Err(self.overtaken(current));
            }
            if has_condition {
                return Err(self.changed());
            }
        }
        Err(self.restless())
    }

    fn version(&self, etag: Option<Etag>) -> Result<Etag> {
        etag.map(strong_etag)
            .ok_or_else(|| Error::new(ErrorKind::Refused, format!("the answer about {} has no ETag", self.address())))
    }

    /// The version that was written with this mark, if it still stands.
    async fn version_at(&self, mark: Mark) -> Result<Etag> {
        let options = BlobClientGetPropertiesOptions { if_tags: Some(mark.stands()), ..Default::default() };
        match self.blob.get_properties(Some(options)).await {
            Ok(properties) => self.version(properties.etag().ok().flatten()),
            Err(error) if errors::refusal(&error).is_some() => {
                self.passed().await?;
                Err(self.changed())
            }
            Err(error) => Err(self.failed("reading", &error)),
        }
    }

    fn overtaken(&self, by: Mark) -> Error {
        if by.token > self.token {
            return fenced(self.address(), self.token, by.token);
        }
        Error::new(ErrorKind::Conflict, format!("a later write of this same leader to {} was faster", self.address()))
    }

    fn changed(&self) -> Error {
        Error::new(
            ErrorKind::Conflict,
            format!("{} has changed since it was read; nothing was written", self.address()),
        )
    }

    fn restless(&self) -> Error {
        Error::new(
            ErrorKind::Unavailable,
            format!("{} changes all the time: something else writes to it", self.address()),
        )
    }

    async fn within<T>(&self, operation: impl Future<Output = Result<T>>) -> Result<T> {
        self.way.within(self.limit, operation).await
    }

    fn address(&self) -> &Address {
        self.way.address()
    }

    fn failed(&self, doing: &str, error: &azure_core::Error) -> Error {
        errors::explain(doing, self.address(), error)
    }
}

impl fmt::Debug for FencedBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FencedBlob")
            .field("blob", &self.way.address().to_string())
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

/// The caller's own tags and the mark, as the header has them.
fn with_mark(own: Option<&str>, mark: Mark) -> String {
    let own = own.map(|own| format!("{own}&")).unwrap_or_default();
    format!("{own}{}", mark.tag())
}
