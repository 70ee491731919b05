//! The files of one election, and the operations on them. They block.
//!
//! The record is only ever replaced by a rename, under the lock; so a reader needs no lock, and finds the old record or the
//! new one whenever a writer is killed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::errors::{Doing, Of, corrupt, failure, spoilt};
use super::name;
use super::wire::{self, Rest};
use crate::document::json::MAX_BYTES;
use crate::document::{Record, Written};
use crate::error::{Error, ErrorKind, Result};
use crate::port::{SideName, Version};

pub(super) struct Disk {
    directory: PathBuf,
    election: String,
    record: PathBuf,
    lock: PathBuf,
    /// What is to become the record. There is one name for all writers, which only the holder of the lock uses: what a killed
    /// one leaves behind is overwritten by the next.
    draft: PathBuf,
}

/// What became of an operation that may need the lock.
pub(super) enum Attempt<T> {
    Done(T),
    /// Another process holds the lock; nothing was done.
    Locked,
}

pub(super) struct ReadRecord {
    pub(super) version: Version,
    pub(super) record: Record,
    pub(super) rest: Rest,
}

/// Of either record: a side record's 8,192 bytes have six times as many where each is escaped.
const LONGEST: u64 = MAX_BYTES as u64;
/// The most records that are looked at to tell which elections there are.
const LISTED: usize = 5_000;

impl Disk {
    /// `directory` is an absolute path: a relative one would lead elsewhere once the process changes its directory.
    pub(super) fn new(directory: PathBuf, election: &str) -> Self {
        Self {
            record: directory.join(format!("{election}.json")),
            lock: directory.join(format!("{election}.lock")),
            draft: directory.join(format!("{election}.draft")),
            election: election.to_owned(),
            directory,
        }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes the directory, where the one above it exists. Another worker may be faster: that is as good.
    pub(super) fn create_directory(&self) -> Result<()> {
        match fs::create_dir(&self.directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(self.failure(&self.record, Doing::Creating, error))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn record(&self) -> &Path {
        &self.record
    }

    pub(super) fn lock_file(&self) -> &Path {
        &self.lock
    }

    pub(super) fn read(&self) -> Result<Attempt<Option<ReadRecord>>> {
        // Windows may refuse to open a file in the instant in which it is replaced.
        let _lock = if cfg!(windows) {
            match self.lock()? {
                Some(lock) => Some(lock),
                None => return Ok(Attempt::Locked),
            }
        } else {
            None
        };
        self.read_whole().map(Attempt::Done)
    }

    /// Writes the first record, unless there is one.
    pub(super) fn create(&self, text: &str) -> Result<Attempt<Written>> {
        let Some(lock) = self.lock()? else { return Ok(Attempt::Locked) };
        // Also one that cannot be understood, or a link that leads nowhere.
        match fs::symlink_metadata(&self.record) {
            Ok(_) => Ok(Attempt::Done(Written::Conflict)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.put(&lock, text),
            Err(error) => Err(self.failure(&self.record, Doing::Reading(Of::Leader), error)),
        }
    }

    /// Replaces the record if it still has this version.
    pub(super) fn replace(&self, seen: &Version, text: &str) -> Result<Attempt<Written>> {
        let Some(lock) = self.lock()? else { return Ok(Attempt::Locked) };
        match self.read_whole()? {
            Some(current) if current.version == *seen => self.put(&lock, text),
            _ => Ok(Attempt::Done(Written::Conflict)),
        }
    }

    /// The record beside the election's. No election has a file of that name, as all of theirs end otherwise.
    pub(super) fn side(&self, name: SideName) -> PathBuf {
        self.directory.join(format!("{}.{name}.side", self.election))
    }

    /// What stands in a record beside the election's, and its version.
    pub(super) fn read_side(&self, side: &Path) -> Result<Attempt<Option<(Version, String)>>> {
        // As for the record.
        let _lock = if cfg!(windows) {
            match self.lock()? {
                Some(lock) => Some(lock),
                None => return Ok(Attempt::Locked),
            }
        } else {
            None
        };
        let Some(content) = self.content(side, spoilt)? else { return Ok(Attempt::Done(None)) };
        let text = wire::side::read(&content).map_err(|what| spoilt(side, &what))?;
        Ok(Attempt::Done(Some((version(&content)?, text))))
    }

    /// Writes it if it is as it was seen: of that version, or absent.
    pub(super) fn write_side(&self, side: &Path, seen: Option<&Version>, text: &str) -> Result<Attempt<Written>> {
        let Some(lock) = self.lock()? else { return Ok(Attempt::Locked) };
        let content = self.content(side, spoilt)?;
        if content.map(|content| version(&content)).transpose()?.as_ref() != seen {
            return Ok(Attempt::Done(Written::Conflict));
        }
        self.put_at(side, &lock, text)
    }

    /// The elections that have a record in this directory, in order. What does not read as one is none.
    pub(super) fn elections(&self) -> Result<Vec<String>> {
        let failed = |error| self.failure(&self.record, Doing::Reading(Of::Leader), error);
        let mut elections = Vec::new();
        let mut looked_at = 0;
        for entry in fs::read_dir(&self.directory).map_err(failed)? {
            let file = entry.map_err(failed)?.file_name();
            let election = file.to_str().and_then(|file| file.strip_suffix(".json"));
            let Some(election) = election.filter(|election| name::check(election).is_ok()) else { continue };
            looked_at += 1;
            if looked_at > LISTED {
                let message = format!(
                    "{} holds more than 5,000 files that could be records, which are not searched for elections: keep those in a \
                     directory of their own",
                    self.directory.display()
                );
                return Err(Error::new(ErrorKind::Refused, message));
            }
            match Self::new(self.directory.clone(), election).read_whole() {
                Ok(Some(_)) => elections.push(election.to_owned()),
                Err(error) if error.is_transient() => return Err(error),
                _ => {}
            }
        }
        elections.sort_unstable();
        Ok(elections)
    }

    fn read_whole(&self) -> Result<Option<ReadRecord>> {
        let Some(content) = self.content(&self.record, corrupt)? else { return Ok(None) };
        let (record, rest) = wire::read(&content).map_err(|what| corrupt(&self.record, &what))?;
        Ok(Some(ReadRecord { version: version(&content)?, record, rest }))
    }

    /// What stands in a file; `None` when there is none.
    fn content(&self, path: &Path, corrupt: fn(&Path, &str) -> Error) -> Result<Option<Vec<u8>>> {
        let failed = |error| self.failure(path, Doing::Reading(self.of(path)), error);
        match fs::metadata(path) {
            // To open a pipe would wait for a writer.
            Ok(metadata) if !metadata.is_file() => return Err(corrupt(path, "is no file")),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // A missing directory is no new election.
                fs::metadata(&self.directory).map_err(failed)?;
                return Ok(None);
            }
            Err(error) => return Err(failed(error)),
        }
        let mut content = Vec::new();
        match File::open(path) {
            Ok(file) => file.take(LONGEST + 1).read_to_end(&mut content).map_err(failed)?,
            // Deleted in between.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if content.len() as u64 > LONGEST {
            return Err(corrupt(path, "is longer than 64 KiB"));
        }
        Ok(Some(content))
    }

    /// Writes the record, durably: the token in it may be handed out as soon as this returns.
    fn put(&self, lock: &File, text: &str) -> Result<Attempt<Written>> {
        self.put_at(&self.record, lock, text)
    }

    fn put_at(&self, path: &Path, lock: &File, text: &str) -> Result<Attempt<Written>> {
        let of = self.of(path);
        let written = File::create(&self.draft).and_then(|mut draft| {
            draft.write_all(text.as_bytes())?;
            draft.sync_all()
        });
        written.map_err(|error| self.failure(path, Doing::Writing(of), error))?;
        fs::rename(&self.draft, path).map_err(|error| self.failure(path, Doing::Replacing(of), error))?;
        self.sync_directory().map_err(|error| self.failure(path, Doing::Writing(of), error))?;
        if !self.in_place(lock) {
            let message = format!(
                "{} was deleted while it was held: keep whatever cleans up away from it as long as workers run",
                self.lock.display()
            );
            return Err(Error::new(ErrorKind::Unavailable, message));
        }
        version(text.as_bytes()).map(|version| Attempt::Done(Written::Done(version)))
    }

    /// The lock, freed when the file is closed, also by the death of the process; `None` while somebody else has it.
    fn lock(&self) -> Result<Option<File>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.lock)
            .map_err(|error| self.failure(&self.record, Doing::Locking, error))?;
        // Not as a method: the standard library has one of that name in newer versions.
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(self.failure(&self.record, Doing::Locking, error)),
        }
    }

    /// Whether the file that is locked is the one that others would lock, too. Seen after a write, it has been so all the time:
    /// who came in by another lock file has seen what was written.
    #[cfg(unix)]
    fn in_place(&self, lock: &File) -> bool {
        use std::os::unix::fs::MetadataExt;
        let id = |metadata: io::Result<fs::Metadata>| metadata.map(|metadata| (metadata.dev(), metadata.ino())).ok();
        let held = id(lock.metadata());
        held.is_some() && held == id(fs::metadata(&self.lock))
    }

    #[cfg(not(unix))]
    fn in_place(&self, _lock: &File) -> bool {
        true
    }

    /// Without it the rename itself can be lost when the machine loses power.
    #[cfg(unix)]
    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }

    #[cfg(not(unix))]
    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn of(&self, path: &Path) -> Of {
        if path == self.record { Of::Leader } else { Of::Side }
    }

    /// `path` is that of the record.
    fn failure(&self, path: &Path, doing: Doing, error: io::Error) -> Error {
        let file = match doing {
            Doing::Creating => None,
            Doing::Locking => Some(self.lock.as_path()),
            Doing::Reading(_) | Doing::Replacing(_) => Some(path),
            Doing::Writing(_) => Some(self.draft.as_path()),
        };
        failure(doing, &self.directory, file.filter(|file| file.symlink_metadata().is_ok()), error)
    }
}

/// Made of the whole content, in which each write has a number of its own: so an edit by hand is seen, too.
fn version(content: &[u8]) -> Result<Version> {
    const NAMESPACE: Uuid = Uuid::from_u128(0x51c3_7be0_94d2_4f6c_8a1e_03d7_b2f5_60c9);
    Version::new(Uuid::new_v5(&NAMESPACE, content).simple().to_string())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_fails_at_a_side_record_is_told_of_that() {
        let directory = tempfile::tempdir().expect("a directory");
        let disk = Disk::new(directory.path().to_owned(), "nightly");
        let lock = disk.lock().expect("it works").expect("nobody has it");
        let side = disk.side(SideName::new("wish").expect("valid"));
        for (path, said) in [(&side, "writing the side record"), (&disk.record, "writing the leader record")] {
            fs::create_dir(path).expect("what no file can replace");
            let error = disk.put_at(path, &lock, "{}").err().expect("refused");
            assert!(error.to_string().contains(said), "{error}");
        }
    }

    #[test]
    fn who_writes_under_a_deleted_lock_file_does_not_say_that_it_is_done() {
        let directory = tempfile::tempdir().expect("a directory");
        let disk = Disk::new(directory.path().to_owned(), "nightly");
        let lock = disk.lock().expect("it works").expect("nobody has it");
        assert!(disk.lock().expect("it works").is_none(), "it is held");
        fs::remove_file(disk.lock_file()).expect("deleted");
        let other = disk.lock().expect("it works").expect("another file, which nobody has locked");
        assert_eq!(disk.put(&lock, "{}").err().expect("its outcome is not known").kind(), ErrorKind::Unavailable);
        assert!(disk.put(&other, "{}").is_ok());
    }
}
