//! A small block blob that changes by compare-and-swap on its ETag.

use std::num::NonZero;

use azure_core::http::{Etag, RequestContent};
use azure_storage_blob::BlobClient;
use azure_storage_blob::models::{
    BlobClientDownloadOptions, BlobClientGetPropertiesResultHeaders, BlobClientUploadOptions,
};

use super::date::{millis, server_time};
use super::errors::{self, Refusal};
use super::etag::strong_etag;
use super::place::Place;
use leader_election::{Error, ErrorKind, Result, Version, Written};

type Metadata = std::collections::HashMap<String, String>;

/// What kind of blob it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// The name of the metadata that tells it from all others, and whose value is the number of the write that made it what it is.
    pub(super) mark: &'static str,
    /// The most bytes that it may have.
    pub(super) most: usize,
    pub(super) content_type: &'static str,
}

pub(super) struct SmallBlob {
    place: Place,
    blob: BlobClient,
    kind: Kind,
}

/// What stands in it.
pub(super) struct Content {
    pub(super) version: Version,
    pub(super) bytes: Vec<u8>,
    /// The service's time in milliseconds since 1970, if it told.
    pub(super) server_ms: Option<u64>,
}

/// What must hold for a write to be carried out.
pub(super) enum Condition<'a> {
    Absent,
    Is(&'a Version),
}

impl SmallBlob {
    pub(super) fn new(place: Place, kind: Kind) -> Self {
        Self { blob: place.container.blob_client(place.address.blob_name()), place, kind }
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// `None` when it is absent. An absent container is that too, where it may be created.
    pub(super) async fn read(&self) -> Result<Option<Content>> {
        const DOING: &str = "reading";
        // One byte more than there may be, whatever stands there.
        let mut bytes = vec![0; self.kind.most + 1];
        let options = BlobClientDownloadOptions {
            range: Some((0..bytes.len()).into()),
            parallel: NonZero::new(1),
            ..Default::default()
        };
        let read = self.place.bounded(DOING, self.blob.download_into(&mut bytes, Some(options))).await?;
        let read = match read {
            Ok(read) => read,
            Err(error) if errors::is_absent_blob(&error) => return Ok(None),
            Err(error) if errors::is_absent_container(&error) && self.place.may_create_container() => return Ok(None),
            Err(error) if errors::is_empty_blob(&error) => return Err(self.corrupt("is empty")),
            Err(error) => return Err(self.place.failed(DOING, &error)),
        };
        if self.write_of(&read.properties.metadata).is_none() {
            return Err(self.corrupt(&format!("has no metadata {}", self.kind.mark)));
        }
        if read.len > self.kind.most {
            return Err(self.corrupt(&format!("is longer than {} bytes", thousands(self.kind.most))));
        }
        bytes.truncate(read.len);
        let version = self.version(read.properties.etag)?;
        let server_ms = server_time(&read.headers).and_then(millis).ok();
        Ok(Some(Content { version, bytes, server_ms }))
    }

    /// `number` is of this write alone.
    pub(super) async fn write(&self, condition: Condition<'_>, content: &str, number: &str) -> Result<Written> {
        // An `*` would be any version, to the service.
        if matches!(condition, Condition::Is(version) if !is_etag(version.as_str())) {
            return Ok(Written::Conflict);
        }
        match self.put(&condition, content, number).await? {
            Err(error)
                if matches!(condition, Condition::Absent)
                    && errors::is_absent_container(&error)
                    && self.place.may_create_container() =>
            {
                self.place.bounded("creating the container of", self.place.create_container()).await??;
                let written = self.put(&condition, content, number).await?;
                self.outcome(written, number).await
            }
            written => self.outcome(written, number).await,
        }
    }

    async fn put(
        &self,
        condition: &Condition<'_>,
        content: &str,
        number: &str,
    ) -> Result<azure_core::Result<Option<Etag>>> {
        let options = BlobClientUploadOptions {
            metadata: Some(Metadata::from([(self.kind.mark.to_owned(), number.to_owned())])),
            blob_content_type: Some(self.kind.content_type.to_owned()),
            ..Default::default()
        };
        let options = match condition {
            Condition::Absent => options.if_not_exists(),
            Condition::Is(version) => {
                BlobClientUploadOptions { if_match: Some(Etag::from(version.as_str().to_owned())), ..options }
            }
        };
        let content = RequestContent::from(content.as_bytes().to_vec());
        let written = self.place.bounded("writing", self.blob.upload(content, Some(options))).await?;
        Ok(written.map(|written| written.etag))
    }

    /// A write that was carried out may have been repeated on its way, and the repetition refused: then its number stands there.
    async fn outcome(&self, written: azure_core::Result<Option<Etag>>, number: &str) -> Result<Written> {
        let error = match written {
            Ok(etag) => return self.version(etag).map(Written::Done),
            Err(error) => error,
        };
        if errors::is_absent_container(&error) && !self.place.may_create_container() {
            return Err(self.place.failed("writing", &error));
        }
        match errors::refusal(&error) {
            Some(Refusal::Exists | Refusal::Changed | Refusal::Absent) => {}
            _ => return Err(self.place.failed("writing", &error)),
        }
        match self.place.bounded("reading", self.blob.get_properties(None)).await? {
            Ok(found) => {
                let metadata = found.metadata().unwrap_or_default();
                if self.write_of(&metadata) != Some(number) {
                    return Ok(Written::Conflict);
                }
                self.version(found.etag().ok().flatten()).map(Written::Done)
            }
            Err(error) if errors::is_absent_blob(&error) || errors::is_absent_container(&error) => {
                Ok(Written::Conflict)
            }
            Err(error) => Err(self.place.failed("reading", &error)),
        }
    }

    fn version(&self, etag: Option<Etag>) -> Result<Version> {
        match etag.map(strong_etag) {
            Some(etag) if is_etag(etag.as_ref()) => Version::new(etag),
            _ => Err(Error::new(ErrorKind::Refused, format!("{} came without a readable ETag", self.place.address))),
        }
    }

    pub(super) fn corrupt(&self, what: &str) -> Error {
        Error::new(
            ErrorKind::CorruptRecord,
            format!(
                "{} {what}; something else writes to this blob. Nothing was changed: restore or delete it",
                self.place.address
            ),
        )
    }

    /// The number of the write that made the blob what it is. Every one has it, so none is taken for another kind.
    fn write_of<'a>(&self, metadata: &'a Metadata) -> Option<&'a str> {
        let mut numbers = metadata.iter().filter(|(name, _)| name.eq_ignore_ascii_case(self.kind.mark));
        numbers.next().map(|(_, number)| number.trim())
    }
}

/// A version as the service writes it.
fn is_etag(text: &str) -> bool {
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    bare.is_some_and(|bare| bare.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"'))
}

fn thousands(number: usize) -> String {
    format!("{},{:03}", number / 1_000, number % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_version_as_the_service_writes_it_is_sent_back() {
        for version in ["\"0x8D\"", "\"a/b+c\""] {
            assert!(is_etag(version));
        }
        for other in ["*", "", "\"", "0x8D", "W/\"0x8D\"", "\"a\", \"b\"", "\"a\r\nb\"", "\"ü\""] {
            assert!(!is_etag(other), "{other}");
        }
    }

    #[test]
    fn a_limit_is_told_with_its_thousands() {
        assert_eq!((thousands(8_192), thousands(65_536)), ("8,192".to_owned(), "65,536".to_owned()));
    }
}
