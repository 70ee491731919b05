//! An instant of elapsed time.

use std::ops::Add;
use std::time::Duration;

/// An instant, as the time since the origin of the clock that it was read from.
///
/// Arithmetic saturates: the end of time is 584 years away.
///
/// ```
/// use azure_leader_election::election::Moment;
/// use std::time::Duration;
///
/// let start = Moment::default();
/// let later = start + Duration::from_secs(5);
/// assert_eq!(later.since(start), Duration::from_secs(5));
/// assert_eq!(start.since(later), Duration::ZERO);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The instant at this distance from the origin.
    #[must_use]
    pub fn from_origin(distance: Duration) -> Self {
        Self(u64::try_from(distance.as_nanos()).unwrap_or(u64::MAX))
    }

    /// The distance from the origin.
    #[must_use]
    pub fn since_origin(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// The time from `earlier` to this instant; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Moment) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This instant moved back; the origin at the earliest.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(Self::from_origin(duration).0))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(Self::from_origin(duration).0))
    }
}
