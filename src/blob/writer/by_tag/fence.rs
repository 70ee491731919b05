//! Reading the fence of a blob, and raising it.

use std::sync::atomic::Ordering;

use azure_core::http::{Etag, RequestContent};
use azure_storage_blob::models::{
    AppendBlobClientCreateOptions, BlobClientSetTagsOptions, BlobTag, BlobTags, BlockBlobClientUploadOptions,
};

use super::FencedBlob;
use crate::blob::writer::content;
use crate::blob::writer::errors::{self, Refusal};
use crate::blob::writer::mark::{Mark, TAG};
use crate::writer::ROUNDS;
use leader_election::{Error, Result};

/// What the tags say.
pub(super) enum Fence {
    /// There is no blob.
    Absent,
    /// All tags, and the mark among them.
    Marked(Mark, Vec<BlobTag>),
}

/// What raising the fence does where there is no blob.
#[derive(Clone, Copy)]
pub(super) enum Absent {
    LeaveTombstone,
    CreateLog,
}

impl FencedBlob {
    pub(super) async fn fence(&self) -> Result<Fence> {
        let tags = match self.blob.get_tags(None).await {
            Ok(tags) => tags.into_model().map_err(|error| self.failed("reading the tags of", &error))?,
            Err(error) if errors::refusal(&error) == Some(Refusal::Absent) => return Ok(Fence::Absent),
            Err(error) => return Err(self.failed("reading the tags of", &error)),
        };
        let tags = tags.blob_tag_set.unwrap_or_default();
        let Some(value) = tags.iter().find(|tag| tag.key.as_deref() == Some(TAG)) else {
            return Err(Error::setting(format!(
                "{} has no tag {TAG:?}: it was written without a fence. Make all its writers use one, and set it once: az \
                 storage blob tag set --tags {TAG}={:020} (keep its other tags)",
                self.address(),
                1
            )));
        };
        let mark = value.value.as_deref().unwrap_or_default().parse()?;
        Ok(Fence::Marked(mark, tags))
    }

    /// After a condition did not hold: an error if a newer leader is the reason.
    pub(super) async fn passed(&self) -> Result<()> {
        match self.fence().await? {
            Fence::Marked(mark, _) if mark.token > self.token => Err(self.overtaken(mark)),
            _ => Ok(()),
        }
    }

    pub(super) async fn take_over(&self, absent: Absent) -> Result<()> {
        for _ in 0..ROUNDS {
            let Fence::Marked(current, tags) = self.fence().await? else {
                self.create(absent).await?;
                continue;
            };
            if current.token > self.token {
                return Err(self.overtaken(current));
            }
            if current.token == self.token || self.set_mark(current, tags).await? {
                self.raised.store(true, Ordering::Release);
                return Ok(());
            }
        }
        Err(self.restless())
    }

    /// Raises the fence from this very mark; `false` if that is not the current one any more.
    ///
    /// Azurite does not look at the condition of this one request, so there an older leader that is paused right before it
    /// can lower the fence again. Azure does.
    async fn set_mark(&self, current: Mark, mut tags: Vec<BlobTag>) -> Result<bool> {
        tags.retain(|tag| tag.key.as_deref() != Some(TAG));
        tags.push(BlobTag { key: Some(TAG.to_owned()), value: Some(Mark::next(self.token).to_string()) });
        let body = RequestContent::try_from(BlobTags { blob_tag_set: Some(tags) })
            .map_err(|error| self.failed("raising the fence of", &error))?;
        let options = BlobClientSetTagsOptions { if_tags: Some(current.stands()), ..Default::default() };
        match self.blob.set_tags(body, Some(options)).await {
            Ok(_) => Ok(true),
            Err(error) => match errors::refusal(&error) {
                Some(Refusal::Condition | Refusal::Absent) => Ok(false),
                _ => Err(self.failed("raising the fence of", &error)),
            },
        }
    }

    /// Creates the blob with this leadership's fence, unless somebody else is faster.
    async fn create(&self, absent: Absent) -> Result<()> {
        let tags = Some(Mark::next(self.token).tag());
        let created = match absent {
            Absent::LeaveTombstone => {
                let options = BlockBlobClientUploadOptions {
                    blob_tags_string: tags,
                    metadata: Some(content::tombstone()),
                    ..Default::default()
                };
                self.blob.upload(RequestContent::from(Vec::new()), Some(options.if_not_exists())).await.map(drop)
            }
            Absent::CreateLog => {
                let options = AppendBlobClientCreateOptions {
                    blob_tags_string: tags,
                    if_none_match: Some(Etag::from("*")),
                    ..Default::default()
                };
                self.blob.append_blob_client().create(Some(options)).await.map(drop)
            }
        };
        match created {
            Err(error) if errors::refusal(&error) != Some(Refusal::Exists) => Err(self.failed("creating", &error)),
            _ => Ok(()),
        }
    }
}
