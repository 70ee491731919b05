//! The decisions of an election, without I/O, threads or a clock: time is an argument.
//!
//! [`Election`] is a state machine in the manner of a sans-I/O protocol implementation. A driver feeds it what
//! happened ([`handle_event`](Election::handle_event)) and that time has come
//! ([`handle_timeout`](Election::handle_timeout)), carries out what it asks for ([`poll_action`](Election::poll_action)),
//! and calls again at [`poll_timeout`](Election::poll_timeout) at the latest. [`LeaderHost`](crate::LeaderHost) is such
//! a driver; a model checker and a simulator are others. This module is public for them. It is not covered by the
//! crate's promise of stability.
//!
//! # Invariants
//!
//! The tests bear these numbers, and so do the lines that enforce them: `grep -rn "// Invariant 4"`.
//!
//!  1. At most one host holds validity at any real instant, given clocks whose rates differ by at most
//!     [`MAX_CLOCK_RATE`](crate::clock), no third party that breaks the lease, and a store that does not roll back.
//!  2. Fencing tokens strictly rise and are never held by two leaders. A host refuses a token that is not above its last.
//!  3. Validity counts from the instant *before* the last successful acquire or renewal was sent; a challenger of a
//!     document store counts from the *end* of the read that first showed the record's version.
//!  4. The leader's token is cancelled at `validity − grace` at the latest, whatever is in flight; the task is aborted
//!     at the end of validity; a task that still runs then is reported. [`Election::deadlines`] tells these instants, so that
//!     another thread can act when the driver is late.
//!  5. Release is sent only after the leader's task is gone, in every way out; renewal goes on while it drains.
//!  6. No acquire while an earlier task of this host still runs; one attempt at a time.
//!  7. A term that ended stays ended: no late, repeated or too late reply revives it. The next term has a new claim id.
//!  8. An acquire that succeeds too late starts no task and is released. An ambiguous acquire or release is settled with
//!     the same claim id.
//!  9. Definite loss cancels now; anything else is retried until the deadline.
//! 10. No task without a fencing token that the store has written.
//! 11. A leader whose runtime is blocked, or whose heartbeat stops, steps down within its limit.
//! 12. A jump of the clock ends the term, and makes a candidate start anew: its observation, and with a new claim id, as a
//!     copy of this machine may go on with the old one.
//! 13. If the store answers, somebody leads within lease + poll + 2 round trips of a crash. Candidates send at most one
//!     request per poll interval, or ten where the store reports changes or expiries.
//! 14. What the store says is untrusted: no panic, no overflow, no endless wait, no shorter safety.
//! 15. Shutdown is bounded and idempotent, also when the store hangs or the task ignores even its abortion; in the
//!     latter case nothing is released: the lease runs out.
//! 16. `Elected` and `Ended` strictly alternate.
//! 17. Validity is what [`Election::valid_until`] says now; the host publishes it for checks at the point of use.

mod candidate;
mod deadlines;
mod event;
mod term;

use std::collections::VecDeque;
use std::time::Duration;

pub use deadlines::Deadlines;
pub use event::{Action, AfterTask, AttemptId, EndReason, Event, Failure, Report, TaskExit};

use crate::claim::{Claim, ClaimId, HolderId};
pub use crate::moment::Moment;
use crate::timing::Timing;
use crate::token::FencingToken;
use candidate::Sighting;
use deadlines::Timer;
use term::{Stop, Term};

/// What an election is to do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Settings {
    /// All durations that safety depends on.
    pub timing: Timing,
    /// The name to lead under.
    pub holder: HolderId,
    /// How long the task may go on after its cancellation when it leaves of its own accord (shutdown, stepping down).
    pub drain_limit: Duration,
    /// The pause between the end of a term and the next candidacy.
    pub pause: Duration,
    /// How long the task's runtime may be unresponsive; `None`: for ever.
    pub stall_limit: Option<Duration>,
    /// How long the task may go without a heartbeat; `None`: for ever.
    pub heartbeat_limit: Option<Duration>,
    /// What follows a task that ended well.
    pub after_success: AfterTask,
    /// What follows a task that failed or panicked.
    pub after_failure: AfterTask,
    /// Stop after the first term.
    pub single_term: bool,
    /// Stop when the very first answers of the store are refusals that a human must mend.
    pub stop_if_refused_at_start: bool,
}

/// Where an election gets its randomness from.
pub trait Entropy {
    /// An id never used before.
    fn claim_id(&mut self) -> ClaimId;
    /// A number from 0 up to, but not including, 1.
    fn fraction(&mut self) -> f64;
}

/// The state machine. See the [module's documentation](self).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Election<E> {
    settings: Settings,
    entropy: E,
    phase: Phase,
    claim: Claim,
    /// The attempt in flight; there is never more than one (invariant 6).
    flight: Option<Flight>,
    last_attempt: AttemptId,
    /// When the latest acquire without a known outcome was sent.
    unsettled_since: Option<Moment>,
    sighting: Option<Sighting>,
    /// The highest token this host was granted.
    highest: Option<FencingToken>,
    /// Whether the store ever answered other than by a failure.
    answered: bool,
    /// Whether this host has waited for a poll already; the first wait is cut by a random part.
    polled: bool,
    /// How often the patience with an acquire was halved, as the store answers fast.
    halvings: u8,
    /// The store reported a change while an attempt was in flight.
    nudged: bool,
    foreign_lease: Option<Duration>,
    /// How many answers in a row refused the lease without a word of who holds it.
    unexplained: u32,
    /// How many terms in a row were shorter than a lease and ended by the task itself.
    short_terms: u32,
    /// How long this host rests after its term.
    rest: Duration,
    /// The last term ended by the task's own choice: others are to come first, and then it is a candidate again.
    handed_over: bool,
    finishing: bool,
    actions: VecDeque<Action>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Phase {
    /// A candidate between two attempts, or one that rests after a term.
    Waiting { until: Moment, rest: Rest },
    /// A candidate whose attempt is in flight.
    Acquiring,
    /// The task runs and its token is live.
    Leading(Term),
    /// The token is cancelled; the task still runs.
    Stopping(Term, Stop),
    /// No task runs; the lease may still be ours.
    Releasing { retry_at: Moment, last_start: Moment },
    /// The end.
    Stopped,
}

/// Why a candidate waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Rest {
    /// For its next look.
    None,
    /// For the time after its term that keeps a broken task from a hot loop. Nothing cuts it short.
    Full,
    /// For others to come first, as it has stepped down. News from the store after this instant show that one has.
    HandOver { others_by: Moment },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Flight {
    attempt: AttemptId,
    sent_at: Moment,
    /// How long its answer is waited for.
    patience: Duration,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Acquire,
    Renew,
    Release,
}

impl<E: Entropy> Election<E> {
    /// A candidate that sends its first attempt at once.
    #[must_use]
    pub fn new(settings: Settings, mut entropy: E, now: Moment) -> Self {
        let claim = Claim {
            id: entropy.claim_id(),
            holder: settings.holder.clone(),
            lease: settings.timing.lease(),
            renew_every: settings.timing.renew_every(),
        };
        Self {
            rest: settings.pause,
            settings,
            entropy,
            phase: Phase::Waiting { until: now, rest: Rest::None },
            claim,
            flight: None,
            last_attempt: AttemptId::default(),
            unsettled_since: None,
            sighting: None,
            highest: None,
            answered: false,
            polled: false,
            halvings: 0,
            nudged: false,
            foreign_lease: None,
            unexplained: 0,
            short_terms: 0,
            handed_over: false,
            finishing: false,
            actions: VecDeque::new(),
        }
    }

    /// Until when this host may act as the leader, unless told otherwise meanwhile; `None` when it may not.
    #[must_use]
    pub fn valid_until(&self) -> Option<Moment> {
        match &self.phase {
            // Invariant 17: what the phase says now; nothing is kept beside it.
            Phase::Leading(term) => Some(term.valid_until),
            Phase::Stopping(term, stop) if !stop.revoked => Some(term.valid_until),
            _ => None,
        }
    }

    /// Whether the election has come to its end. Nothing follows but what [`poll_action`](Self::poll_action) still holds.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        matches!(self.phase, Phase::Stopped)
    }

    /// Until when this host rests after its term; `None` when it does not.
    #[must_use]
    pub fn rests_until(&self) -> Option<Moment> {
        match &self.phase {
            Phase::Waiting { until, rest: Rest::Full | Rest::HandOver { .. } } => Some(*until),
            _ => None,
        }
    }

    /// Whether no further candidacy follows.
    #[must_use]
    pub fn is_finishing(&self) -> bool {
        self.finishing
    }

    /// The next thing to do, in order, until there is none.
    #[must_use]
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Takes note of what happened at `now`. Time that ran out before counts first, so that no reply is taken as in
    /// time only because the driver was late.
    pub fn handle_event(&mut self, now: Moment, event: Event) {
        // Signs of life are older than the timers that they put off; a jump must be known to be one before it makes timers
        // run out; and a candidate that is told to end sends no further attempt only because one is due.
        match event {
            Event::Heartbeat { at } => self.on_heartbeat(at),
            Event::RuntimeAlive { at } => self.on_runtime_alive(at),
            Event::ClockJumped => self.on_clock_jump(now),
            Event::Shutdown | Event::Abandoned if matches!(self.phase, Phase::Waiting { .. }) => self.on_shutdown(now),
            // Nor has a task overrun whose end is only heard of late.
            Event::TaskExited { exit } if matches!(&self.phase, Phase::Stopping(_, stop) if stop.is_aborted()) => {
                self.on_task_exited(now, exit);
            }
            _ => {}
        }
        // Invariant 7: no reply revives what has run out before it is heard.
        self.handle_timeout(now);
        match event {
            Event::Acquired { attempt, grant } => {
                if let Some(flight) = self.land(attempt) {
                    self.on_answer(now, &flight);
                    self.on_granted(now, &flight, &grant);
                }
            }
            Event::Held { attempt, held } => {
                if let Some(flight) = self.land(attempt) {
                    self.on_answer(now, &flight);
                    self.on_held(now, &flight, held);
                }
            }
            Event::Renewed { attempt } => {
                if let Some(flight) = self.land(attempt) {
                    self.on_renewed(&flight);
                }
            }
            // Invariant 9: a definite loss ends the term now.
            Event::Lost { attempt } => {
                if self.land(attempt).is_some() {
                    self.stop(now, EndReason::LeaseLost);
                }
            }
            Event::Released { attempt } => {
                if self.land(attempt).is_some() {
                    self.candidate_again(now);
                }
            }
            Event::Failed { attempt, failure } => {
                if let Some(flight) = self.land(attempt) {
                    self.on_failed(now, &flight, failure);
                }
            }
            Event::TaskReturned => self.on_task_returned(now),
            Event::TaskExited { exit } => self.on_task_exited(now, exit),
            Event::Revoked => self.on_revoked(now),
            Event::Heartbeat { .. } | Event::RuntimeAlive { .. } | Event::ClockJumped => {}
            Event::StepDown { token } => {
                if matches!(&self.phase, Phase::Leading(term) if term.token == token) {
                    self.stop(now, EndReason::SteppedDown);
                }
            }
            Event::Changed => self.on_changed(now),
            Event::Shutdown => self.on_shutdown(now),
            Event::Abandoned => self.on_abandoned(now),
        }
        // What the event made due is due now: a driver that is late otherwise could not tell.
        self.handle_timeout(now);
    }

    /// Does whatever is due at `now`. Calling it early or twice changes nothing.
    pub fn handle_timeout(&mut self, now: Moment) {
        // Each timer once, so that it comes to an end even at the end of time.
        for timer in Timer::ALL {
            if self.is_due(timer, now) {
                self.on_timer(now, timer);
            }
        }
    }

    fn on_timer(&mut self, now: Moment, timer: Timer) {
        match timer {
            Timer::Attempt => self.give_up_attempt(now),
            Timer::Cancel => self.stop(now, EndReason::RenewalTimedOut),
            Timer::Heartbeat | Timer::Runtime => self.stop(now, EndReason::Stalled),
            Timer::Abort => self.abort_task(now),
            Timer::Overrun => self.report_overrun(),
            Timer::Renew => self.send_renewal(now),
            Timer::Acquire => self.send_acquire(now),
            Timer::Release => self.send_release(now),
        }
    }

    /// Registers a new attempt, sent at `now`.
    fn launch(&mut self, now: Moment, kind: Kind) -> AttemptId {
        // Invariant 6: one attempt at a time.
        debug_assert!(self.flight.is_none(), "a second attempt (invariant 6)");
        self.last_attempt = self.last_attempt.next();
        let patience = match kind {
            Kind::Acquire => self.patience(self.halvings),
            Kind::Renew | Kind::Release => self.settings.timing.attempt_timeout(),
        };
        self.flight = Some(Flight { attempt: self.last_attempt, sent_at: now, patience, kind });
        self.last_attempt
    }

    /// The attempt that a reply belongs to; `None` for a reply that nobody waits for any more.
    fn land(&mut self, attempt: AttemptId) -> Option<Flight> {
        // Invariant 7: a late or repeated reply is no reply.
        self.flight.take_if(|flight| flight.attempt == attempt)
    }

    /// Forgets the attempt in flight; its reply will not be heard.
    fn abandon_flight(&mut self) {
        if let Some(flight) = self.flight.take() {
            self.act(Action::Abandon { attempt: flight.attempt, timed_out: None });
        }
    }

    /// Its answer has not come in time. Whether it was carried out is unknown.
    fn give_up_attempt(&mut self, now: Moment) {
        let Some(flight) = self.flight.take() else { return };
        self.act(Action::Abandon { attempt: flight.attempt, timed_out: Some(flight.patience) });
        self.halvings = self.halvings.saturating_sub(u8::from(flight.kind == Kind::Acquire));
        self.on_failed(now, &flight, Failure::Unknown { retry_after: None });
    }

    fn on_failed(&mut self, now: Moment, flight: &Flight, failure: Failure) {
        match flight.kind {
            Kind::Acquire => self.on_acquire_failed(now, flight, failure),
            Kind::Renew => self.on_renew_failed(now, flight),
            Kind::Release => self.on_release_failed(now, flight, failure),
        }
    }

    fn on_shutdown(&mut self, now: Moment) {
        self.finishing = true;
        match &mut self.phase {
            Phase::Waiting { .. } => self.finish_candidacy(now),
            Phase::Leading(_) => self.stop(now, EndReason::Shutdown),
            // Invariant 15: a task that is stopping anyway has no more time than one that a shutdown stops.
            Phase::Stopping(_, stop) => {
                stop.abort_at = stop.abort_at.min(now + self.settings.drain_limit);
                self.leave_deaf_task();
            }
            // An acquire in flight is waited for: a release that overtakes it would leave its lease behind.
            Phase::Acquiring | Phase::Releasing { .. } | Phase::Stopped => {}
        }
    }

    /// The caller is gone: as a shutdown, but the task has no time to drain.
    fn on_abandoned(&mut self, now: Moment) {
        self.on_shutdown(now);
        if let Phase::Stopping(_, stop) = &mut self.phase {
            stop.abort_at = stop.abort_at.min(now);
        }
    }

    /// Frees what this claim may hold: after a term, after a grant that came too late, after an unknown outcome. It is
    /// tried until the lease has run out anyway, but no longer than two attempts take.
    fn release(&mut self, now: Moment, lease_ends: Moment) {
        self.abandon_flight();
        // Invariant 15: a release is bounded, too.
        let last_start = lease_ends.min(now + self.settings.timing.attempt_timeout());
        self.phase = Phase::Releasing { retry_at: now, last_start };
    }

    fn send_release(&mut self, now: Moment) {
        let claim = self.claim.clone();
        let attempt = self.launch(now, Kind::Release);
        self.act(Action::Release { attempt, claim });
    }

    fn on_release_failed(&mut self, now: Moment, flight: &Flight, failure: Failure) {
        let Phase::Releasing { last_start, .. } = self.phase else { return };
        // A driver whose timers are a little late must not cost an attempt.
        let failed_at = now.min(flight.sent_at + self.settings.timing.attempt_timeout());
        let retry_at = (flight.sent_at + self.jittered(self.settings.timing.retry_every())).max(failed_at);
        if failure == Failure::Refused || retry_at > last_start {
            self.act(Action::Report(Report::ReleaseFailed));
            self.candidate_again(now);
        } else {
            self.phase = Phase::Releasing { retry_at, last_start };
        }
    }

    /// From here on nothing of the old claim is left that this host could still settle.
    fn candidate_again(&mut self, now: Moment) {
        if self.finishing {
            self.phase = Phase::Stopped;
            return;
        }
        // Invariant 7: the next term has a new claim id.
        self.renew_claim_id();
        self.sighting = None;
        let rest = if std::mem::take(&mut self.handed_over) {
            Rest::HandOver { others_by: now + self.settings.timing.poll_every() }
        } else {
            Rest::Full
        };
        self.phase = Phase::Waiting { until: now + std::mem::replace(&mut self.rest, self.settings.pause), rest };
    }

    fn jittered(&mut self, duration: Duration) -> Duration {
        duration.mul_f64(0.8 + 0.4 * self.entropy.fraction())
    }

    fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }
}
