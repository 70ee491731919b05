//! The durations of an election, checked against each other.

use std::time::Duration;

use crate::error::{Error, Result};

/// How much faster one machine's clock may run than another's: 5 %.
///
/// Crystal clocks stay within 0.02 %, and a machine that disciplines its clock slews by 8.3 % at the very most for a
/// while; a virtual machine that loses more than this is caught as a clock jump.
pub const MAX_CLOCK_RATE: f64 = 1.05;

/// The durations of an election as asked for; [`Timing::new`] checks them.
///
/// Start from [`TimingOptions::for_lease`] and change what you must: all other durations follow the lease.
///
/// ```
/// use leader_election::{Timing, TimingOptions};
/// use std::time::Duration;
///
/// let timing = Timing::new(TimingOptions {
///     grace: Duration::from_secs(5),
///     ..TimingOptions::for_lease(Duration::from_secs(30))
/// })?;
/// assert_eq!(timing.cancel_after(), Duration::from_secs(23));
/// # Ok::<(), leader_election::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TimingOptions {
    /// How long the store keeps the lease without a renewal. Default 15 s. A crashed leader is replaced after this at
    /// the latest; blob leases take whole seconds from 15 to 60.
    pub lease: Duration,
    /// How often the leader renews. Default a third of the lease (5 s). Each renewal is one write to the store.
    pub renew_every: Duration,
    /// After what time an unanswered attempt is given up. Default a fifth of the lease (3 s), and 6 s at most: a shutdown takes the
    /// drain limit and three of these when the store hangs, which is to fit into the 30 s that platforms give. Where the store answers fast, a
    /// standby gives its looks up sooner: after one `poll_every`, or a quarter of this if that is longer, and after twice as
    /// long with each one that gets no answer, up to this. So a request that is lost just when the lease runs out delays the
    /// takeover by one poll.
    pub attempt_timeout: Duration,
    /// How soon a failed renewal is tried again, ±20 % jitter. Default a fifteenth of the lease (1 s).
    pub retry_every: Duration,
    /// How often a standby looks whether the lease is free. Default a fifteenth of the lease (1 s). Each look is one
    /// read of the store; takeover and hand-over wait for the next one.
    pub poll_every: Duration,
    /// How long the leader's task has between its cancellation and its abortion when the lease cannot be renewed.
    /// Default a fifth of the lease (3 s).
    pub grace: Duration,
    /// The safety margin before the lease's end, for clocks that run at different rates. Default a fifteenth of the
    /// lease (1 s); it must exceed 6 % of the lease.
    pub skew: Duration,
}

impl TimingOptions {
    /// The defaults for a lease of this length.
    #[must_use]
    pub fn for_lease(lease: Duration) -> Self {
        Self {
            lease,
            renew_every: lease / 3,
            attempt_timeout: (lease / 5).min(Duration::from_secs(6)),
            retry_every: lease / 15,
            poll_every: lease / 15,
            grace: lease / 5,
            skew: lease / 15,
        }
    }
}

/// Those of a 15 s lease.
impl Default for TimingOptions {
    fn default() -> Self {
        Self::for_lease(Duration::from_secs(15))
    }
}

/// The durations of an election, checked: an impossible combination cannot be built.
///
/// With the defaults, counted from the last successful renewal: the next renewal is sent at 5 s and, if that fails,
/// again at 8 s; the leader's token is cancelled at 11 s, its task is aborted at 14 s, and another worker may lead
/// from 15 s on.
///
/// ```
/// use leader_election::Timing;
/// use std::time::Duration;
///
/// assert_eq!(Timing::default().lease(), Duration::from_secs(15));
/// let refused = Timing::for_lease(Duration::from_millis(200)).unwrap_err();
/// assert!(refused.to_string().contains("lease"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Timing(TimingOptions);

impl Timing {
    /// The shortest lease: 1 s. A store may ask for more.
    pub const MIN_LEASE: Duration = Duration::from_secs(1);
    /// The longest lease: one hour.
    pub const MAX_LEASE: Duration = Duration::from_secs(3600);

    /// Checks the durations against each other.
    ///
    /// # Errors
    /// [`InvalidSetting`](crate::ErrorKind::InvalidSetting), with one sentence that names the duration at fault.
    pub fn new(options: TimingOptions) -> Result<Self> {
        let TimingOptions { lease, renew_every, attempt_timeout, retry_every, poll_every, grace, skew } = options;
        let refuse = |sentence: String| Err(Error::setting(sentence));

        if lease < Self::MIN_LEASE || lease > Self::MAX_LEASE {
            return refuse(format!("lease must be between 1s and 3600s, not {lease:?}"));
        }
        let floor = Duration::from_millis(10);
        for (name, value) in [
            ("renew_every", renew_every),
            ("attempt_timeout", attempt_timeout),
            ("retry_every", retry_every),
            ("poll_every", poll_every),
            ("grace", grace),
        ] {
            if value < floor {
                return refuse(format!("{name} must be at least {floor:?}, not {value:?}"));
            }
            if value >= lease {
                return refuse(format!("{name} ({value:?}) must be shorter than the lease ({lease:?})"));
            }
        }
        // Invariant 1: the skew outlasts what two clocks can disagree by in a lease.
        if skew.mul_f64(1.0 - JUMP_SHARE) <= clock_drift(lease) {
            return refuse(format!(
                "skew ({skew:?}) must exceed 6% of the lease ({lease:?}), as clocks may run at rates 5% apart"
            ));
        }
        let Some(cancel_after) = lease.checked_sub(skew).and_then(|rest| rest.checked_sub(grace)) else {
            return refuse(format!("grace ({grace:?}) and skew ({skew:?}) leave nothing of the lease ({lease:?})"));
        };
        if renew_every + attempt_timeout > cancel_after {
            return refuse(format!(
                "renew_every ({renew_every:?}) + attempt_timeout ({attempt_timeout:?}) must not exceed lease - skew - \
                 grace ({cancel_after:?}), or one slow renewal ends the term"
            ));
        }
        Ok(Self(options))
    }

    /// The defaults for a lease of this length.
    ///
    /// # Errors
    /// As [`new`](Self::new): when the lease is not between 1 s and one hour.
    pub fn for_lease(lease: Duration) -> Result<Self> {
        Self::new(TimingOptions::for_lease(lease))
    }

    /// See [`TimingOptions::lease`].
    #[must_use]
    pub fn lease(&self) -> Duration {
        self.0.lease
    }

    /// See [`TimingOptions::renew_every`].
    #[must_use]
    pub fn renew_every(&self) -> Duration {
        self.0.renew_every
    }

    /// See [`TimingOptions::attempt_timeout`].
    #[must_use]
    pub fn attempt_timeout(&self) -> Duration {
        self.0.attempt_timeout
    }

    /// See [`TimingOptions::retry_every`].
    #[must_use]
    pub fn retry_every(&self) -> Duration {
        self.0.retry_every
    }

    /// See [`TimingOptions::poll_every`].
    #[must_use]
    pub fn poll_every(&self) -> Duration {
        self.0.poll_every
    }

    /// See [`TimingOptions::grace`].
    #[must_use]
    pub fn grace(&self) -> Duration {
        self.0.grace
    }

    /// See [`TimingOptions::skew`].
    #[must_use]
    pub fn skew(&self) -> Duration {
        self.0.skew
    }

    /// How long after a renewal was sent the leader's task is aborted if no other renewal succeeds: lease − skew.
    #[must_use]
    pub fn valid_for(&self) -> Duration {
        self.0.lease - self.0.skew
    }

    /// How long after a renewal was sent the leader's token is cancelled if no other renewal succeeds:
    /// lease − skew − grace.
    #[must_use]
    pub fn cancel_after(&self) -> Duration {
        self.valid_for() - self.0.grace
    }

    /// The step of the wall clock against the monotonic one from which on it counts as a jump. Smaller ones are
    /// covered by the skew.
    #[must_use]
    pub fn jump_threshold(&self) -> Duration {
        self.0.skew.mul_f64(JUMP_SHARE)
    }
}

/// Those of [`TimingOptions::default`].
impl Default for Timing {
    fn default() -> Self {
        // The defaults pass every check; a test holds that.
        Self(TimingOptions::default())
    }
}

/// The part of the skew that is kept for unnoticed steps of the wall clock.
const JUMP_SHARE: f64 = 0.2;

/// By how much a lease may end early on another machine's clock.
fn clock_drift(lease: Duration) -> Duration {
    lease.mul_f64(1.0 - 1.0 / MAX_CLOCK_RATE)
}
