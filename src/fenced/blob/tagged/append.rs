//! Appending: a log that older leaders cannot write to.

use std::sync::atomic::Ordering;

use azure_core::http::RequestContent;
use azure_core::http::headers::HeaderName;
use azure_storage_blob::models::{
    AppendBlobClientAppendBlockOptions, AppendBlobClientCreateOptions, BlobClientDownloadOptions,
    BlobClientGetPropertiesResultHeaders, HttpRange,
};

use super::FencedBlob;
use super::fence::Absent;
use crate::error::{Error, ErrorKind, Result};
use crate::fenced::ROUNDS;
use crate::fenced::blob::content;
use crate::fenced::blob::failure::{self, Refusal};
use crate::fenced::blob::mark::{self, Mark};

const APPEND_OFFSET: HeaderName = HeaderName::from_static("x-ms-blob-append-offset");

impl FencedBlob {
    /// Appends to an append blob, or creates it; returns the offset at which `block` now stands. At most 100 MiB at once,
    /// and 50,000 times in all.
    ///
    /// With `at`, it is appended at that offset or not at all, so that repeating it after a lost answer does not append it
    /// twice. The first append of a `FencedBlob` also [raises](Self::raise) the fence, as an append cannot set tags; each
    /// further one is one request.
    ///
    /// # Errors
    /// As [above](Self#errors-of-all-operations); [`Conflict`](ErrorKind::Conflict) when the blob does not end at `at`.
    pub async fn append(&self, block: impl Into<Vec<u8>>, at: Option<u64>) -> Result<u64> {
        let block = block.into();
        // No blob is that long.
        let position = at.map(i64::try_from).transpose().map_err(|_| self.changed())?;
        self.within(async {
            for _ in 0..ROUNDS {
                if !self.raised.load(Ordering::Acquire) {
                    self.take_over(Absent::CreateLog).await?;
                }
                let options = AppendBlobClientAppendBlockOptions {
                    append_position: position,
                    if_tags: Some(mark::at_most(self.token)),
                    ..Default::default()
                };
                let (length, body) = (block.len() as u64, RequestContent::from(block.clone()));
                match self.blob.append_blob_client().append_block(body, length, Some(options)).await {
                    Ok(response) => {
                        let offset = response.headers().get_optional_str(&APPEND_OFFSET);
                        return offset.and_then(|offset| offset.parse().ok()).ok_or_else(|| {
                            Error::new(
                                ErrorKind::Refused,
                                format!(
                                    "a block was appended to {}, but the answer does not say where",
                                    self.address()
                                ),
                            )
                        });
                    }
                    Err(error) => match failure::refusal(&error) {
                        Some(Refusal::Condition) => drop(self.passed().await?),
                        Some(Refusal::Position) => return self.settle_append(&block, at.unwrap_or_default()).await,
                        // Removed by somebody, or deleted by this leader: begin anew.
                        Some(Refusal::Absent) => {}
                        Some(Refusal::Type) => self.replace_tombstone_by_log().await?,
                        _ => return Err(self.failed("appending to", &error)),
                    },
                }
                self.raised.store(false, Ordering::Release);
            }
            Err(self.restless())
        })
        .await
    }

    /// The blob does not end where the block was to go: it stands there already, or something else does.
    async fn settle_append(&self, block: &[u8], at: u64) -> Result<u64> {
        self.passed().await?;
        let range = HttpRange::new(at, block.len() as u64);
        let options = BlobClientDownloadOptions { range: Some(range), ..Default::default() };
        let stands = match content::download(&self.blob, options).await {
            Ok(content) => content?.is_some_and(|content| content.bytes == block),
            // Nothing stands there yet, so the blob is shorter.
            Err(error) if failure::is_beyond_the_end(&error) => false,
            Err(error) => return Err(self.failed("reading", &error)),
        };
        if stands { Ok(at) } else { Err(self.changed()) }
    }

    /// A blob that was deleted stands there as an empty block blob, for its fence.
    async fn replace_tombstone_by_log(&self) -> Result<()> {
        let properties = self.blob.get_properties(None).await.map_err(|error| self.failed("reading", &error))?;
        if !content::is_deleted(&properties.metadata().unwrap_or_default()) {
            return Err(Error::setting(format!("{} is no append blob: nothing can be appended to it", self.address())));
        }
        let mark = Mark::next(self.token);
        let options = AppendBlobClientCreateOptions {
            blob_tags_string: Some(mark.tag()),
            if_tags: Some(mark.follows()),
            ..Default::default()
        };
        match self.blob.append_blob_client().create(Some(options)).await {
            Ok(_) => Ok(()),
            Err(error) if failure::refusal(&error) == Some(Refusal::Condition) => self.passed().await.map(drop),
            Err(error) => Err(self.failed("creating", &error)),
        }
    }
}
