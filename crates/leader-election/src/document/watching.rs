//! Does the leader on record live? A document store expires nothing, so whoever asks has to watch.

use std::time::Duration;

use crate::moment::Moment;
use crate::port::{LeaseState, Observation, Version};

/// Watches a record stand still, look after look, and tells by that whether its leader renews.
///
/// Times are of one monotonic clock, whichever: a [`Moment`](crate::election::Moment) counts from any instant.
///
/// ```
/// use leader_election::document::{Liveness, Watcher};
/// use leader_election::election::Moment;
/// use leader_election::{FencingToken, HolderId, Leader, LeaseState, Observation, Version};
/// use std::time::Duration;
///
/// let lease = Duration::from_secs(15);
/// let leader = Leader::new(HolderId::new("worker-7")?, FencingToken::new(7)?).with_lease(Some(lease));
/// let seen = Observation::new(LeaseState::Held, Some(leader)).with_version(Some(Version::new("1")?));
/// let begin = Moment::default();
/// let mut watcher = Watcher::new();
/// assert_eq!(watcher.look(begin, &seen), Liveness::OnRecord);
/// assert_eq!(watcher.look(begin + lease, &seen), Liveness::Lapsed);
/// # Ok::<(), leader_election::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Watcher {
    watched: Option<Watched>,
}

#[derive(Debug, Clone)]
struct Watched {
    version: Version,
    /// The end of the look that first showed this version.
    since: Moment,
    /// It has changed while it was watched.
    renews: bool,
}

/// What looks tell of the leader on record.
///
/// ```
/// use leader_election::document::Liveness;
///
/// fn word(liveness: Liveness) -> &'static str {
///     match liveness {
///         Liveness::Free => "nobody leads",
///         Liveness::Leads => "it leads",
///         Liveness::Lapsed => "it is dead, and nobody has taken over yet",
///         _ => "watch for a whole lease to know",
///     }
/// }
/// # assert_eq!(word(Liveness::Free), "nobody leads");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Liveness {
    /// Nobody leads.
    Free,
    /// The leader leads: it renewed while it was watched, or the store itself would have expired its lease.
    Leads,
    /// The record names a leader; it was not watched for long enough to tell whether that lives.
    OnRecord,
    /// The leader on record has not renewed for a whole lease. Any candidate may replace it.
    Lapsed,
}

impl Watcher {
    /// Nothing was seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes what a look has shown, which ended `now`, and says what is known by that.
    pub fn look(&mut self, now: Moment, seen: &Observation) -> Liveness {
        if seen.state == LeaseState::Free {
            self.watched = None;
            return Liveness::Free;
        }
        let Some(version) = &seen.version else { return Liveness::Leads };
        let before = self.watched.take();
        let watched = match before {
            Some(watched) if watched.version == *version => watched,
            before => Watched { version: version.clone(), since: now, renews: before.is_some() },
        };
        let lease = seen.latest.as_ref().and_then(|leader| leader.lease);
        let lapsed = lease.is_some_and(|lease| now.since(watched.since) >= lease);
        let renews = watched.renews;
        self.watched = Some(watched);
        match (lapsed, renews) {
            (true, _) => Liveness::Lapsed,
            (false, true) => Liveness::Leads,
            (false, false) => Liveness::OnRecord,
        }
    }

    /// After what time a leader with this lease counts as dead, if its record stands still until then.
    #[must_use]
    pub fn lapses_in(&self, now: Moment, lease: Duration) -> Duration {
        let stood_still = self.watched.as_ref().map_or(Duration::ZERO, |watched| now.since(watched.since));
        lease.saturating_sub(stood_still)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FencingToken, HolderId, Leader};

    const LEASE: Duration = Duration::from_secs(3);

    fn held(version: &str) -> Observation {
        let holder = HolderId::new("a").expect("valid");
        let leader = Leader::new(holder, FencingToken::new(1).expect("valid")).with_lease(Some(LEASE));
        Observation::new(LeaseState::Held, Some(leader)).with_version(Some(Version::new(version).expect("valid")))
    }

    fn at(millis: u64) -> Moment {
        Moment::default() + Duration::from_millis(millis)
    }

    #[test]
    fn a_record_that_stands_still_for_a_lease_has_lapsed_and_one_that_changes_lives() {
        let mut watcher = Watcher::new();
        assert_eq!(watcher.look(at(0), &held("1")), Liveness::OnRecord);
        assert_eq!(watcher.look(at(2_999), &held("1")), Liveness::OnRecord);
        assert_eq!(watcher.lapses_in(at(2_999), LEASE), Duration::from_millis(1));
        assert_eq!(watcher.look(at(3_000), &held("1")), Liveness::Lapsed);
        assert_eq!(watcher.look(at(3_100), &held("2")), Liveness::Leads);
        assert_eq!(watcher.look(at(6_100), &held("2")), Liveness::Lapsed, "it lived, and does no more");
    }

    #[test]
    fn what_was_watched_before_a_release_counts_no_more() {
        let mut watcher = Watcher::new();
        watcher.look(at(0), &held("1"));
        assert_eq!(watcher.look(at(10), &Observation::default()), Liveness::Free);
        assert_eq!(watcher.look(at(5_000), &held("1")), Liveness::OnRecord);
    }

    #[test]
    fn a_store_that_expires_leases_itself_needs_no_watching() {
        let mut watcher = Watcher::new();
        assert_eq!(watcher.look(at(0), &held("1").with_version(None)), Liveness::Leads);
    }
}
