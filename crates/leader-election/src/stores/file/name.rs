//! Which names and directories can be, checked before any file is looked at.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::port::SideName;

/// Windows keeps these for devices, with any extension, in every directory.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];
/// Likewise, with a digit.
const NUMBERED_DEVICES: [&str; 2] = ["com", "lpt"];

/// What is a file name of its own on every system, in the given directory and nowhere else. The refusal does not quote it:
/// somebody may have put a secret there.
pub(super) fn check(election: &str) -> Result<()> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if !(1..=128).contains(&election.len()) || !election.bytes().all(allowed) || election.starts_with('.') {
        return Err(Error::setting(
            "the election name must be 1 to 128 ASCII letters, digits, dots, hyphens and underscores, and not begin with a dot, \
             as it names a file",
        ));
    }
    let stem = election.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let numbered = |device: &&str| {
        let digit = stem.strip_prefix(*device).unwrap_or_default();
        digit.len() == 1 && digit.bytes().all(|b| b.is_ascii_digit())
    };
    if DEVICES.contains(&stem.as_str()) || NUMBERED_DEVICES.iter().any(numbered) {
        return Err(Error::setting(
            "the election name must not begin with a name that Windows keeps for a device (con, prn, aux, nul, com0 to com9, \
             lpt0 to lpt9): no file can be named so there",
        ));
    }
    SideName::check_election(election)
}

/// The directory by a path that leads there from everywhere.
pub(super) fn absolute(directory: &Path) -> Result<PathBuf> {
    let text = directory.to_string_lossy();
    let is_no_path =
        ["://", "AccountKey=", "SharedAccessSignature=", "?sig=", "&sig="].iter().any(|part| text.contains(part));
    if is_no_path {
        return Err(Error::setting(
            "the directory of a file store must be a path, not a URL or a connection string: those are for the stores in Azure",
        ));
    }
    // An empty path is the current directory to `join`, and none at all to `open`.
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    std::path::absolute(directory).map_err(|error| {
        Error::setting(
            "the directory is given relative to the current one, which cannot be found out (is it deleted?): give it from the root on",
        )
        .with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use crate::error::ErrorKind;
    use crate::stores::file::FileMutex;

    fn refusal(directory: &str, election: &str) -> String {
        let error = FileMutex::new(directory, election).expect_err("must be refused");
        assert_eq!(error.kind(), ErrorKind::InvalidSetting, "{election:?}");
        error.to_string()
    }

    #[test]
    fn invariant_14_no_election_name_leaves_the_directory_or_takes_the_file_of_another() {
        for name in
            ["", ".", "..", ".hidden", "../up", "a/b", "a\\b", "a:b", "größe", "a b", "a\n", "a\0", &"x".repeat(129)]
        {
            assert!(refusal("directory", name).contains("election name"), "{name:?}");
        }
        for name in ["a", "nightly-billing_2.eu", "7", &"x".repeat(128)] {
            FileMutex::new("directory", name).expect("allowed");
        }
    }

    #[test]
    fn names_that_windows_keeps_for_devices_are_refused_on_every_system() {
        for name in ["nul", "NUL", "con.json", "Aux.eu.west", "prn", "com1", "COM9.x", "lpt0", "nul."] {
            assert!(refusal("directory", name).contains("Windows"), "{name}");
        }
        for name in ["nullable", "com", "com10", "commit", "lpt", "a.nul", "console", "con-1"] {
            FileMutex::new("directory", name).expect("allowed");
        }
    }

    #[test]
    fn the_names_of_records_beside_others_are_refused() {
        for name in ["nightly.wish", "a.b.runs", "nightly.TERMS"] {
            assert!(refusal("directory", name).contains(".wish, .runs or .terms"), "{name}");
        }
        FileMutex::new("directory", "nightly.eu").expect("allowed");
    }

    #[test]
    fn a_url_or_a_connection_string_is_no_directory_and_is_not_quoted() {
        for secret in ["https://acct.blob.core.windows.net/leases?sv=1&sig=SECRET", "AccountName=a;AccountKey=SECRET=="]
        {
            assert!(!refusal(secret, "nightly").contains("SECRET"));
            assert!(!refusal("directory", secret).contains("SECRET"));
        }
    }
}
