//! Which names an election may have: such as need no quoting in a log line or a shell, and are good on every other store.

use leader_election::{Error, Result, SideName};

pub(crate) fn is_valid(election: &str) -> bool {
    check(election).is_ok()
}

pub(crate) fn check(election: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if !(1..=128).contains(&election.len()) || !election.bytes().all(allowed) || election.starts_with('.') {
        return Err(Error::setting(
            "an election's name must be 1 to 128 of the ASCII letters, digits, `.`, `-` and `_`, and not begin with a dot",
        ));
    }
    SideName::check_election(election)
}

#[cfg(test)]
mod tests {
    use super::is_valid;

    #[test]
    fn a_name_is_one_that_is_good_on_every_store() {
        for name in ["a", "nightly-billing_2.eu", &"x".repeat(128)] {
            assert!(is_valid(name), "{name}");
        }
        for name in ["", ".hidden", "a b", "a/b", "größe", "two\nlines", "nightly.wish", &"x".repeat(129)] {
            assert!(!is_valid(name), "{name:?}");
        }
    }
}
