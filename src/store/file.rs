//! Directories on a disk of this machine.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use leader_election::{DistributedMutex, Error, ErrorKind, FileMutex, Result};

use super::StoreOptions;
use super::address::{FromUrl, Place};
use super::given::Given;
use crate::check::{Probes, side};

#[derive(PartialEq, Eq)]
pub(super) struct Directory(pub(super) PathBuf);

impl FromUrl for Directory {
    const EXAMPLE: &'static str = "file:/directory";

    fn read(given: &Given<'_>) -> Result<Option<Self>> {
        if given.scheme != "file" {
            return Ok(None);
        }
        let path = match given.rest.strip_prefix("//") {
            None => given.rest,
            Some(path) if path.starts_with('/') => path,
            Some(_) => {
                return Err(Error::setting(
                    "a store of files must be on this machine: write file:/directory, or file:///directory",
                ));
            }
        };
        if path.is_empty() {
            return Err(Error::setting("file: names no directory: write file:/directory"));
        }
        Ok(Some(Self(PathBuf::from(path))))
    }
}

impl Place for Directory {
    fn identity(&self) -> String {
        let path = self.0.canonicalize().or_else(|_| std::path::absolute(&self.0));
        Self(path.unwrap_or_else(|_| self.0.clone())).to_string()
    }

    fn open(&self, election: &str, _: StoreOptions) -> Result<Arc<dyn DistributedMutex>> {
        Ok(Arc::new(FileMutex::new(&self.0, election)?))
    }

    fn probes(&self, _: &StoreOptions) -> Result<Option<Box<dyn Probes>>> {
        Ok(Some(Box::new(Self(self.0.clone()))))
    }
}

#[async_trait]
impl Probes for Directory {
    async fn remove(&self, election: &str) -> Result<()> {
        let sides = side::written_beside(election).iter().map(|name| format!("{name}.side"));
        let ends = ["json", "lock", "draft"].map(str::to_owned).into_iter().chain(sides);
        let paths: Vec<_> = ends.map(|end| self.0.join(format!("{election}.{end}"))).collect();
        let removed = tokio::task::spawn_blocking(move || paths.iter().try_for_each(|path| remove(path)));
        removed.await.unwrap_or_else(|error| {
            Err(Error::new(ErrorKind::Runtime, "removing the files of an election panicked").with_source(error))
        })
    }
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let message = format!("removing {} failed", path.display());
            Err(Error::new(ErrorKind::Unavailable, message).with_source(error))
        }
        _ => Ok(()),
    }
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file:{}", self.0.display())
    }
}
