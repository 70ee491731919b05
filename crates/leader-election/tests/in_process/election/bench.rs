//! One election on a bench: the test is its clock, its store and its leader's task.

use std::time::Duration;

use leader_election::election::{
    Action, AfterTask, AttemptId, Election, EndReason, Entropy, Event, Failure, Moment, Report, Settings, TaskExit,
};
use leader_election::{Claim, ClaimId, FencingToken, Grant, Held, HolderId, Timing, Version};

use crate::election::timers::judge_timers;
use testkit::referee::state::Host;
use testkit::{Numbers, Referee, core};

/// The lease of every election on the bench. With it: renewals each 5 s, attempts of 3 s, retries and polls each 1 s,
/// a grace of 3 s, a skew of 1 s; so the token is cancelled at 11 s and the task aborted at 14 s.
pub const LEASE: Duration = Duration::from_secs(15);

pub const UNKNOWN: Failure = Failure::Unknown { retry_after: None };

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub fn token(value: u64) -> FencingToken {
    FencingToken::new(value).expect("a valid token")
}

pub fn settings() -> Settings {
    Settings {
        timing: Timing::for_lease(LEASE).expect("valid"),
        holder: HolderId::new("bench").expect("valid"),
        drain_limit: secs(10),
        pause: secs(2),
        stall_limit: None,
        heartbeat_limit: None,
        after_success: AfterTask::ContendAgain,
        after_failure: AfterTask::ContendAgain,
        single_term: false,
        stop_if_refused_at_start: true,
    }
}

/// What a lease store says of a lease that another worker holds.
pub fn held() -> Held {
    Held::default().with_lease(Some(LEASE))
}

/// What a document store says of it.
pub fn document(version: &str) -> Held {
    held().with_version(Some(Version::new(version).expect("valid")))
}

/// Claim ids in sequence, and always the same fraction: one half leaves a jittered pause as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Sequence {
    minted: u128,
    fraction: f64,
}

impl Entropy for Sequence {
    fn claim_id(&mut self) -> ClaimId {
        self.minted += 1;
        ClaimId::from_u128(self.minted)
    }

    fn fraction(&mut self) -> f64 {
        self.fraction
    }
}

/// A request that the election asked to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub at: Duration,
    pub what: What,
    pub attempt: AttemptId,
    pub claim: Claim,
    pub lapsed: Option<Version>,
    pub unsettled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Acquire,
    Renew,
    Release,
}

/// What is to be done with the leader's task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Start(FencingToken),
    Cancel(EndReason),
    Abort,
}

pub struct Bench {
    pub election: Election<Sequence>,
    /// All that was sent, ordered and reported, each with its time.
    pub sent: Vec<Sent>,
    pub orders: Vec<(Duration, Order)>,
    pub reports: Vec<(Duration, Report)>,
    pub abandoned: Vec<AttemptId>,
    now: Moment,
    claims: Numbers<ClaimId>,
    referee: Referee,
}

impl Bench {
    /// A candidate whose first acquire was sent at zero.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::with_fraction(0.5, change)
    }

    pub fn with_fraction(fraction: f64, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings();
        change(&mut settings);
        let now = Moment::default();
        let election = Election::new(settings, Sequence { minted: 0, fraction }, now);
        let (claims, referee) = (Numbers::default(), Referee::default());
        let (sent, orders, reports, abandoned) = (vec![], vec![], vec![], vec![]);
        let mut bench = Self { election, sent, orders, reports, abandoned, now, claims, referee };
        bench.late_to(Duration::ZERO);
        bench
    }

    /// A leader with this token, elected at zero.
    pub fn leading(value: u64) -> Self {
        Self::leading_with(value, |_| {})
    }

    pub fn leading_with(value: u64, change: impl FnOnce(&mut Settings)) -> Self {
        let mut bench = Self::with(change);
        bench.grant(value);
        bench
    }

    pub fn now(&self) -> Duration {
        self.now.since_origin()
    }

    /// Lets time pass as a punctual driver does: each timer is served at its time.
    pub fn run_to(&mut self, at: Duration) {
        let at = Moment::from_origin(at);
        while let Some(due) = self.election.poll_timeout().filter(|due| *due <= at) {
            self.now = self.now.max(due);
            self.pump(None);
        }
        self.now = at;
        self.pump(None);
    }

    /// Lets time pass as a driver does that was held up: nothing is served before `at`.
    pub fn late_to(&mut self, at: Duration) {
        self.now = Moment::from_origin(at);
        self.pump(None);
    }

    /// Lets time pass, and answers every renewal in the instant in which it is sent.
    pub fn renew_to(&mut self, at: Duration) {
        let at = Moment::from_origin(at);
        while let Some(due) = self.election.poll_timeout().filter(|due| *due <= at) {
            let sent = self.sent.len();
            self.run_to(due.since_origin());
            if self.sent[sent..].iter().any(|sent| sent.what == What::Renew) {
                self.renewed();
            }
        }
        self.run_to(at.since_origin());
    }

    /// Lets time pass, and answers every acquire with this in the instant in which it is sent.
    pub fn deny_to(&mut self, at: Duration, held: &Held) {
        let at = Moment::from_origin(at);
        while let Some(due) = self.election.poll_timeout().filter(|due| *due <= at) {
            let sent = self.sent.len();
            self.run_to(due.since_origin());
            if self.sent.len() > sent {
                self.held(held.clone());
            }
            assert!(self.sent.len() < 10_000, "a hot loop");
        }
        self.run_to(at.since_origin());
    }

    pub fn tell(&mut self, event: Event) {
        self.pump(Some(event));
    }

    /// Tells at `at` what happened, as a driver does that was held up: nothing was served before, not even what was due.
    pub fn tell_late(&mut self, at: Duration, event: Event) {
        self.now = Moment::from_origin(at);
        self.pump(Some(event));
    }

    /// The latest request.
    pub fn last(&self) -> &Sent {
        self.sent.last().expect("something was sent")
    }

    /// The times of all requests of this kind.
    pub fn times(&self, what: What) -> Vec<Duration> {
        self.sent.iter().filter(|sent| sent.what == what).map(|sent| sent.at).collect()
    }

    pub fn grant(&mut self, value: u64) {
        self.grant_for(value, LEASE);
    }

    pub fn grant_for(&mut self, value: u64, lease: Duration) {
        let attempt = self.last().attempt;
        self.tell(Event::Acquired { attempt, grant: Grant::new(token(value), lease) });
    }

    pub fn held(&mut self, held: Held) {
        let attempt = self.last().attempt;
        self.tell(Event::Held { attempt, held });
    }

    pub fn renewed(&mut self) {
        let attempt = self.last().attempt;
        self.tell(Event::Renewed { attempt });
    }

    pub fn lost(&mut self) {
        let attempt = self.last().attempt;
        self.tell(Event::Lost { attempt });
    }

    pub fn released(&mut self) {
        let attempt = self.last().attempt;
        self.tell(Event::Released { attempt });
    }

    pub fn fail(&mut self, failure: Failure) {
        let attempt = self.last().attempt;
        self.tell(Event::Failed { attempt, failure });
    }

    pub fn exit(&mut self, exit: TaskExit) {
        self.tell(Event::TaskExited { exit });
    }

    /// Whether a task was started whose exit was not told.
    pub fn task_runs(&self) -> bool {
        self.seen().is_some_and(Host::runs)
    }

    pub fn valid_until(&self) -> Option<Duration> {
        self.election.valid_until().map(Moment::since_origin)
    }

    /// By when the term must be ended.
    pub fn deadlines(&self) -> Option<Due> {
        let since_origin = Moment::since_origin;
        self.election.deadlines().map(|deadlines| Due {
            cancel_at: deadlines.cancel_at.map(since_origin),
            abort_at: deadlines.abort_at.since_origin(),
            overrun_at: deadlines.overrun_at.since_origin(),
        })
    }

    /// Whether this host may act now.
    pub fn valid_now(&self) -> bool {
        self.election.valid_until().is_some_and(|until| until > self.now)
    }

    pub fn next_timeout(&self) -> Option<Duration> {
        self.election.poll_timeout().map(Moment::since_origin)
    }

    pub fn reported(&self, report: &Report) -> bool {
        self.reports.iter().any(|(_, seen)| seen == report)
    }

    fn pump(&mut self, event: Option<Event>) {
        match &event {
            Some(event) => self.election.handle_event(self.now, event.clone()),
            None => self.election.handle_timeout(self.now),
        }
        // Whatever was due is done: asked again, the election has nothing to add, and it wants to be woken later.
        let mut again = self.election.clone();
        again.handle_timeout(self.now);
        assert_eq!(again, self.election, "serving the same instant twice changes something");
        judge_timers(&self.election, self.now);

        let actions: Vec<_> = std::iter::from_fn(|| self.election.poll_action()).collect();
        for what in core::told(event.as_ref(), &actions, |claim| self.claims.of(&claim)) {
            let event = testkit::Event { at: self.now.since_origin(), who: 0, what };
            self.referee.observe(&event).unwrap_or_else(|violation| panic!("{violation}"));
        }
        for action in actions {
            self.note(action);
        }
        if self.election.is_stopped() {
            assert_eq!((self.election.poll_timeout(), self.election.valid_until()), (None, None), "stopped is stopped");
            let elected = self.seen().and_then(|seen| seen.elected);
            assert_eq!(elected, None, "invariant 16: the last term was not reported as ended");
        }
    }

    /// What the referee knows of this election.
    fn seen(&self) -> Option<&Host> {
        self.referee.state().hosts.get(&0)
    }

    fn note(&mut self, action: Action) {
        let at = self.now();
        let (what, attempt, claim, lapsed, unsettled) = match action {
            Action::Acquire { attempt, claim, lapsed, unsettled } => (What::Acquire, attempt, claim, lapsed, unsettled),
            Action::Renew { attempt, claim } => (What::Renew, attempt, claim, None, false),
            Action::Release { attempt, claim } => (What::Release, attempt, claim, None, false),
            Action::StartTask { token } => return self.orders.push((at, Order::Start(token))),
            Action::CancelTask { reason } => return self.orders.push((at, Order::Cancel(reason))),
            Action::AbortTask => return self.orders.push((at, Order::Abort)),
            Action::Report(report) => return self.reports.push((at, report)),
            Action::Abandon { attempt, .. } => return self.abandoned.push(attempt),
        };
        self.sent.push(Sent { at, what, attempt, claim, lapsed, unsettled });
    }
}

/// The deadlines of a term, as times since the start.
pub struct Due {
    pub cancel_at: Option<Duration>,
    pub abort_at: Duration,
    pub overrun_at: Duration,
}
