//! What all stores do with a record that anybody may have edited: which token follows it, and what to say of it.
//!
//! [`DocumentMutex`](crate::document::DocumentMutex) does this for a document store. A lease store that keeps its token beside the lease
//! does it by these.
//!
//! ```
//! use leader_election::kit::record::next_token;
//! use leader_election::{AcquireRequest, Claim, FencingToken, HolderId};
//! use std::time::Duration;
//!
//! let claim = Claim::new(HolderId::new("worker-7")?, Duration::from_secs(15));
//! let request = AcquireRequest::new(&claim);
//! // As the service's clock has it, or 0.
//! let server_ms = 1_795_229_929_607;
//! let token = next_token(Some(FencingToken::new(41)?), server_ms, request.floor, "the key nightly")?;
//! assert_eq!(token.get(), server_ms);
//! # Ok::<(), leader_election::Error>(())
//! ```

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::timing::Timing;
use crate::token::FencingToken;

/// The fencing token for the next term, to be written before the term is granted: after the one `stored` in the record `what`, on a service whose clock shows `server_ms`
/// milliseconds since 1970 (0: it does not tell).
///
/// Where the caller has a `floor`, the token is the next above that and the one stored, and the clock is left out. So the members of a
/// [quorum](crate::quorum), whose clocks differ, grant one and the same token; the floor keeps it rising.
///
/// A token from a hundred years ahead was not granted by this election. To follow one near the highest would leave no token
/// for the term after next; so it is refused while no leader and no fence has seen it.
///
/// # Errors
/// [`ErrorKind::CorruptRecord`] for such a token, and when there is no higher one left.
pub fn next_token(
    stored: Option<FencingToken>,
    server_ms: u64,
    floor: Option<FencingToken>,
    what: &str,
) -> Result<FencingToken> {
    const HUNDRED_YEARS_MS: u64 = 100 * 365 * 24 * 3_600 * 1_000;
    // A store that does not tell the time does not tell what is far ahead of it.
    if let Some(token) =
        stored.filter(|token| server_ms > 0 && token.get() > server_ms.saturating_add(HUNDRED_YEARS_MS))
    {
        return Err(Error::new(
            ErrorKind::CorruptRecord,
            format!(
                "the fencing token {token} on record is of a time more than a hundred years ahead, so somebody has edited it; \
                 nothing was changed: {}",
                begin_anew(what, "the present time")
            ),
        ));
    }
    let clock_ms = if floor.is_some() { 0 } else { server_ms };
    Ok(FencingToken::next(stored.max(floor), clock_ms)?)
}

/// What to do about a record that cannot be used, for the end of an error's message, in all stores alike: `what` is to be restored or
/// deleted, and the first token follows this `time` then ("the service's time").
#[must_use]
pub fn begin_anew(what: &str, time: &str) -> String {
    format!(
        "restore {what}, or delete it to begin anew (the next fencing token is then {time} in milliseconds: above all before it, \
         if that clock is right and nobody has edited a token)"
    )
}

/// Whether a record that counts in milliseconds can hold a lease of this length: 1 s to an hour. `place` ends the sentence that refuses another one:
/// "on etcd".
///
/// ```
/// use leader_election::kit::record::check_lease;
/// use std::time::Duration;
///
/// assert!(check_lease(Duration::from_millis(1_500), "on etcd").is_ok());
/// let refused = check_lease(Duration::from_micros(1_500_500), "on etcd").unwrap_err();
/// assert!(refused.to_string().starts_with("lease must be 1 s to an hour, in whole milliseconds, on etcd, not"));
/// ```
///
/// # Errors
/// [`InvalidSetting`](crate::ErrorKind::InvalidSetting).
pub fn check_lease(lease: Duration, place: &str) -> Result<()> {
    let countable = lease.subsec_nanos().is_multiple_of(1_000_000);
    if !(Timing::MIN_LEASE..=Timing::MAX_LEASE).contains(&lease) || !countable {
        return Err(Error::setting(format!(
            "lease must be 1 s to an hour, in whole milliseconds, {place}, not {lease:?}"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(number: u64) -> FencingToken {
        FencingToken::new(number).expect("in range")
    }

    #[test]
    fn the_next_token_is_above_the_last_and_the_floor_or_else_the_services_clock() {
        let next = |stored, server_ms, floor: Option<u64>| {
            next_token(Some(token(stored)), server_ms, floor.map(token), "the record").map(FencingToken::get)
        };
        assert_eq!(next(7, 0, None).expect("there is one"), 8);
        assert_eq!(next(7, 0, Some(20)).expect("there is one"), 21);
        assert_eq!(next(7, 1_000, None).expect("there is one"), 1_000);
        assert_eq!(next(7, 1_000, Some(20)).expect("there is one"), 21, "members whose clocks differ agree");
        assert_eq!(next(30, 1_000, Some(20)).expect("there is one"), 31);
        assert_eq!(next_token(None, 0, None, "the record").expect("the first"), token(1));
        assert_eq!(next(FencingToken::MAX, 0, None).expect_err("none left").kind(), ErrorKind::CorruptRecord);
        assert_eq!(next(FencingToken::MAX, 1_000, None).expect_err("far ahead").kind(), ErrorKind::CorruptRecord);
    }
}
