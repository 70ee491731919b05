//! A record beside an election's: a small block blob in the same container.

use std::num::NonZero;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::http::{Etag, RequestContent};
use azure_storage_blob::BlobClient;
use azure_storage_blob::models::{
    BlobClientDownloadOptions, BlobClientGetPropertiesResultHeaders, BlobClientUploadOptions,
};

use super::requests::LeaseBlob;
use super::wire::{Metadata, SIDE};
use super::{BlobDistributedMutex, Create};
use crate::blob::address::Address;
use crate::blob::errors::{self, Refusal};
use crate::blob::etag::strong_etag;
use leader_election::{
    Error, ErrorKind, Result, SideContent, SideName, SideRecord, Sources, Version, Written, kit::patience,
};

/// One of an election's records, wherever its requests are made.
pub(super) struct BlobSide {
    pub(super) mutex: BlobDistributedMutex,
    pub(super) name: SideName,
}

#[async_trait]
impl SideRecord for BlobSide {
    async fn read(&self) -> Result<Option<SideContent>> {
        let name = self.name;
        self.mutex.blob()?.run(|lease| async move { SideBlob::beside(lease, name)?.read().await }).await
    }

    async fn create(&self, content: &str) -> Result<Written> {
        self.write(Condition::Absent, content).await
    }

    async fn replace(&self, seen: &Version, content: &str) -> Result<Written> {
        SideContent::check(content)?;
        // An `*` would be any version, to the service.
        if !is_etag(seen.as_str()) {
            return Ok(Written::Conflict);
        }
        self.write(Condition::Is(seen.clone()), content).await
    }
}

impl BlobSide {
    async fn write(&self, condition: Condition, content: &str) -> Result<Written> {
        SideContent::check(content)?;
        let (name, content) = (self.name, content.to_owned());
        self.mutex
            .blob()?
            .run(|lease| async move { SideBlob::beside(lease, name)?.write(condition, content).await })
            .await
    }
}

/// What must hold for a write to be carried out.
enum Condition {
    Absent,
    Is(Version),
}

/// The blob.
struct SideBlob {
    lease: Arc<LeaseBlob>,
    blob: BlobClient,
    address: Address,
}

impl SideBlob {
    fn beside(lease: Arc<LeaseBlob>, name: SideName) -> Result<Self> {
        let address = lease.address.beside(name)?;
        Ok(Self { blob: lease.container.blob_client(address.blob_name()), lease, address })
    }

    async fn read(&self) -> Result<Option<SideContent>> {
        const DOING: &str = "reading";
        self.lease.access.signed_in(patience::OF_A_LOOK).await?;
        // One byte more than there may be, whatever stands there.
        let mut bytes = vec![0; SideContent::MAX + 1];
        let options = BlobClientDownloadOptions {
            range: Some((0..bytes.len()).into()),
            parallel: NonZero::new(1),
            ..Default::default()
        };
        let read = self.lease.bounded(DOING, self.blob.download_into(&mut bytes, Some(options))).await?;
        let read = match read {
            Ok(read) => read,
            Err(error) if errors::is_absent_blob(&error) => return Ok(None),
            Err(error) if errors::is_absent_container(&error) && self.may_create_container() => return Ok(None),
            Err(error) => return Err(self.failed(DOING, &error)),
        };
        if write_of(&read.properties.metadata).is_none() {
            return Err(self.corrupt(&format!("has no metadata {SIDE}")));
        }
        if read.len > SideContent::MAX {
            return Err(self.corrupt("is longer than 8,192 bytes"));
        }
        bytes.truncate(read.len);
        let text = String::from_utf8(bytes).map_err(|_| self.corrupt("is no UTF-8"))?;
        Ok(Some(SideContent::new(self.version(read.properties.etag)?, text)))
    }

    async fn write(&self, condition: Condition, content: String) -> Result<Written> {
        self.lease.access.signed_in(patience::OF_A_LOOK).await?;
        let number = Sources::system().uuid().simple().to_string();
        match self.put(&condition, &content, &number).await? {
            Err(error)
                if matches!(condition, Condition::Absent)
                    && errors::is_absent_container(&error)
                    && self.may_create_container() =>
            {
                self.lease.bounded("creating the container of", self.lease.create_container()).await??;
                let written = self.put(&condition, &content, &number).await?;
                self.outcome(written, &number).await
            }
            written => self.outcome(written, &number).await,
        }
    }

    async fn put(
        &self,
        condition: &Condition,
        content: &str,
        number: &str,
    ) -> Result<azure_core::Result<Option<Etag>>> {
        let options = BlobClientUploadOptions {
            metadata: Some(Metadata::from([(SIDE.to_owned(), number.to_owned())])),
            blob_content_type: Some("text/plain; charset=utf-8".to_owned()),
            ..Default::default()
        };
        let options = match condition {
            Condition::Absent => options.if_not_exists(),
            Condition::Is(version) => {
                BlobClientUploadOptions { if_match: Some(Etag::from(version.as_str().to_owned())), ..options }
            }
        };
        let content = RequestContent::from(content.as_bytes().to_vec());
        let written = self.lease.bounded("writing", self.blob.upload(content, Some(options))).await?;
        Ok(written.map(|written| written.etag))
    }

    /// A write that was carried out may have been repeated on its way, and the repetition refused: then its number stands there.
    async fn outcome(&self, written: azure_core::Result<Option<Etag>>, number: &str) -> Result<Written> {
        let error = match written {
            Ok(etag) => return self.version(etag).map(Written::Done),
            Err(error) => error,
        };
        if errors::is_absent_container(&error) && !self.may_create_container() {
            return Err(self.failed("writing", &error));
        }
        match errors::refusal(&error) {
            Some(Refusal::Exists | Refusal::Changed | Refusal::Absent) => {}
            _ => return Err(self.failed("writing", &error)),
        }
        match self.lease.bounded("reading", self.blob.get_properties(None)).await? {
            Ok(found) => {
                let metadata = found.metadata().unwrap_or_default();
                if write_of(&metadata) != Some(number) {
                    return Ok(Written::Conflict);
                }
                self.version(found.etag().ok().flatten()).map(Written::Done)
            }
            Err(error) if errors::is_absent_blob(&error) || errors::is_absent_container(&error) => {
                Ok(Written::Conflict)
            }
            Err(error) => Err(self.failed("reading", &error)),
        }
    }

    fn may_create_container(&self) -> bool {
        self.lease.create == Create::ContainerAndBlob
    }

    fn version(&self, etag: Option<Etag>) -> Result<Version> {
        match etag.map(strong_etag) {
            Some(etag) if is_etag(etag.as_ref()) => Version::new(etag),
            _ => Err(Error::new(ErrorKind::Refused, format!("{} came without a readable ETag", self.address))),
        }
    }

    fn failed(&self, doing: &str, error: &azure_core::Error) -> Error {
        errors::explain(doing, &self.address, error)
    }

    fn corrupt(&self, what: &str) -> Error {
        Error::new(
            ErrorKind::CorruptRecord,
            format!(
                "{} {what}; something else writes to this blob. Nothing was changed: restore or delete it",
                self.address
            ),
        )
    }
}

/// The number of the write that made the record what it is. Every record has one, so none is taken for an election.
fn write_of(metadata: &Metadata) -> Option<&str> {
    let mut numbers = metadata.iter().filter(|(name, _)| name.eq_ignore_ascii_case(SIDE));
    numbers.next().map(|(_, number)| number.trim())
}

/// A version as the service writes it.
fn is_etag(text: &str) -> bool {
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    bare.is_some_and(|bare| bare.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"'))
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
}
