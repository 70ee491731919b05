//! What an answer's status means, where the service has no more to say.

use leader_election::ErrorKind;

/// The kind of error that a status is, whatever was asked. A service's own codes come first.
#[must_use]
pub fn kind(status: u16) -> ErrorKind {
    match status {
        401 | 403 => ErrorKind::Denied,
        404 => ErrorKind::NotFound,
        429 => ErrorKind::Throttled,
        408 | 500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_transient_and_all_else_is_for_a_human() {
        for status in 100..600 {
            let transient = matches!(status, 408 | 429 | 500..=599);
            assert_eq!(kind(status).is_transient(), transient, "{status}");
        }
    }
}
