//! What an observer remembers of one candidate, in order to judge what it does next.
//!
//! It sees what goes into the election and what comes out of it, and judges by the promises alone. What it remembers is
//! part of the state, so it is kept small: most of it follows from the election's own state as long as no promise is broken.

use leader_election::election::{Action, AttemptId, EndReason, Event, Moment, Report};
use leader_election::{Claim, FencingToken};

use super::config::Config;
use super::ids::ClaimNo;
use super::seen::Seen;
use super::store::What;
use testkit::Rule;
use testkit::core::answered;

/// A request whose answer is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flight {
    pub attempt: AttemptId,
    pub what: What,
    pub at: Moment,
    pub unsettled: bool,
}

/// The leader's task, as the candidate ordered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    pub token: u64,
    pub order: Order,
    /// It goes on after its abortion.
    pub deaf: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    Run,
    Cancel,
    Abort,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ghost {
    pub task: Option<Task>,
    pub flight: Option<Flight>,
    /// When the latest request was sent.
    pub sent_at: Option<Moment>,
    /// When the request was sent that validity counts from.
    pub anchor: Option<Moment>,
    /// When the task must be aborted though validity may go on.
    pub abort_due: Option<Moment>,
    pub elected: Option<u64>,
    pub highest: u64,
    /// The latest claim that was asked for, and the latest that must not be asked for again.
    pub claim: u32,
    pub spent: u32,
    /// A release of that claim was sent.
    pub released: bool,
    /// The store said that the lease is not this candidate's, or the clock jumped.
    pub forsaken: bool,
    /// A copy of an acquire was carried out of which this candidate could not know that it was still under way.
    pub excused: bool,
    /// When the latest acquire of that claim without a known outcome was sent.
    pub ambiguous: Option<Moment>,
    /// Validity ran out in this term.
    pub over: bool,
    /// The latest renewal failed.
    pub failing: bool,
    pub overrun: bool,
}

/// What the observer looks at, and what it finds.
pub struct Look<'a> {
    pub config: &'a Config,
    pub now: Moment,
    /// The highest token under which a task was started, by anybody.
    pub started: u64,
    /// Whether the claim's lease runs in the store.
    pub held: &'a dyn Fn(u32) -> bool,
    pub broken: Option<Rule>,
    pub seen: Vec<Seen>,
}

impl<'a> Look<'a> {
    pub fn new(config: &'a Config, now: Moment, started: u64) -> Self {
        Self { config, now, started, held: &|_| false, broken: None, seen: vec![] }
    }

    pub fn demand(&mut self, kept: bool, otherwise: Rule) {
        if !kept {
            self.broken.get_or_insert(otherwise);
        }
    }

    pub fn see(&mut self, what: Seen) {
        self.seen.push(what);
    }
}

impl Ghost {
    /// After a restart: nothing is left but the names of the claims.
    pub fn reborn(&self) -> Self {
        Self { claim: self.claim, spent: self.claim, forsaken: true, ..Self::default() }
    }

    /// The task is gone, and the election is about to be told.
    pub fn task_gone(&mut self) {
        self.task = None;
        self.spent = self.claim;
    }

    /// An acquire reaches the store whose answer is not waited for any more.
    pub fn haunted(&mut self, claim: u32) {
        // A request may be under way for longer than a lease, or may be a copy of one that was answered.
        self.excused |= claim == self.claim && self.ambiguous.is_none();
    }

    /// The clock jumped, and the election is about to be told.
    pub fn jumped(&mut self) {
        let asks = !self.released;
        self.forsaken |= self.task.is_some() || asks;
        if asks && self.task.is_none() {
            // Another copy of its machine may have been elected under it since.
            self.spent = self.claim;
        }
    }

    pub fn observe(&mut self, look: &mut Look<'_>, event: Option<&Event>, actions: &[Action]) {
        let anchor_before = self.anchor;
        let granted = self.note_answer(look, event, actions);
        let cancelled = |reason: EndReason| actions.contains(&Action::CancelTask { reason });
        if cancelled(EndReason::RenewalTimedOut) {
            let due = anchor_before.map(|anchor| anchor + look.config.cancel_after());
            look.demand(due.is_some_and(|due| look.now >= due), Rule::TrueReason);
            look.see(Seen::RenewalTimedOut);
        }
        if cancelled(EndReason::LeaseLost) {
            look.demand(matches!(event, Some(Event::Lost { .. })), Rule::TrueReason);
            look.see(Seen::LeaseLost);
        }
        let exited = matches!(event, Some(Event::TaskExited { .. }));
        for action in actions {
            // What became due before its task was gone is still asked for: a late election cannot know better.
            let for_whom = exited || self.task.is_some_and(|task| task.order < Order::Abort);
            look.demand(for_whom || !matches!(action, Action::Renew { .. }), Rule::RenewsForATask);
            self.note_action(look, action, granted);
        }
        let runs_on = self.task.is_some_and(|task| task.order == Order::Run);
        match event {
            Some(Event::ClockJumped) => look.demand(!runs_on, Rule::JumpEnds),
            Some(Event::Shutdown | Event::StepDown { .. }) => look.demand(!runs_on, Rule::DrainBounded),
            _ => {}
        }
    }

    /// Takes note of an answer that the election waited for; the grant and the flight that it answers.
    fn note_answer(
        &mut self,
        look: &mut Look<'_>,
        event: Option<&Event>,
        actions: &[Action],
    ) -> Option<(FencingToken, Flight)> {
        let event = event?;
        let attempt = answered(event)?;
        let given_up =
            actions.iter().any(|action| matches!(action, Action::Abandon { attempt: a, .. } if *a == attempt));
        if given_up {
            look.see(Seen::AnswerAfterItsTime);
            return None;
        }
        let flight = self.flight.take_if(|flight| flight.attempt == attempt)?;
        match event {
            Event::Acquired { grant, .. } => {
                let rises = grant.fencing_token.get() > self.highest;
                let starts = actions.iter().any(|action| matches!(action, Action::StartTask { .. }));
                look.demand(rises || !starts, Rule::TokensRise);
                self.highest = self.highest.max(grant.fencing_token.get());
                self.ambiguous = None;
                if flight.unsettled {
                    look.see(Seen::AmbiguousAcquireSettled);
                }
                return Some((grant.fencing_token, flight));
            }
            Event::Held { .. } => {
                self.ambiguous.take_if(|since| flight.at >= *since + look.config.timing.lease());
            }
            Event::Renewed { .. } => {
                if self.task.is_some() {
                    self.anchor = self.anchor.max(Some(flight.at));
                }
                if std::mem::take(&mut self.failing) {
                    look.see(Seen::RenewalRecovered);
                }
                if self.task.is_some_and(|task| task.order == Order::Cancel) {
                    look.see(Seen::RenewedInDrain);
                }
            }
            Event::Lost { .. } => {
                self.forsaken = true;
                let runs = self.task.is_some_and(|task| task.order == Order::Run);
                let cancelled = actions.iter().any(|action| matches!(action, Action::CancelTask { .. }));
                look.demand(!runs || cancelled, Rule::LossCancels);
                self.soon(look.now + look.config.timing.grace());
            }
            Event::Failed { .. } => self.failed(&flight),
            _ => {}
        }
        None
    }

    fn failed(&mut self, flight: &Flight) {
        match flight.what {
            What::Acquire => self.ambiguous = Some(flight.at),
            What::Renew => self.failing = true,
            What::Release => {}
        }
    }

    /// The task must be aborted by then at the latest.
    fn soon(&mut self, by: Moment) {
        if self.task.is_some() {
            self.abort_due = Some(self.abort_due.map_or(by, |due| due.min(by)));
        }
    }

    fn note_action(&mut self, look: &mut Look<'_>, action: &Action, granted: Option<(FencingToken, Flight)>) {
        match action {
            Action::Acquire { attempt, claim, unsettled, .. } => {
                self.note_acquire(look, *attempt, claim, *unsettled);
            }
            Action::Renew { attempt, claim } => {
                look.demand(ClaimNo::of(claim.id).number == self.claim, Rule::StaysEnded);
                look.demand(!self.forsaken, Rule::JumpEnds);
                self.send(look, *attempt, What::Renew, false);
            }
            Action::Release { attempt, claim } => {
                look.demand(self.task.is_none(), Rule::ReleasedLast);
                look.demand(ClaimNo::of(claim.id).number == self.claim, Rule::Settled);
                look.demand(!self.forsaken, Rule::JumpEnds);
                self.released = true;
                self.spent = self.claim;
                self.send(look, *attempt, What::Release, false);
            }
            Action::Abandon { attempt, .. } => {
                let flight = self.flight.take_if(|flight| flight.attempt == *attempt);
                look.demand(flight.is_some(), Rule::OneAttempt);
                flight.iter().for_each(|flight| self.failed(flight));
            }
            Action::StartTask { token } => self.note_start(look, *token, granted),
            Action::CancelTask { reason } => {
                let config = look.config;
                match reason {
                    EndReason::Shutdown | EndReason::SteppedDown => self.soon(look.now + config.drain_limit),
                    EndReason::RenewalTimedOut => {}
                    _ => self.soon(look.now + config.timing.grace()),
                }
                if let Some(task) = &mut self.task {
                    look.demand(task.order == Order::Run, Rule::CancelledThenAborted);
                    task.order = Order::Cancel;
                }
            }
            Action::AbortTask => {
                if let Some(task) = &mut self.task {
                    look.demand(task.order == Order::Cancel, Rule::CancelledThenAborted);
                    task.order = Order::Abort;
                }
            }
            Action::Report(report) => self.note_report(look, report),
        }
    }

    fn send(&mut self, look: &mut Look<'_>, attempt: AttemptId, what: What, unsettled: bool) {
        look.demand(self.flight.is_none(), Rule::OneAttempt);
        self.flight = Some(Flight { attempt, what, at: look.now, unsettled });
        self.sent_at = Some(look.now);
    }

    fn note_acquire(&mut self, look: &mut Look<'_>, attempt: AttemptId, claim: &Claim, said: bool) {
        look.demand(self.task.is_none(), Rule::OneTask);
        let number = ClaimNo::of(claim.id).number;
        look.demand(number > self.spent, Rule::StaysEnded);
        if number != self.claim {
            self.leave_claim(look);
            self.claim = number;
            (self.released, self.forsaken, self.excused, self.ambiguous) = (false, false, false, None);
        }
        let lease = look.config.timing.lease();
        let unsettled = self.ambiguous.is_some_and(|since| look.now < since + lease);
        look.demand(said || !unsettled, Rule::Settled);
        let paced = self.ambiguous.is_none_or(|since| look.now >= since + look.config.timing.poll_every() / 2);
        look.demand(paced, Rule::Paced);
        self.send(look, attempt, What::Acquire, said);
    }

    fn note_start(&mut self, look: &mut Look<'_>, token: FencingToken, granted: Option<(FencingToken, Flight)>) {
        look.demand(self.task.is_none(), Rule::OneTask);
        look.demand(self.elected == Some(token.get()), Rule::Alternates);
        // Where leadership is not exclusive, an earlier grant may be heard of after a later one.
        look.demand(!look.config.exclusive || token.get() > look.started, Rule::TokensRise);
        let Some((_, flight)) = granted.filter(|(granted, _)| *granted == token) else {
            return look.demand(false, Rule::Granted);
        };
        look.demand(look.now < flight.at + look.config.cancel_after(), Rule::UsedInTime);
        self.task = Some(Task { token: token.get(), order: Order::Run, deaf: false });
        self.anchor = Some(flight.at);
        (self.abort_due, self.over, self.failing, self.overrun) = (None, false, false, false);
        if look.started > 0 {
            look.see(Seen::Takeover);
        }
        look.started = look.started.max(token.get());
    }

    fn note_report(&mut self, look: &mut Look<'_>, report: &Report) {
        match report {
            Report::Elected { token } => {
                look.demand(self.elected.is_none(), Rule::Alternates);
                self.elected = Some(token.get());
            }
            Report::Ended { token, .. } => {
                look.demand(self.elected == Some(token.get()), Rule::Alternates);
                self.elected = None;
            }
            Report::Overrun { .. } => {
                self.overrun = true;
                look.see(Seen::Overrun);
            }
            Report::GrantedTooLate { .. } => look.see(Seen::GrantedTooLate),
            Report::TokenNotRising { .. } => {
                look.demand(!look.config.rising, Rule::TokensRise);
                look.see(Seen::TokenRefused);
            }
            Report::ReleaseFailed => look.see(Seen::ReleaseFailed),
            Report::RefusedWithoutLeader => {}
            Report::Stopping { .. } | Report::ForeignLease { .. } => {}
        }
    }
}
