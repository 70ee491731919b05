//! A record beside the leader record: a file of its own, written under the same lock.

use std::path::PathBuf;

use async_trait::async_trait;

use super::document::LeaderFile;
use super::wire;
use crate::error::{ErrorKind, Result};
use crate::port::{SideContent, SideRecord, Version, Written};
use crate::sources::Sources;

pub(super) struct SideFile {
    pub(super) files: LeaderFile,
    pub(super) path: PathBuf,
}

impl SideFile {
    async fn write(&self, seen: Option<Version>, content: &str) -> Result<Written> {
        SideContent::check(content)?;
        let number = Sources::system().uuid().simple().to_string();
        let (path, text) = (self.path.clone(), wire::side::write(&number, content));
        self.files.blocking(move |disk| disk.write_side(&path, seen.as_ref(), &text)).await
    }
}

#[async_trait]
impl SideRecord for SideFile {
    async fn read(&self) -> Result<Option<SideContent>> {
        let path = self.path.clone();
        let read = self.files.blocking(move |disk| disk.read_side(&path)).await?;
        Ok(read.map(|(version, text)| SideContent::new(version, text)))
    }

    /// Makes the directory, where it is absent, as a candidate does.
    async fn create(&self, content: &str) -> Result<Written> {
        match self.write(None, content).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.files.create_directory().await?;
                self.write(None, content).await
            }
            outcome => outcome,
        }
    }

    async fn replace(&self, seen: &Version, content: &str) -> Result<Written> {
        self.write(Some(seen.clone()), content).await
    }
}
