//! A simulated host: an election with a clock of its own, a process that may pause, and a leader's task.

use std::collections::VecDeque;
use std::time::Duration;

use leader_election::election::{Action, Election, Event, Moment, Settings};
use leader_election::{FencingToken, Sources};
use testkit::Who;

use crate::election::timers::judge_timers;

pub const NEVER: Duration = Duration::MAX;

/// A clock that runs at a rate of its own.
#[derive(Debug, Clone)]
pub struct Clock {
    /// What it showed at that real time.
    real: Duration,
    local: Duration,
    per_mille: u32,
}

impl Clock {
    pub fn new(real: Duration, local: Duration, per_mille: u32) -> Self {
        Self { real, local, per_mille }
    }

    pub fn at(&self, real: Duration) -> Moment {
        Moment::from_origin(self.local + (real - self.real) * self.per_mille / 1_000)
    }

    /// When it will show this, in real time.
    pub fn when(&self, moment: Moment) -> Duration {
        let ahead = moment.since_origin().saturating_sub(self.local) * 1_000 / self.per_mille;
        // Rounded up, so that it does show it by then.
        self.real + ahead + Duration::from_nanos(1)
    }

    /// From `real` on it runs at this rate.
    pub fn run_at(&mut self, real: Duration, per_mille: u32) {
        *self = Self { real, local: self.at(real).since_origin(), per_mille };
    }

    pub fn jump(&mut self, by: Duration) {
        self.local += by;
    }
}

/// The leader's task.
#[derive(Debug, Clone, Copy)]
pub struct Task {
    pub token: FencingToken,
    pub cancelled: bool,
    pub beats: bool,
}

#[derive(Debug, Clone)]
pub struct Host {
    pub settings: Settings,
    pub clock: Clock,
    /// Counts the runs, so that nothing of an earlier one reaches a later one.
    pub run: u64,
    /// `None` while the process does not run.
    /// Copies of a machine share its sources: what one draws the other does not.
    pub election: Option<Election<Sources>>,
    /// The process, as the referee knows it: each run is one.
    pub who: Who,
    pub task: Option<Task>,
    /// The process stands still until then.
    pub paused_until: Duration,
    /// It is cut off from the store until then.
    pub cut_until: Duration,
    /// When it wakes by itself.
    pub wake_at: Duration,
    /// By its own clock: when a shutdown that was told is to be over.
    pub stop_by: Option<Moment>,
    /// What came in while it was paused.
    inbox: VecDeque<Event>,
    /// The clock jumped since it was last looked at.
    jumped: bool,
}

impl Host {
    pub fn new(settings: Settings, clock: Clock) -> Self {
        Self {
            settings,
            clock,
            run: 0,
            election: None,
            who: 0,
            task: None,
            paused_until: Duration::ZERO,
            cut_until: Duration::ZERO,
            wake_at: NEVER,
            stop_by: None,
            inbox: VecDeque::new(),
            jumped: false,
        }
    }

    pub fn start(&mut self, who: Who, real: Duration, clock: Clock, sources: Sources) {
        *self = Self { who, run: self.run + 1, wake_at: real, ..Self::new(self.settings.clone(), clock) };
        self.election = Some(Election::new(self.settings.clone(), sources, self.clock.at(real)));
    }

    /// This machine as it was, restored from a snapshot after this time. Its wall clock soon shows that.
    pub fn restored(mut self, real: Duration, after: Duration) -> Self {
        self.paused_until = Duration::ZERO;
        self.wake_at = real;
        self.jumped = true;
        self.stop_by = self.stop_by.map(|by| by + after * 2);
        self
    }

    /// The process is gone, and its task with it.
    pub fn end(&mut self) {
        (self.election, self.task, self.stop_by, self.wake_at) = (None, None, None, NEVER);
        self.paused_until = Duration::ZERO;
        self.inbox.clear();
    }

    /// Until when its task, which looks at its own clock, finds itself the leader.
    pub fn valid_until(&self, real: Duration) -> Option<Duration> {
        let until = self.election.as_ref().and_then(Election::valid_until)?;
        (until > self.clock.at(real)).then(|| until.since_origin())
    }

    pub fn is_paused(&self, real: Duration) -> bool {
        real < self.paused_until
    }

    pub fn pause(&mut self, real: Duration, pause: Duration) {
        self.paused_until = self.paused_until.max(real + pause);
        self.wake_at = self.paused_until;
        self.stop_by = self.stop_by.map(|by| by + pause * 2);
    }

    pub fn jump(&mut self, by: Duration) {
        self.clock.jump(by);
        self.jumped = true;
        self.stop_by = self.stop_by.map(|at| at + by);
    }

    pub fn receive(&mut self, event: Event) {
        self.inbox.push_back(event);
    }

    /// Lets the process look at its clock and at one thing that came in; what it is to do about it.
    pub fn step(&mut self, real: Duration) -> (Option<Event>, Vec<Action>) {
        let now = self.clock.at(real);
        self.wake_at = NEVER;
        let Some(election) = &mut self.election else { return (None, vec![]) };
        // A jump is noticed with the first reading of the clock after it, before anything else.
        let event = if std::mem::take(&mut self.jumped) { Some(Event::ClockJumped) } else { self.inbox.pop_front() };
        match &event {
            Some(event) => election.handle_event(now, event.clone()),
            None => election.handle_timeout(now),
        }
        judge_timers(election, now);
        let due = election.poll_timeout();
        let actions: Vec<_> = std::iter::from_fn(|| election.poll_action()).collect();
        if !self.inbox.is_empty() {
            self.wake_at = real;
        } else if let Some(due) = due {
            self.wake_at = self.clock.when(due);
        }
        (event, actions)
    }
}
