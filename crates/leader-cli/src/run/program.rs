//! Whether there is a program to run, before a lead is taken for it.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::exit::Failure;

/// As shells have it.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// Refuses what certainly cannot be started. Whether it can be, only starting it tells.
pub fn check(program: &OsStr) -> Result<(), Failure> {
    let refusal = |code, why: &str| Failure::new(code, format!("{program:?} could not be started: {why}"));
    let mut found = candidates(program, std::env::var_os("PATH")).into_iter().filter(|path| path.exists()).peekable();
    if found.peek().is_none() {
        return Err(refusal(NOT_FOUND, "there is no such program"));
    }
    if found.any(|path| may_be_executed(&path)) { Ok(()) } else { Err(refusal(NOT_EXECUTABLE, "it is no program")) }
}

fn candidates(program: &OsStr, path: Option<OsString>) -> Vec<PathBuf> {
    if program.as_encoded_bytes().contains(&b'/') {
        return vec![PathBuf::from(program)];
    }
    // As the C library searches where no path is set.
    let path = path.unwrap_or_else(|| "/bin:/usr/bin".into());
    std::env::split_paths(&path).map(|folder| folder.join(program)).collect()
}

fn may_be_executed(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
