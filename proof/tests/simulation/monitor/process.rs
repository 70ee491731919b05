//! What is known of one process: its settings, and what it owes by when.

use std::sync::Arc;
use std::time::Duration;

use leader_election::{ClaimId, FencingToken, LeaderEvents};

use crate::simulator::clock::HostClock;
use crate::simulator::plan::HostSettings;

/// One process with one host.
pub struct Process {
    pub name: String,
    pub clock: Arc<HostClock>,
    pub settings: HostSettings,
    pub(super) events: LeaderEvents,
    pub(super) elected: Option<FencingToken>,
    pub over: bool,
    pub abandoned: bool,
    /// The run has sent something; else it may still wait for an earlier one that winds up.
    pub(super) began: bool,
    /// Told to end: by when it has to be over.
    pub(super) stop_by: Option<Duration>,
    pub(super) abort_by: Option<Duration>,
    pub(super) told_to_stop: bool,
    /// Whether the store ever answered this run.
    pub(super) answered: bool,
    pub(super) in_flight: usize,
    pub(super) claim: Option<ClaimId>,
    pub(super) asked: Option<Asked>,
    /// Whether this run has waited for a poll; the first wait is cut by a random part.
    pub(super) polled: bool,
    pub(super) renewed_at: Option<Duration>,
    /// By when it has to send its next renewal, and its next acquire, should nothing else come to pass.
    pub(super) renews_by: Option<Duration>,
    pub(super) asks_by: Option<Duration>,
    pub(super) granted: Option<Granted>,
    /// The claim that has to be released before anything else, and since when.
    pub(super) owes_release: Option<(ClaimId, Duration)>,
    pub(super) spent: Vec<(ClaimId, Duration)>,
    /// Since when it rests after a term, and for how long.
    pub(super) rest: Option<(Duration, Duration)>,
    pub(super) short_terms: u32,
    pub(super) jumps: u32,
    /// The latest jump that it has to notice.
    pub(super) jumped_at: Option<Duration>,
    pub(super) jumped_by: Duration,
    pub(super) resumed_at: Duration,
    pub(super) pauses: u32,
}

/// An acquire, as the host's own clock showed it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) at: Duration,
    pub(super) lapsed: bool,
    pub(super) jumps: u32,
    /// Its wall clock was set back since: a jump after that may only make up for it.
    pub(super) set_back: bool,
    /// In the very instant in which it went on: decided before it stood still, perhaps, and counted from there.
    pub(super) resumed: bool,
    pub(super) unknown: bool,
}

/// A grant whose answer reached the host.
#[derive(Debug, Clone, Copy)]
pub(super) struct Granted {
    pub(super) claim: ClaimId,
    pub(super) token: FencingToken,
    pub(super) lease: Duration,
    pub(super) sent_at: Duration,
    /// The jumps of the host's clock before it was asked for.
    pub(super) jumps: u32,
}

impl Process {
    pub fn new(name: String, clock: Arc<HostClock>, settings: HostSettings, events: LeaderEvents) -> Self {
        Self {
            name,
            clock,
            settings,
            events,
            elected: None,
            over: false,
            abandoned: false,
            began: true,
            stop_by: None,
            abort_by: None,
            told_to_stop: false,
            answered: false,
            in_flight: 0,
            claim: None,
            asked: None,
            polled: false,
            renewed_at: None,
            renews_by: None,
            asks_by: None,
            granted: None,
            owes_release: None,
            spent: vec![],
            rest: None,
            short_terms: 0,
            jumps: 0,
            jumped_at: None,
            jumped_by: Duration::ZERO,
            resumed_at: Duration::ZERO,
            pauses: 0,
        }
    }

    /// How late its timers may be, by its own clock: they have whole milliseconds, and run at another rate.
    pub(super) fn tolerance(&self) -> Duration {
        Duration::from_millis(6) + self.clock.look_every().unwrap_or_default().mul_f64(0.025)
    }

    /// Whether an acquire sent at that time was given up, perhaps, in this very instant: when its time was up, or when a process
    /// that had stood still found that it had been. How long it is waited for is up to the answers before.
    pub(super) fn may_have_given_up(&self, sent_at: Duration) -> bool {
        let (longest, tolerance) = (self.settings.timing.attempt_timeout(), self.tolerance());
        let shortest = self.settings.timing.poll_every().max(longest / 4).min(longest);
        let waited = self.clock.truth().saturating_sub(sent_at);
        // Timers run at another rate than its clock.
        let is_up = |patience: Duration| waited + tolerance >= patience;
        let just = |patience: Duration| is_up(patience) && waited <= patience.mul_f64(1.03) + tolerance;
        let slept = self.clock.truth().saturating_sub(self.resumed_at) <= waited;
        is_up(longest) || (is_up(shortest) && slept) || just(shortest) || just(longest / 2)
    }

    /// The bound of the shutdown: the drain, three attempts, and what slow timers add.
    pub fn stop_bound(&self) -> Duration {
        let bound = self.settings.drain_limit + self.settings.timing.attempt_timeout() * 3;
        bound.mul_f64(1.03) + self.tolerance() + Duration::from_millis(20)
    }

    /// For how long it may fall silent after a term at the most: release and rest.
    pub(super) fn longest_rest(&self) -> Duration {
        let timing = &self.settings.timing;
        let release = timing.attempt_timeout() * 3 + timing.retry_every() * 2;
        (self.settings.pause.max(timing.lease() * 4) + release).mul_f64(1.03)
    }

    pub fn stands_still(&self) -> bool {
        self.clock.is_dead() || self.clock.is_frozen()
    }
}
