//! Directories on a disk of this machine.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use leader_election::{DistributedMutex, Error, FileMutex, Result};

use super::StoreOptions;
use super::address::{FromUrl, Place};
use super::given::Given;

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
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file:{}", self.0.display())
    }
}
