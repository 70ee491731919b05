//! Appending: a log that older leaders cannot write to.

use std::sync::atomic::Ordering;

use azure_core::http::RequestContent;
use azure_storage_blob::models::{
    AppendBlobClientAppendBlockOptions, AppendBlobClientCreateOptions, BlobClientDownloadOptions,
    BlobClientGetPropertiesResultHeaders, HttpRange,
};

use super::FencedBlob;
use super::fence::Absent;
use crate::blob::writer::content;
use crate::blob::writer::errors::{self, Refusal};
use crate::blob::writer::mark::{self, Mark};
use crate::writer::ROUNDS;
use leader_election::{Error, ErrorKind, Result};

impl FencedBlob {
    /// Appends to an append blob, or creates it; returns the offset at which `block` now stands. At most 100 MiB at once,
    /// and 50,000 times in all.
    ///
    /// Every block goes to one place or nowhere, so that no repetition of a request, such as the SDK's own after a lost answer,
    /// appends it twice. With `at` that place is yours: call it again after a transient error, and it is appended once. With
    /// `None` it is the end of the blob, and a second call is a second block.
    ///
    /// The first append of a leadership also [raises](Self::raise) the fence, as an append cannot set tags, and reads the
    /// blob's length; each further one is one request. The appends of a leadership to one blob run one after the other, also by
    /// several `FencedBlob`s.
    ///
    /// # Errors
    /// As [above](Self#errors-of-all-operations); [`Conflict`](ErrorKind::Conflict) when the blob does not end at `at`.
    pub async fn append(&self, block: impl Into<Vec<u8>>, at: Option<u64>) -> Result<u64> {
        let block = block.into();
        self.within(async {
            let mut tail = self.tail.lock().await;
            for _ in 0..ROUNDS {
                if !self.raised.load(Ordering::Acquire) {
                    self.take_over(Absent::CreateLog).await?;
                }
                // Not known any more until this request is answered, also if nobody waits for that.
                let known = tail.take();
                let Some(place) = (match at.or(known) {
                    Some(place) => Some(place),
                    None => self.length().await?,
                }) else {
                    self.raised.store(false, Ordering::Release);
                    continue;
                };
                let options = AppendBlobClientAppendBlockOptions {
                    // No blob is that long.
                    append_position: Some(i64::try_from(place).map_err(|_| self.changed())?),
                    if_tags: Some(mark::at_most(self.token)),
                    ..Default::default()
                };
                let (length, body) = (block.len() as u64, RequestContent::from(block.clone()));
                match self.blob.append_blob_client().append_block(body, length, Some(options)).await {
                    Ok(_) => {
                        *tail = place.checked_add(length);
                        return Ok(place);
                    }
                    Err(error) => match errors::refusal(&error) {
                        Some(Refusal::Condition) => drop(self.passed().await?),
                        Some(Refusal::Position) => {
                            self.passed().await?;
                            if self.stands(&block, place).await? {
                                return Ok(place);
                            }
                            if at.is_some() {
                                return Err(self.changed());
                            }
                            // Somebody else has appended: this block goes behind theirs.
                            continue;
                        }
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

    /// `None` when the blob is absent.
    async fn length(&self) -> Result<Option<u64>> {
        let properties = match self.blob.get_properties(None).await {
            Ok(properties) => properties,
            Err(error) if errors::refusal(&error) == Some(Refusal::Absent) => return Ok(None),
            Err(error) => return Err(self.failed("reading the length of", &error)),
        };
        let length = properties.content_length().ok().flatten();
        length.map(Some).ok_or_else(|| {
            Error::new(ErrorKind::Refused, format!("the answer about {} has no readable length", self.address()))
        })
    }

    /// The blob does not end where the block was to go: does it stand there already, or something else?
    async fn stands(&self, block: &[u8], at: u64) -> Result<bool> {
        let range = HttpRange::new(at, block.len() as u64);
        let options = BlobClientDownloadOptions { range: Some(range), ..Default::default() };
        match content::download(&self.blob, options).await {
            Ok(content) => Ok(content?.is_some_and(|content| content.bytes == block)),
            // Nothing stands there yet, so the blob is shorter.
            Err(error) if errors::is_beyond_the_end(&error) => Ok(false),
            Err(error) => Err(self.failed("reading", &error)),
        }
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
            Err(error) if errors::refusal(&error) == Some(Refusal::Condition) => self.passed().await.map(drop),
            Err(error) => Err(self.failed("creating", &error)),
        }
    }
}
