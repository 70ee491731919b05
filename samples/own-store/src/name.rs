//! Which names an election may have: such as need no quoting in a log line or a shell.

use leader_election::{Error, Result};

pub(crate) fn is_valid(election: &str) -> bool {
    (1..=128).contains(&election.len())
        && election.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

pub(crate) fn check(election: &str) -> Result<()> {
    if is_valid(election) {
        return Ok(());
    }
    Err(Error::setting("an election's name must be 1 to 128 of the ASCII letters, digits, `.`, `-` and `_`"))
}
