//! Any course of an election: events in any order, with any values, at any time.
//!
//! The test is the clock, the store and the task. It answers what is asked with anything at all, repeats old answers, and lets
//! time pass by any amount; it keeps only to what a driver keeps to: an answer fits the kind of its request, and a task
//! ends only if it runs.

use std::time::Duration;

use leader_election::election::{
    Action, AfterTask, AttemptId, Election, Entropy, Event, Failure, Moment, Report, Settings, TaskExit,
};
use leader_election::{ClaimId, FencingToken, Grant, Held, HolderId, Leader, Timing, Version};

use crate::input::Input;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Acquire,
    Renew,
    Release,
}

/// Ids in sequence, and fractions from the lowest to the highest in turn.
#[derive(Debug)]
struct Sequence(u128);

impl Entropy for Sequence {
    fn claim_id(&mut self) -> ClaimId {
        self.0 += 1;
        ClaimId::from_u128(self.0)
    }

    fn fraction(&mut self) -> f64 {
        self.0 += 1;
        [0.0, 0.5, 1.0 - f64::EPSILON][usize::try_from(self.0 % 3).expect("small")]
    }
}

struct Course<'a> {
    input: Input<'a>,
    election: Election<Sequence>,
    settings: Settings,
    now: Moment,
    /// Every request so far; the last one may be in flight.
    asked: Vec<(AttemptId, Kind, Moment)>,
    in_flight: bool,
    /// The task that runs, and whether it was cancelled and aborted.
    task: Option<FencingToken>,
    cancelled: bool,
    aborted: bool,
    elected: Option<FencingToken>,
    highest: Option<FencingToken>,
    /// Until when the lease of this term can count at the most.
    valid_until: Option<Moment>,
    claim: Option<ClaimId>,
    last_acquire: Option<Moment>,
    term_is_over: bool,
}

/// Runs the course that these bytes describe.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let settings = settings(&mut input);
    let now =
        Moment::from_origin(input.pick(&[Duration::ZERO, Duration::from_secs(1_000), Duration::from_secs(1 << 33)]));
    let election = Election::new(settings.clone(), Sequence(0), now);
    let mut course = Course {
        input,
        election,
        settings,
        now,
        asked: vec![],
        in_flight: false,
        task: None,
        cancelled: false,
        aborted: false,
        elected: None,
        highest: None,
        valid_until: None,
        claim: None,
        last_acquire: None,
        term_is_over: false,
    };
    course.election.handle_timeout(now);
    course.settle();
    while !course.input.is_empty() && !course.election.is_stopped() {
        course.step();
    }
    course.shut_down();
}

fn settings(input: &mut Input) -> Settings {
    let lease = input.pick(&[1_000, 1_001, 15_000, 60_000, 3_600_000]);
    let limit = |input: &mut Input| {
        (!input.one_in(3)).then(|| input.pick(&[100, 6_000, 86_400_000])).map(Duration::from_millis)
    };
    Settings {
        timing: Timing::for_lease(Duration::from_millis(lease)).expect("valid"),
        holder: HolderId::new("course").expect("valid"),
        drain_limit: input.pick(&[Duration::ZERO, Duration::from_secs(10), Duration::from_secs(24 * 3600)]),
        pause: input.pick(&[Duration::from_millis(10), Duration::from_secs(2), Duration::from_secs(24 * 3600)]),
        stall_limit: limit(input),
        heartbeat_limit: limit(input),
        after_success: input.pick(&[AfterTask::ContendAgain, AfterTask::EndHost]),
        after_failure: input.pick(&[AfterTask::ContendAgain, AfterTask::EndHost]),
        single_term: input.one_in(4),
        stop_if_refused_at_start: input.one_in(2),
    }
}

impl Course<'_> {
    fn step(&mut self) {
        let lease = self.settings.timing.lease();
        match self.input.byte() % 16 {
            // To when it wants to be called, or a little late.
            0..=3 => {
                let late = Duration::from_millis(u64::from(self.input.byte() % 8));
                if let Some(due) = self.election.poll_timeout() {
                    self.now = self.now.max(due) + late;
                    self.election.handle_timeout(self.now);
                }
            }
            4 => {
                // A driver may be paused for long, but time does not come to its end, which is 584 years away.
                let pause = self.input.duration(lease).min(Duration::from_secs(30 * 24 * 3600));
                self.now = self.now + pause;
                self.election.handle_timeout(self.now);
            }
            5..=9 => self.answer(),
            // An old answer once more, with anything in it.
            10 => {
                let choice = usize::from(self.input.byte());
                if let Some((attempt, kind, _)) = self.asked.iter().rev().skip(1).cycle().nth(choice % 5).copied() {
                    let event = self.reply(attempt, kind);
                    self.tell(event);
                }
            }
            11 => {
                let exit = self.input.pick(&[TaskExit::Succeeded, TaskExit::Failed, TaskExit::Aborted]);
                if self.task.take().is_some() {
                    self.tell(Event::TaskExited { exit });
                }
            }
            12 => {
                let at = Moment::from_origin(self.input.duration(self.now.since_origin()));
                let event = if self.input.one_in(2) { Event::Heartbeat { at } } else { Event::RuntimeAlive { at } };
                self.tell(event);
            }
            13 => {
                let token = self.task.unwrap_or_else(|| self.input.token());
                self.tell(Event::StepDown { token });
            }
            14 => self.tell(Event::Changed),
            _ => match self.input.byte() % 8 {
                0 => self.tell(Event::Shutdown),
                1 => self.tell(Event::Abandoned),
                _ => {
                    // What was to be replaced soon may not be any more, and the attempt that was due for it is for nothing.
                    self.last_acquire = None;
                    self.tell(Event::ClockJumped);
                }
            },
        }
        self.settle();
    }

    fn answer(&mut self) {
        let Some((attempt, kind, sent_at)) = self.asked.last().copied().filter(|_| self.in_flight) else { return };
        self.in_flight = false;
        let event = self.reply(attempt, kind);
        match &event {
            Event::Acquired { grant, .. } => self.extend(sent_at, grant.lease, true),
            Event::Renewed { .. } => self.extend(sent_at, Duration::MAX, false),
            _ => {}
        }
        self.tell(event);
    }

    /// Invariant 3: validity counts from before the request, and for no longer than was asked for.
    fn extend(&mut self, sent_at: Moment, lease: Duration, anew: bool) {
        let timing = &self.settings.timing;
        let until = sent_at + lease.min(timing.lease()).saturating_sub(timing.skew());
        self.valid_until = if anew { Some(until) } else { self.valid_until.map(|before| before.max(until)) };
    }

    fn reply(&mut self, attempt: AttemptId, kind: Kind) -> Event {
        let lease = self.settings.timing.lease();
        let input = &mut self.input;
        if input.one_in(4) {
            let retry_after = input.one_in(2).then(|| input.duration(lease));
            let failure = if input.one_in(3) { Failure::Refused } else { Failure::Unknown { retry_after } };
            return Event::Failed { attempt, failure };
        }
        match kind {
            Kind::Acquire if input.one_in(3) => Event::Held { attempt, held: held(input, lease) },
            Kind::Acquire => {
                let next = self.highest.map_or(1, |highest| highest.get() + 1);
                let rising = FencingToken::new(next).unwrap_or_else(|_| input.token());
                let fencing_token = if input.one_in(4) { input.token() } else { rising };
                let lease = if input.one_in(4) { input.duration(lease) } else { lease };
                Event::Acquired { attempt, grant: Grant::new(fencing_token, lease) }
            }
            Kind::Renew if input.one_in(6) => Event::Lost { attempt },
            Kind::Renew => Event::Renewed { attempt },
            Kind::Release => Event::Released { attempt },
        }
    }

    fn tell(&mut self, event: Event) {
        self.election.handle_event(self.now, event);
    }

    /// Carries out what the election asks for, and looks at what it is now.
    fn settle(&mut self) {
        while let Some(action) = self.election.poll_action() {
            self.carry_out(action);
        }
        let valid_until = self.election.valid_until();
        if let Some(until) = valid_until {
            let bound = self.valid_until.expect("invariant 10: validity without a grant");
            assert!(until <= bound, "invariants 3 and 14: valid until {until:?}, and {bound:?} at the most");
            assert!(self.task.is_some(), "invariant 7: validity without a task");
        }
        match self.election.poll_timeout() {
            Some(due) => {
                assert!(due > self.now, "a hot loop");
                let longest = Duration::from_secs(24 * 3600).max(self.settings.timing.lease() * 4);
                assert!(due.since(self.now) <= longest + Duration::from_secs(1), "invariant 14: an endless wait");
            }
            None => assert!(self.election.is_stopped() || self.aborted, "nothing would ever happen again"),
        }
        if self.election.is_stopped() {
            assert!(self.elected.is_none(), "invariant 16: stopped without the end of its term");
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Acquire { attempt, claim, lapsed, .. } => {
                assert!(self.task.is_none(), "invariant 6: acquires while a task runs");
                if self.term_is_over {
                    assert_ne!(self.claim, Some(claim.id), "invariant 7: the next term has a new claim id");
                    self.term_is_over = false;
                }
                self.claim = Some(claim.id);
                // Invariant 13: one request per poll interval, ten where the store reports changes or expiries, and one when
                // a record may be replaced.
                let rest = (self.settings.timing.poll_every() / 10).min(self.settings.pause);
                if let Some(last) = self.last_acquire.filter(|_| lapsed.is_none()) {
                    assert!(self.now.since(last) >= rest, "{:?} after the last acquire", self.now.since(last));
                }
                self.last_acquire = Some(self.now);
                self.ask(attempt, Kind::Acquire);
            }
            Action::Renew { attempt, .. } => {
                assert!(self.task.is_some(), "renews for no task");
                self.ask(attempt, Kind::Renew);
            }
            Action::Release { attempt, .. } => {
                assert!(self.task.is_none(), "invariant 5: releases while the task runs");
                self.term_is_over = true;
                self.ask(attempt, Kind::Release);
            }
            Action::Abandon { attempt, .. } => {
                assert_eq!(self.asked.last().map(|(asked, ..)| *asked), Some(attempt));
                self.in_flight = false;
            }
            Action::StartTask { token } => {
                assert!(self.task.replace(token).is_none(), "invariant 6: a second task");
                assert!(Some(token) > self.highest, "invariant 2: {token} after {:?}", self.highest);
                (self.cancelled, self.aborted, self.highest) = (false, false, Some(token));
            }
            Action::CancelTask { .. } => {
                assert!(!self.cancelled, "cancelled twice");
                self.cancelled = true;
            }
            Action::AbortTask => {
                assert!(self.cancelled && !self.aborted, "invariant 4: cancelled before it is aborted, once");
                self.aborted = true;
            }
            Action::Report(report) => self.note(&report),
        }
    }

    fn ask(&mut self, attempt: AttemptId, kind: Kind) {
        assert!(!self.in_flight, "invariant 6: two attempts at a time");
        self.in_flight = true;
        self.asked.push((attempt, kind, self.now));
    }

    fn note(&mut self, report: &Report) {
        match report {
            Report::Elected { token } => assert!(self.elected.replace(*token).is_none(), "invariant 16: elected twice"),
            Report::Ended { token, .. } => {
                assert_eq!(self.elected.take(), Some(*token), "invariant 16");
                self.term_is_over = true;
            }
            Report::GrantedTooLate { token } => self.highest = self.highest.max(Some(*token)),
            _ => {}
        }
    }

    /// Invariant 15: from here on nothing answers and the task ignores everything, and it ends all the same.
    fn shut_down(&mut self) {
        self.tell(Event::Shutdown);
        self.settle();
        let timing = &self.settings.timing;
        let bound =
            self.now + self.settings.drain_limit + timing.lease() + timing.attempt_timeout() * 3 + timing.skew();
        for _ in 0..100_000 {
            let Some(due) = self.election.poll_timeout() else { break };
            self.now = due;
            self.election.handle_timeout(due);
            self.settle();
        }
        assert!(self.election.is_stopped(), "invariant 15: it does not end");
        assert!(self.now <= bound, "invariant 15: it takes too long");
    }
}

fn held(input: &mut Input, lease: Duration) -> Held {
    let some = |input: &mut Input| input.one_in(2).then(|| input.duration(lease));
    let (foreign, wait) = (some(input), some(input));
    let version = input.one_in(2).then(|| Version::new((input.byte() % 3).to_string()).expect("valid"));
    let leader = input.one_in(4).then(|| {
        let token = input.token();
        Leader::new(HolderId::new("another").expect("valid"), token)
            .with_lease(some(input))
            .with_renew_every(some(input))
    });
    leader.map_or_else(Held::by_unknown, Held::by).with_lease(foreign).with_version(version).with_retry_after(wait)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(crate::config())]

        #[test]
        fn any_course_of_an_election_keeps_the_invariants(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            super::run(&bytes);
        }
    }
}
