//! A ledger in a file: one entry a line, of which the last tells the fence.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use azure_leader_election::{Error, ErrorKind, FencingToken, Result};

use super::{Ledger, Writer};

pub struct FileLedger {
    path: PathBuf,
    fenced: bool,
}

impl FileLedger {
    pub fn new(directory: &str, name: &str, fenced: bool) -> Self {
        Self { path: Path::new(directory).join(format!("{name}.ledger")), fenced }
    }
}

struct FileWriter {
    path: PathBuf,
    /// `None`: it is not looked at.
    token: Option<FencingToken>,
}

#[async_trait]
impl Ledger for FileLedger {
    async fn open(&self, token: FencingToken) -> Result<Box<dyn Writer>> {
        Ok(Box::new(FileWriter { path: self.path.clone(), token: self.fenced.then_some(token) }))
    }

    async fn entries(&self) -> Result<Vec<String>> {
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        Ok(text.lines().map(str::to_owned).collect())
    }
}

#[async_trait]
impl Writer for FileWriter {
    async fn add(&mut self, entry: &str) -> Result<()> {
        let (path, token, entry) = (self.path.clone(), self.token, entry.to_owned());
        let added = tokio::task::spawn_blocking(move || add(&path, token, &entry)).await;
        added.expect("no panic")
    }
}

fn add(path: &Path, token: Option<FencingToken>, entry: &str) -> Result<()> {
    let mut file = locked(path).map_err(|error| Error::new(ErrorKind::Unavailable, error.to_string()))?;
    let mut text = String::new();
    file.read_to_string(&mut text).expect("readable");
    let fence = text.lines().last().and_then(|line| line.split(' ').next()).and_then(|token| token.parse().ok());
    if token.zip(fence).is_some_and(|(token, fence): (_, u64)| fence > token.get()) {
        return Err(Error::new(ErrorKind::Fenced, "an older leader's"));
    }
    file.seek(SeekFrom::End(0)).and_then(|_| file.write_all(format!("{entry}\n").as_bytes())).expect("written");
    Ok(())
}

fn locked(path: &Path) -> std::io::Result<File> {
    let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
    file.lock()?;
    Ok(file)
}
