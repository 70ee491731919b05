//! What is known of the processes, the store and the resource.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::trace::{Answer, ClaimNo, Event, Limits, Request, Token, What, Who};

/// All that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct State {
    pub hosts: BTreeMap<Who, Host>,
    /// The tokens under which tasks were started.
    pub started: BTreeSet<Token>,
    pub highest: Token,
    /// The claim that holds the lease, who asked for it, and until when, where the store knows.
    pub lease: Option<(ClaimNo, Who, Option<Duration>)>,
    /// Claims whose lease was taken away by somebody.
    pub broken: BTreeSet<ClaimNo>,
    pub forgets: bool,
    /// What was accepted, in the order of the answers.
    pub writes: Vec<Accepted>,
}

/// A write that was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct Accepted {
    pub token: Token,
    pub write: Option<u32>,
    pub read: Vec<u32>,
    pub answered: Duration,
}

/// One process. All instants are those of its own clock, but for those of [`Term::gone`] and [`Host::spent`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct Host {
    pub limits: Option<Box<Limits>>,
    clock: Clock,
    /// It stands still, since its clock showed this.
    pub paused: Option<Duration>,
    pub resumed_at: Duration,
    pub pauses: u32,
    pub jumps: u32,
    /// The latest jump that it has to notice.
    pub jump: Option<Jump>,

    /// The run has sent something; else it may still wait for an earlier one that winds up.
    pub began: bool,
    pub over: bool,
    pub dropped: bool,
    pub told_to_stop: bool,
    pub stop_by: Option<Duration>,
    pub abort_by: Option<Duration>,

    /// Whether the store ever answered this run.
    pub answered: bool,
    pub requests: u32,
    pub flight: Option<Flight>,
    pub claim: Option<ClaimNo>,
    pub asked: Option<Asked>,
    /// Claims that were given back, or whose term is over, and since when by the referee's clock.
    pub spent: Vec<(ClaimNo, Duration)>,
    /// A grant whose answer was heard.
    pub granted: Option<Grant>,
    /// The claim that has to be given back before anything else, and since when.
    pub owes: Option<(ClaimNo, Duration)>,
    pub term: Option<Term>,
    pub elected: Option<Token>,

    pub polled: bool,
    pub renewed_at: Option<Duration>,
    pub renews_by: Option<Duration>,
    pub asks_by: Option<Duration>,
    /// Since when it rests after a term, and for how long.
    pub rest: Option<(Duration, Duration)>,
    pub short_terms: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Clock {
    since: Duration,
    shows: Duration,
    per_mille: u32,
}

impl Default for Clock {
    fn default() -> Self {
        Self { since: Duration::ZERO, shows: Duration::ZERO, per_mille: 1_000 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct Jump {
    pub at: Duration,
    pub by: Duration,
}

/// A request whose answer is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct Flight {
    pub attempt: u64,
    pub request: Request,
    pub claim: ClaimNo,
    pub sent: Duration,
}

/// The latest acquire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct Asked {
    pub at: Duration,
    pub lapsed: bool,
    pub jumps: u32,
    /// Its wall clock was set back since: a jump after that may only make up for it.
    pub set_back: bool,
    /// In the very instant in which it went on: decided before it stood still, perhaps, and counted from there.
    pub resumed: bool,
    pub unknown: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct Grant {
    pub claim: ClaimNo,
    pub token: Token,
    pub lease: Duration,
    pub sent: Duration,
    pub jumps: u32,
}

impl Grant {
    /// Until when it lets its holder lead.
    #[must_use]
    pub fn until(&self, limits: &Limits) -> Duration {
        self.sent + self.lease.min(limits.lease).saturating_sub(limits.skew)
    }
}

/// What was told to a leader's task.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Order {
    #[default]
    Run,
    Cancelled,
    Aborted,
}

/// The latest term of a process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct Term {
    pub token: Token,
    pub claim: Option<ClaimNo>,
    pub lease: Option<Duration>,
    pub started: Duration,
    /// Until when the store's answers let it lead: at the least and at the most, should an answer have come in the very instant in
    /// which it was given up.
    pub until: Option<Duration>,
    pub until_at_most: Option<Duration>,
    grace: Duration,
    heartbeat: Option<Duration>,
    heartbeat_at: Duration,
    pub order: Order,
    pub cancelled: Option<Duration>,
    pub reason: Option<String>,
    pub returned: bool,
    /// It was told that the task goes on although it was aborted.
    pub overrun: bool,
    pub gone: Option<Duration>,
    pub valid: bool,
    pub was_invalid: bool,
    pub lost_at: Option<Duration>,
    /// Perhaps it was told so in the very instant in which it gave up waiting for the answer.
    pub lost_perhaps: bool,
    pub leaves_at: Option<Duration>,
    /// The jumps of its clock before its lease was asked for, and before it began.
    pub jumps: u32,
    pub jumps_before: u32,
    pub pauses: u32,
}

impl Term {
    /// When it must be cancelled that leads until then.
    #[must_use]
    pub fn cancel_at(&self, until: Option<Duration>) -> Option<Duration> {
        until.map(|until| until.saturating_sub(self.grace))
    }

    /// When it has been silent for too long.
    #[must_use]
    pub fn silent_at(&self) -> Option<Duration> {
        self.heartbeat.map(|limit| self.heartbeat_at + limit)
    }
}

impl Host {
    /// What its clock shows, or would show if it did not stand still.
    #[must_use]
    pub fn local(&self, at: Duration) -> Duration {
        let passed = at.saturating_sub(self.clock.since);
        if self.clock.per_mille == 1_000 {
            return self.clock.shows + passed;
        }
        let passed = passed.as_nanos() * u128::from(self.clock.per_mille) / 1_000;
        self.clock.shows + Duration::from_nanos(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// What its clock shows to the process.
    #[must_use]
    pub fn shown(&self, at: Duration) -> Duration {
        self.paused.unwrap_or_else(|| self.local(at))
    }

    /// When its clock will show this.
    #[must_use]
    pub fn when(&self, at: Duration, local: Duration) -> Duration {
        let ahead = local.saturating_sub(self.local(at));
        at + ahead.mul_f64(1_000.0 / f64::from(self.clock.per_mille.max(1)))
    }

    /// Whether a task of its runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.term.as_ref().is_some_and(|term| term.gone.is_none())
    }

    /// Its term, if it said that it leads when it was last asked.
    #[must_use]
    pub fn valid_term(&self) -> Option<&Term> {
        self.term.as_ref().filter(|term| term.valid)
    }

    /// How late its timers may be.
    #[must_use]
    pub fn tolerance(&self) -> Duration {
        self.limits.as_ref().map_or(Duration::ZERO, |limits| limits.tolerance)
    }

    /// Whether it is too early for what may be done from then on.
    #[must_use]
    pub fn is_before(&self, at: Duration, from: Option<Duration>) -> Option<bool> {
        from.filter(|_| self.limits.is_some()).map(|from| self.shown(at) + self.tolerance() < from)
    }

    /// Whether an acquire sent then was given up, perhaps, in this very instant: when its time was up, or when a process that had
    /// stood still found that it had been. How long it is waited for is up to the answers before.
    fn may_have_given_up(&self, limits: &Limits, at: Duration, sent: Duration) -> bool {
        let (longest, now) = (limits.attempt_timeout, self.local(at));
        let shortest = limits.poll_every.max(longest / 4).min(longest);
        let waited = now.saturating_sub(sent);
        // Timers run at another rate than its clock.
        let is_up = |patience: Duration| waited + limits.tolerance >= patience;
        let just = |patience: Duration| is_up(patience) && waited <= patience.mul_f64(1.03) + limits.tolerance;
        let slept = now.saturating_sub(self.resumed_at) <= waited;
        is_up(longest) || (is_up(shortest) && slept) || just(shortest) || just(longest / 2)
    }

    /// For how long it may fall silent after a term at the most: release and rest.
    fn longest_rest(&self) -> Option<Duration> {
        let limits = self.limits.as_ref()?;
        let release = limits.attempt_timeout * 3 + limits.retry_every * 2;
        Some((limits.pause.max(limits.lease * 4) + release).mul_f64(1.03))
    }

    /// A candidate asks again at its next poll, or when the store said, but after a lease at the latest.
    fn asks_again(&mut self, now: Duration) {
        let longest = |limits: &Limits| limits.poll_every.max(limits.lease) + limits.attempt_timeout;
        self.asks_by = self.limits.as_ref().map(|limits| now + longest(limits).mul_f64(1.03));
    }

    fn starts(&mut self, limits: Option<Box<Limits>>) {
        self.began = !self.dropped;
        (self.limits, self.over, self.dropped, self.told_to_stop) = (limits, false, false, false);
        (self.stop_by, self.abort_by, self.rest, self.asks_by) = (None, None, None, None);
        (self.polled, self.short_terms, self.answered) = (false, 0, false);
    }

    fn told_to_stop(&mut self, now: Duration, dropped: bool) {
        self.told_to_stop = true;
        let bound = self.limits.as_ref().map(|limits| now + limits.stop_bound());
        self.stop_by = self.stop_by.or(bound);
        if dropped {
            self.dropped = true;
            self.abort_by = Some(now);
        }
    }

    fn resumes(&mut self, now: Duration) {
        (self.paused, self.resumed_at) = (None, now);
        self.pauses += 1;
        if let (Some(by), Some(limits)) = (&mut self.stop_by, &self.limits) {
            *by = now + limits.stop_bound();
        }
        // A candidate that slept when it was paused sleeps on for as long as it had meant to.
        self.asks_by = self.asks_by.and(self.longest_rest()).map(|longest| now + longest);
    }

    fn sends(&mut self, event: &Event, flight: Flight, lapsed: bool) {
        let (at, now) = (flight.sent, self.local(event.at));
        self.requests += 1;
        self.flight = Some(flight);
        match flight.request {
            Request::Acquire => {
                self.polled |= self.claim == Some(flight.claim) && self.asked.is_some();
                self.answered &= self.began;
                (self.claim, self.began) = (Some(flight.claim), true);
                let resumed = self.resumed_at == now && self.pauses > 0;
                let jumps = self.jumps;
                self.asked = Some(Asked { at, lapsed, jumps, set_back: false, resumed, unknown: false });
            }
            Request::Renew => self.renewed_at = Some(at),
            Request::Release => {
                self.owes = self.owes.filter(|(owed, _)| *owed != flight.claim);
                self.asked = None;
                self.rest = self.rest.map(|(_, pause)| (at, pause));
                self.asks_by = self.longest_rest().map(|longest| at + longest);
                self.spends(flight.claim, event.at);
            }
        }
    }

    fn spends(&mut self, claim: ClaimNo, at: Duration) {
        if !self.spent.iter().any(|(spent, _)| *spent == claim) {
            self.spent.push((claim, at));
        }
    }

    fn hears(&mut self, event: &Event, flight: Flight, answer: Option<Answer>) {
        let now = self.local(event.at);
        self.flight = None;
        match flight.request {
            Request::Acquire => self.hears_of_acquire(event.at, now, flight, answer),
            Request::Renew => self.hears_of_renewal(now, flight, answer),
            Request::Release => {}
        }
    }

    fn hears_of_acquire(&mut self, at: Duration, now: Duration, flight: Flight, answer: Option<Answer>) {
        let Some(answer) = answer else {
            if self.claim == Some(flight.claim) {
                self.asked.iter_mut().for_each(|asked| asked.unknown = true);
                self.asks_again(now);
            }
            return;
        };
        let given_up = self.limits.as_ref().is_some_and(|limits| self.may_have_given_up(limits, at, flight.sent));
        let late = given_up || self.asked.is_some_and(|asked| asked.jumps != self.jumps);
        self.asks_again(now);
        self.answered |= answer != Answer::Failed && !late;
        self.asked.iter_mut().for_each(|asked| asked.unknown = answer == Answer::Failed && !late);
        if let Answer::Granted { token, lease } = answer {
            let jumps = self.asked.map_or(self.jumps, |asked| asked.jumps);
            self.granted = Some(Grant { claim: flight.claim, token, lease, sent: flight.sent, jumps });
            self.owes = (!late).then_some((flight.claim, now));
            self.renewed_at = None;
        }
    }

    fn hears_of_renewal(&mut self, now: Duration, flight: Flight, answer: Option<Answer>) {
        let (Some(term), Some(limits)) = (self.term.as_mut().filter(|term| term.gone.is_none()), &self.limits) else {
            // Without limits nobody knows what is late.
            if let (Some(term), Some(Answer::Lost)) = (&mut self.term, answer) {
                (term.lost_at, term.lost_perhaps) = (term.lost_at.or(Some(now)), true);
            }
            return;
        };
        let (Some(answer), Some(lease)) = (answer, term.lease) else {
            // Given up, perhaps because its time was up: then the next one follows.
            self.renews_by = Some((flight.sent + limits.retry_every.mul_f64(1.2)).max(now));
            return;
        };
        if term.claim != Some(flight.claim) {
            return;
        }
        // Given up, perhaps, in this very instant.
        let time_out = flight.sent + limits.attempt_timeout;
        let late = now + limits.tolerance >= term.cancel_at(term.until).map_or(time_out, |cancel| cancel.min(time_out));
        let (heard, rhythm) = (answer != Answer::Failed && !late, limits.rhythm(lease));
        let longest = if heard { rhythm } else { rhythm.max(limits.retry_every.mul_f64(1.2)) };
        self.renews_by = Some((flight.sent + longest).max(now));
        match answer {
            Answer::Renewed => {
                let until = Some(flight.sent + lease.saturating_sub(limits.skew));
                term.until_at_most = term.until_at_most.max(until);
                if !late {
                    term.until = term.until.max(until);
                }
            }
            Answer::Lost => {
                term.lost_perhaps = true;
                if !late {
                    term.lost_at = term.lost_at.or(Some(now));
                }
            }
            _ => {}
        }
    }

    fn leads(&mut self, at: Duration, token: Token) {
        let now = self.local(at);
        let granted = self.granted.take().filter(|granted| granted.token == token);
        let limits = self.limits.as_deref();
        let until = granted.zip(limits).map(|(granted, limits)| granted.until(limits));
        let lease = granted.map(|granted| limits.map_or(granted.lease, |limits| granted.lease.min(limits.lease)));
        (self.owes, self.asks_by) = (None, None);
        self.renews_by = granted
            .zip(limits)
            .zip(lease)
            .map(|((granted, limits), lease)| (granted.sent + limits.rhythm(lease)).max(now));
        self.term = Some(Term {
            token,
            claim: granted.map(|granted| granted.claim).or(self.claim),
            lease,
            started: now,
            until,
            until_at_most: until,
            grace: limits.map_or(Duration::ZERO, |limits| limits.grace),
            heartbeat: limits.and_then(|limits| limits.heartbeat),
            heartbeat_at: now,
            jumps: granted.map_or(self.jumps, |granted| granted.jumps),
            jumps_before: self.jumps,
            pauses: self.pauses,
            ..Term::default()
        });
    }

    fn task_gone(&mut self, at: Duration) {
        let now = self.local(at);
        let Some(term) = self.term.as_mut().filter(|term| term.gone.is_none()) else { return };
        term.gone = Some(at);
        let jumped = self.jumps > term.jumps;
        let (started, leaves, lost) = (term.started, term.leaves_at.is_some(), term.lost_perhaps);
        let ended_by_itself = matches!(term.reason.as_deref(), None | Some("task_ended"));
        if let Some(claim) = term.claim {
            // Whether a jump was noticed before the end is not told; then either is right.
            self.owes = (!lost && !jumped).then_some((claim, now));
            self.spends(claim, at);
        }
        self.renews_by = None;
        self.asks_by = self.longest_rest().map(|longest| now + longest);
        let Some(limits) = self.limits.as_deref() else { return };
        let short = now.saturating_sub(started) + limits.tolerance * 2 < limits.lease;
        // Only a task that ended by itself makes its worker rest for longer. Where something else ended the term in the same
        // instant, either may have come first.
        let by_itself = !leaves && !lost && !self.told_to_stop && ended_by_itself;
        let doublings = if by_itself && short { self.short_terms.min(24) } else { 0 };
        self.short_terms = if short && !jumped { self.short_terms + u32::from(by_itself) } else { 0 };
        // A jump of the clock may make a term look longer than it was, and who hands over waits for others only.
        let pause = if jumped {
            Duration::ZERO
        } else if leaves {
            limits.pause.min(limits.poll_every)
        } else {
            limits.pause.saturating_mul(1 << doublings).min(limits.pause.max(limits.lease * 4))
        };
        self.rest = Some((now, pause));
    }

    fn add(&mut self, event: &Event) {
        let (at, now) = (event.at, self.local(event.at));
        match &event.what {
            What::Starts { limits } => self.starts(limits.clone()),
            What::ToldToStop { dropped } => self.told_to_stop(now, *dropped),
            // A run that was told to end before it began has had nothing to do with the one before.
            What::Ends if !self.began && self.told_to_stop => self.dropped = true,
            What::Ends => self.over = true,
            What::Pauses { counted } => {
                self.paused = Some(now);
                if !counted {
                    self.clock = Clock { since: Duration::MAX, shows: now, ..self.clock };
                }
            }
            What::Resumes => {
                if self.clock.since > at {
                    self.clock = Clock { since: at, ..self.clock };
                }
                self.resumes(now);
            }
            What::Clock { shows, per_mille } => {
                self.clock = Clock { since: at, shows: *shows, per_mille: *per_mille };
            }
            What::ClockJumps { by, plain } => {
                self.jumps += 1;
                self.rest = None;
                self.jump = plain.then_some(Jump { at: now, by: *by });
            }
            What::ClockSetBack => self.asked.iter_mut().for_each(|asked| asked.set_back = true),
            What::Sent { request, claim, attempt, lapsed, .. } => {
                let sent = self.shown(at);
                self.sends(event, Flight { attempt: *attempt, request: *request, claim: *claim, sent }, *lapsed);
            }
            What::Answered { attempt, answer } => {
                if let Some(flight) = self.flight.filter(|flight| flight.attempt == *attempt) {
                    self.hears(event, flight, Some(*answer));
                }
            }
            What::GaveUp { attempt } => {
                if let Some(flight) = self.flight.filter(|flight| flight.attempt == *attempt) {
                    self.hears(event, flight, None);
                }
            }
            What::TaskStarts { token } => self.leads(at, *token),
            What::TaskGone => self.task_gone(at),
            What::Elected { token } => self.elected = Some(*token),
            What::TermEnded { .. } => self.elected = None,
            what => self.term.iter_mut().for_each(|term| term.add(now, what)),
        }
    }
}

impl Term {
    fn add(&mut self, now: Duration, what: &What) {
        match what {
            What::Cancelled { reason } => {
                (self.order, self.cancelled) = (Order::Cancelled, Some(now));
                self.reason.clone_from(reason);
            }
            What::Aborted => self.order = Order::Aborted,
            What::TaskReturned => self.returned = true,
            What::Overrun { .. } => self.overrun = true,
            What::Heartbeat => self.heartbeat_at = now,
            What::AskedToLeave => self.leaves_at = self.leaves_at.or(Some(now)),
            What::Valid { .. } => self.valid = true,
            What::Invalid => (self.valid, self.was_invalid) = (false, true),
            _ => {}
        }
    }
}

impl State {
    /// Whether somebody took this claim's lease away.
    #[must_use]
    pub fn is_broken(&self, claim: Option<ClaimNo>) -> bool {
        claim.is_some_and(|claim| self.broken.contains(&claim))
    }

    /// Who is later than this with something.
    #[must_use]
    pub fn overdue(&self, at: Duration, due: impl Fn(&Host) -> Option<Duration>) -> Option<Who> {
        let is_late =
            |host: &Host| due(host).is_some_and(|by| host.local(at) > by.max(host.resumed_at) + host.tolerance());
        self.hosts.iter().find(|(_, host)| host.paused.is_none() && is_late(host)).map(|(who, _)| *who)
    }

    /// The last write of each leader that was accepted, with its token.
    pub fn last_writes(&self) -> impl Iterator<Item = (Token, u32)> {
        let mut last = BTreeMap::new();
        for (token, write) in self.writes.iter().filter_map(|accepted| Some((accepted.token, accepted.write?))) {
            let latest = last.entry(token).or_insert(write);
            *latest = write.max(*latest);
        }
        last.into_iter()
    }

    /// This has happened.
    pub(super) fn add(&mut self, event: &Event) {
        match event.what {
            What::Granted { claim, until } => self.lease = Some((claim, event.who, until)),
            What::Freed { .. } => self.lease = None,
            What::Broken { claim } => {
                self.broken.insert(claim);
            }
            What::Forgets => self.forgets = true,
            What::Write { token, write, ref read, accepted: true, .. } => {
                self.writes.push(Accepted { token, write, read: read.clone(), answered: event.at });
            }
            What::Write { .. } | What::Look | What::SomebodyHasToLead => {}
            What::Killed => {
                self.hosts.remove(&event.who);
            }
            What::Copied { of } => {
                let mut copy = self.hosts.get(&of).cloned().unwrap_or_default();
                copy.term.iter_mut().for_each(|term| term.valid = false);
                self.hosts.insert(event.who, copy);
            }
            _ => self.hosts.entry(event.who).or_default().add(event),
        }
        if let What::TaskStarts { token } = event.what {
            // Of those whose requests are not seen, the store knows the claim.
            let claim = self.lease.filter(|(_, holder, _)| *holder == event.who).map(|(claim, ..)| claim);
            let term = self.hosts.get_mut(&event.who).and_then(|host| host.term.as_mut());
            term.into_iter().for_each(|term| term.claim = term.claim.or(claim));
            self.started.insert(token);
            self.highest = self.highest.max(token);
        }
    }
}
