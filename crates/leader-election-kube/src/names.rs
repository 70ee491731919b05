//! The names that the API server takes, checked before anything is sent: its own refusal is a 422 in the middle of an election.

use leader_election::{Error, Result, SideName};

/// A Lease's name, which is the election's.
pub(crate) fn check_election(name: &str) -> Result<()> {
    if !is_subdomain(name) {
        return Err(Error::setting(
            "on Kubernetes the election's name must be a DNS subdomain: 1 to 253 lower-case letters, digits, `-` and `.`, with a \
             letter or digit at both ends of each part between dots",
        ));
    }
    SideName::check_election(name)
}

pub(crate) fn check_object(name: &str) -> Result<()> {
    if is_subdomain(name) {
        return Ok(());
    }
    Err(Error::setting("the object's name must be a DNS subdomain: 1 to 253 lower-case letters, digits, `-` and `.`"))
}

pub(crate) fn check_namespace(name: &str) -> Result<()> {
    if name.len() <= 63 && is_label(name) {
        return Ok(());
    }
    Err(Error::setting(
        "the namespace must be 1 to 63 lower-case letters, digits and `-`, with a letter or digit at both ends",
    ))
}

pub(crate) fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label)
}

fn is_label(part: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !part.is_empty() && part.bytes().all(inner) && !part.starts_with('-') && !part.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_refused_before_the_server_does_it() {
        // Each of the second list was a 422 of a real API server.
        for name in ["a", "nightly-billing", "nightly.eu-2", "7", &"x".repeat(253)] {
            check_election(name).expect(name);
        }
        for name in ["", "Nightly", "nightly_billing", "-x", "x-", "a..b", ".a", "a/b", "größe", &"x".repeat(254)] {
            let error = check_election(name).expect_err(name);
            assert!(error.to_string().contains("DNS subdomain"), "{error}");
        }
        assert!(check_election("nightly.wish").is_err(), "the name of a record beside another election's");
        assert!(check_namespace("team-a").is_ok());
        for name in ["", "a.b", "Team", "../pods", &"x".repeat(64)] {
            assert!(check_namespace(name).is_err(), "{name}");
        }
    }
}
