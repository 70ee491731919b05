//! The table of deadlines: every timer of the core, once.
//!
//! Three readers, one table: [`Election::poll_timeout`] is its earliest row, [`Election::handle_timeout`] serves the rows that
//! are due, and [`Election::deadlines`] shows a watchdog the rows that end a term. So none of them knows an instant that the
//! others do not.
//!
//! A row is worked out when it is read. No timer is set or stopped, so none is forgotten, and the timers of a phase go with it.
//! The state stores only what cannot be worked out: when an attempt was sent, until when the lease counts, the last sign of life,
//! and instants that hang on chance, on an answer or on a wish of the caller's.
//!
//! An instant that wakes nobody is no timer: when a record lapses, or until when a release is tried.

use std::time::Duration;

use super::term::Term;
use super::{Election, Entropy, Moment, Phase};
use crate::timing::Timing;

/// What an election waits for. Timers that are due together are served in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timer {
    /// The attempt in flight is given up. First, as an answer that did not come may make others due.
    Attempt,
    /// The leader's token is cancelled, as the lease was not renewed.
    Cancel,
    /// The leader's token is cancelled, as its task shows no life.
    Heartbeat,
    /// The leader's token is cancelled, as its task's runtime shows no life.
    Runtime,
    /// The leader's task is aborted.
    Abort,
    /// A task that was aborted and still runs is reported.
    Overrun,
    /// The lease is renewed. After all that ends a term.
    Renew,
    /// A candidate asks for the lease.
    Acquire,
    /// A lease that nothing runs under any more is given back.
    Release,
}

impl Timer {
    pub(super) const ALL: [Self; 9] = [
        Self::Attempt,
        Self::Cancel,
        Self::Heartbeat,
        Self::Runtime,
        Self::Abort,
        Self::Overrun,
        Self::Renew,
        Self::Acquire,
        Self::Release,
    ];
}

/// By when the steps that end a term must be taken, if nothing else happens: for a watchdog, which takes them when the driver
/// is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Deadlines {
    /// The leader's token is cancelled; `None` when it is.
    pub cancel_at: Option<Moment>,
    /// The leader's task is aborted.
    pub abort_at: Moment,
    /// A task that still runs is an overrun.
    pub overrun_at: Moment,
}

impl Deadlines {
    /// How long an abortion that comes late, as the process stood still or the lease was lost, may take to show effect.
    pub const LATE_MARGIN: Duration = Duration::from_millis(250);
}

impl<E: Entropy> Election<E> {
    /// The table: when a timer runs out if nothing else happens, or `None` if it does not run.
    fn deadline(&self, timer: Timer) -> Option<Moment> {
        let idle = self.flight.is_none();
        match (timer, &self.phase) {
            // Invariant 15: a store that hangs is not waited for without end.
            (Timer::Attempt, _) => self.flight.as_ref().map(|flight| flight.sent_at + flight.patience),

            // Invariant 4: cancelled at `validity − grace` at the latest, whatever is in flight.
            (Timer::Cancel, Phase::Leading(term)) => Some(cancel_at(&self.settings.timing, term.valid_until)),
            // Invariant 11: the limits of a task, or a runtime, that shows no life.
            (Timer::Heartbeat, Phase::Leading(term)) => term.heartbeat_due,
            (Timer::Runtime, Phase::Leading(term)) => term.runtime_due,

            // Invariant 4: aborted at the end of validity at the latest, and reported when it runs on. Of a leader, these rows tell
            // what follows its cancellation, which is served before them.
            (Timer::Abort, Phase::Leading(term)) => Some(term.valid_until),
            (Timer::Abort, Phase::Stopping(term, stop)) if !stop.is_aborted() => Some(stop.aborts_at(term)),
            (Timer::Overrun, Phase::Leading(term)) => Some(self.overrun_at(term, term.valid_until, false)),
            (Timer::Overrun, Phase::Stopping(term, stop)) if !stop.overrun_reported => {
                Some(self.overrun_at(term, stop.aborts_at(term), stop.forsaken))
            }

            (Timer::Renew, Phase::Leading(term)) if idle => Some(term.renew_at),
            // Invariant 5: renewal goes on while the task drains.
            (Timer::Renew, Phase::Stopping(term, stop)) if idle && stop.renewing => Some(term.renew_at),

            // Invariant 6: in this phase neither a task runs nor an attempt.
            (Timer::Acquire, Phase::Waiting { until, .. }) => Some(*until),
            (Timer::Release, Phase::Releasing { retry_at, .. }) if idle => Some(*retry_at),
            _ => None,
        }
    }

    pub(super) fn is_due(&self, timer: Timer, now: Moment) -> bool {
        self.deadline(timer).is_some_and(|deadline| now >= deadline)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Moment> {
        Timer::ALL.into_iter().filter_map(|timer| self.deadline(timer)).min()
    }

    /// See [`Deadlines`].
    #[must_use]
    pub fn deadlines(&self) -> Option<Deadlines> {
        let aborted_at = match &self.phase {
            Phase::Stopping(_, stop) => stop.aborted_at,
            _ => None,
        };
        Some(Deadlines {
            cancel_at: self.deadline(Timer::Cancel),
            abort_at: self.deadline(Timer::Abort).or(aborted_at)?,
            overrun_at: self.deadline(Timer::Overrun)?,
        })
    }

    /// When a task overruns that is aborted at `aborted_at`: a moment after the end of validity, as an abortion takes that to
    /// show effect. Where it comes too late, since this process stood still or the lease was lost, another may lead already.
    /// Then the task has 250 ms, in which a busy machine wakes all threads. With less, a suspension would end processes whose
    /// tasks end when they are aborted.
    fn overrun_at(&self, term: &Term, aborted_at: Moment, forsaken: bool) -> Moment {
        if forsaken || aborted_at > term.valid_until {
            aborted_at + self.overrun_margin().max(Deadlines::LATE_MARGIN)
        } else {
            term.valid_until + self.overrun_margin()
        }
    }

    /// How long an abortion at the end of validity may take to show effect before it is reported: a tenth of the skew, so
    /// that a process that then ends does so before the lease can be granted again.
    fn overrun_margin(&self) -> Duration {
        self.settings.timing.skew() / 10
    }
}

/// Until when a lease counts that was asked for at `sent_at`.
pub(super) fn end_of_validity(timing: &Timing, sent_at: Moment, lease: Duration) -> Moment {
    // Invariant 3: from the instant before the request was sent.
    // Invariant 1: less the skew, for clocks that run at different rates.
    sent_at + lease.saturating_sub(timing.skew())
}

/// When a leader's token is cancelled whose lease counts until `valid_until`.
pub(super) fn cancel_at(timing: &Timing, valid_until: Moment) -> Moment {
    valid_until.minus(timing.grace())
}

/// When a lease of this length is renewed that was asked for at `sent_at`: as configured, and sooner in proportion when less was
/// granted.
pub(super) fn next_renewal(timing: &Timing, sent_at: Moment, lease: Duration) -> Moment {
    sent_at + timing.renew_every().mul_f64(lease.as_secs_f64() / timing.lease().as_secs_f64())
}
