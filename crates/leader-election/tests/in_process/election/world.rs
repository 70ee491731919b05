//! Several simulated hosts, one store, and a network between them on which no reliance is to be placed.

use std::collections::BTreeMap;
use std::time::Duration;

use leader_election::election::{Action, EndReason, Event, Failure, Report, Settings, TaskExit};
use leader_election::{ClaimId, FencingToken, HolderId, Sources, Timing};
use testkit::store::{LeaseService, Rules};
use testkit::{Live, Numbers, Referee, What as Told, Who, core};

use crate::election::bench::{What, ms, secs, settings};
use crate::election::host::{Clock, Host, NEVER};
use crate::election::store::{Request, serve};
use testkit::random::Random;

/// How long mischief goes on.
const CHAOS: Duration = Duration::from_secs(60);

/// What comes to pass at some real time.
#[derive(Debug)]
pub enum Happening {
    Arrives(Request),
    /// To that run of that host.
    Answered(usize, u64, Event),
    TaskEnds(usize, FencingToken, TaskExit),
    StepsDown(usize, FencingToken),
    Beats(usize, FencingToken),
    Restarts(usize),
    /// A machine that was copied with its memory at that time goes on, beside the one that was copied.
    Restored(Box<Host>, Duration),
    Mischief,
}

/// How bad it gets, in percent of the requests.
#[derive(Debug)]
pub struct Weather {
    lost: u64,
    slow: u64,
    failed: u64,
    doubled: u64,
    /// The longest time between two pieces of mischief, in milliseconds. In a dense sequence one hides the other.
    pub pause: u64,
}

/// How often something worth testing came to pass.
pub type Tally = BTreeMap<&'static str, u64>;

pub struct World {
    pub tally: Tally,
    pub now: Duration,
    pub random: Random,
    pub store: LeaseService,
    pub hosts: Vec<Host>,
    pub agenda: BTreeMap<(Duration, u64), Happening>,
    scheduled: u64,
    pub weather: Weather,
    /// Mischief is over: everything answers, and soon.
    pub calm: bool,
    /// There must be a leader at every instant.
    must_lead: bool,
    pub down_until: Duration,
    /// The leases that the hosts are configured with.
    leases: &'static [u64],
    pub highest: Option<FencingToken>,
    referee: Referee,
    claims: Numbers<ClaimId>,
    /// Those that are asked whether they lead.
    pub live: Live<usize>,
    processes: Who,
    trace: bool,
}

impl World {
    pub fn new(mut random: Random, rules: Rules, trace: bool) -> Self {
        let weather = Weather {
            lost: random.pick(&[0, 2, 10, 30]),
            slow: random.pick(&[0, 2, 10, 30]),
            failed: random.pick(&[0, 2, 10]),
            doubled: random.pick(&[0, 5, 20]),
            pause: random.pick(&[2_500, 10_000, 30_000]),
        };
        let leases = if random.chance(25) { [5, 15, 30].as_slice() } else { &[15] };
        if trace {
            println!("{rules:?} {weather:?} {leases:?}");
        }
        let mut world = Self {
            tally: Tally::new(),
            now: secs(1_000),
            random,
            store: LeaseService::new(rules),
            hosts: vec![],
            agenda: BTreeMap::new(),
            scheduled: 0,
            weather,
            calm: false,
            must_lead: false,
            down_until: Duration::ZERO,
            leases,
            highest: None,
            referee: Referee::default(),
            claims: Numbers::default(),
            live: Live::default(),
            processes: 0,
            trace,
        };
        for _ in 0..3 {
            world.join();
        }
        world
    }

    /// Mischief, then calm, in which the liveness of what is left is looked at.
    pub fn run(&mut self) {
        let lease = secs(self.leases.iter().copied().max().expect("at least one"));
        let poll = lease / 15;
        // Round trips, late timers, and clocks that are slow by 2.5 %.
        let slack = ms(1_500);
        self.after(ms(500), Happening::Mischief);
        self.run_for(CHAOS);

        self.calm_down();
        self.join();
        // A task may just have begun to drain, and be deaf to its abortion then.
        self.run_for(secs(10) + lease + poll + slack);
        self.saw(0, Told::SomebodyHasToLead);
        self.must_lead = true;
        self.join();
        self.run_for(secs(8));
        self.must_lead = false;

        let leader = self.leader().expect("there must be one");
        self.say(leader, "crashes");
        self.ends(leader);
        self.run_for(lease + poll + slack);
        self.saw(0, Told::SomebodyHasToLead);

        self.join();
        self.run_for(secs(2));
        let leader = self.leader().expect("it goes on leading");
        let token = self.highest;
        self.tell(leader, Event::Shutdown);
        self.run_for(poll + slack);
        self.saw(0, Told::SomebodyHasToLead);
        assert!(self.highest > token, "invariant 15: who was shut down still leads");
    }

    /// The host that finds itself the leader at this instant.
    pub fn leader(&self) -> Option<usize> {
        (0..self.hosts.len()).find(|host| self.hosts[*host].valid_until(self.now).is_some())
    }

    /// Tells the referee.
    fn saw(&mut self, who: Who, what: Told) {
        let event = testkit::Event { at: self.now, who, what };
        self.referee.observe(&event).unwrap_or_else(|violation| panic!("{violation}"));
    }

    /// Asks everybody who leads.
    fn look(&mut self) {
        let (hosts, now) = (&self.hosts, self.now);
        for (who, what) in self.live.ask(|_, host| hosts[*host].valid_until(now)) {
            self.saw(who, what);
        }
    }

    pub fn new_process(&mut self, begins: Told) -> Who {
        self.processes += 1;
        self.saw(self.processes, begins);
        self.processes
    }

    /// A process is gone.
    pub fn ends(&mut self, host: usize) {
        let who = self.hosts[host].who;
        self.live.leave(who);
        self.saw(who, Told::Killed);
        self.hosts[host].end();
    }

    fn settings(&mut self) -> Settings {
        Settings {
            timing: Timing::for_lease(secs(self.random.pick(self.leases))).expect("valid"),
            holder: HolderId::new(format!("host-{}", self.hosts.len())).expect("valid"),
            stall_limit: self.random.chance(50).then_some(secs(6)),
            heartbeat_limit: self.random.chance(50).then_some(secs(4)),
            stop_if_refused_at_start: false,
            ..settings()
        }
    }

    /// One more host.
    fn join(&mut self) {
        let settings = self.settings();
        let clock = self.any_clock();
        self.hosts.push(Host::new(settings, clock));
        self.start(self.hosts.len() - 1);
    }

    fn start(&mut self, host: usize) {
        let (clock, sources) = (self.any_clock(), Sources::seeded(self.random.next()));
        let who = self.new_process(Told::Starts { limits: None });
        self.hosts[host].start(who, self.now, clock, sources);
        self.say(host, "starts");
    }

    /// Every clock shows something else, and runs at a rate of its own.
    fn any_clock(&mut self) -> Clock {
        let local = self.random.millis(0, 100_000);
        Clock::new(self.now, local, self.random.within(975, 1_026) as u32)
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let wakes = self.hosts.iter().enumerate().map(|(host, state)| (state.wake_at, host)).min();
            let (wake_at, host) = wakes.unwrap_or((NEVER, 0));
            let next = self.agenda.first_key_value().map_or(NEVER, |((at, _), _)| *at);
            if wake_at.min(next) > end {
                self.now = end;
                return;
            }
            if wake_at <= next {
                self.now = self.now.max(wake_at);
                self.step(host);
            } else if let Some(((at, _), happening)) = self.agenda.pop_first() {
                self.now = self.now.max(at);
                self.happens(happening);
            }
            self.look();
            if self.must_lead {
                self.saw(0, Told::SomebodyHasToLead);
            }
        }
    }

    pub fn after(&mut self, delay: Duration, happening: Happening) {
        self.scheduled += 1;
        self.agenda.insert((self.now + delay, self.scheduled), happening);
    }

    fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Arrives(request) => self.arrives(&request),
            Happening::Answered(host, run, event) => {
                if self.hosts[host].run == run {
                    self.tell(host, event);
                }
            }
            Happening::TaskEnds(host, token, exit) => self.task_ends(host, token, exit),
            Happening::StepsDown(host, token) => {
                if self.task_of(host, token).is_some() && !self.calm {
                    self.tell(host, Event::StepDown { token });
                }
            }
            Happening::Beats(host, token) => self.beats(host, token),
            Happening::Restarts(host) => {
                if self.hosts[host].election.is_none() {
                    self.start(host);
                }
            }
            Happening::Restored(copy, taken_at) => self.restored(*copy, taken_at),
            Happening::Mischief => self.mischief(),
        }
    }

    /// Hands an event to a host; one that is paused finds it when it goes on.
    pub fn tell(&mut self, host: usize, event: Event) {
        if self.hosts[host].election.is_none() {
            return;
        }
        if self.trace {
            println!("{:>12.6?} host {host}: told {event:?}", self.now);
        }
        if matches!(event, Event::Shutdown | Event::Abandoned) {
            // A drain or an acquire in flight, a release, and what a late process adds.
            let settings = &self.hosts[host].settings;
            let bound = settings.drain_limit + settings.timing.attempt_timeout() * 3 + secs(5);
            let by = self.hosts[host].clock.at(self.now.max(self.hosts[host].paused_until)) + bound;
            self.hosts[host].stop_by.get_or_insert(by);
        }
        self.hosts[host].receive(event);
        if !self.hosts[host].is_paused(self.now) {
            self.step(host);
        }
    }

    pub fn step(&mut self, host: usize) {
        let (event, actions) = self.hosts[host].step(self.now);
        let who = self.hosts[host].who;
        for what in core::told(event.as_ref(), &actions, |claim| self.claims.of(&claim)) {
            self.saw(who, what);
        }
        for action in actions {
            self.carry_out(host, action);
        }
        let late = if !self.calm && self.random.chance(2) { ms(700) } else { ms(3) };
        let late = self.random.millis(0, late.as_millis() as u64);
        let state = &mut self.hosts[host];
        state.wake_at = state.wake_at.saturating_add(late);
        let now = state.clock.at(self.now);
        let Some(election) = &state.election else { return };
        if election.is_stopped() {
            self.say(host, "has stopped");
            self.saw(who, Told::Ends);
            self.ends(host);
            let pause = self.random.millis(0, 20_000);
            self.after(pause, Happening::Restarts(host));
        } else {
            assert!(state.stop_by.is_none_or(|by| now <= by), "invariant 15: host {host} does not stop");
        }
    }

    fn carry_out(&mut self, host: usize, action: Action) {
        if self.trace {
            println!("{:>12.6?} host {host}: {action:?}", self.now);
        }
        let run = self.hosts[host].run;
        match action {
            Action::Acquire { attempt, claim, lapsed, unsettled } => {
                *self.tally.entry("unsettled claims").or_default() += u64::from(unsettled);
                *self.tally.entry("lapsed versions").or_default() += u64::from(lapsed.is_some());
                self.send(Request { host, run, attempt, what: What::Acquire, claim, lapsed, unsettled });
            }
            Action::Renew { attempt, claim } => {
                self.send(Request { host, run, attempt, what: What::Renew, claim, lapsed: None, unsettled: false });
            }
            Action::Release { attempt, claim } => {
                self.send(Request { host, run, attempt, what: What::Release, claim, lapsed: None, unsettled: false });
            }
            Action::StartTask { token } => self.start_task(host, token),
            Action::CancelTask { .. } => self.cancel_task(host),
            Action::AbortTask => self.abort_task(host),
            Action::Report(report) => self.count(&report),
            Action::Abandon { timed_out, .. } => {
                *self.tally.entry("time-outs").or_default() += u64::from(timed_out.is_some())
            }
        }
    }

    fn count(&mut self, report: &Report) {
        let what = match report {
            Report::Elected { .. } => "elected",
            Report::Stopping { reason, .. } => match reason {
                EndReason::RenewalTimedOut => "renewal timed out",
                EndReason::LeaseLost => "lease lost",
                EndReason::Stalled => "stalled",
                EndReason::ClockJumped => "clock jumped",
                _ => "left by choice",
            },
            Report::Ended { .. } => "ended",
            Report::Overrun { .. } => "overrun",
            Report::GrantedTooLate { .. } => "granted too late",
            Report::TokenNotRising { .. } => panic!("the store's tokens rise"),
            Report::ForeignLease { .. } => "foreign lease",
            Report::ReleaseFailed => "release failed",
            Report::RefusedWithoutLeader => "refused without leader",
        };
        *self.tally.entry(what).or_default() += 1;
    }

    fn send(&mut self, request: Request) {
        let cut = self.now < self.down_until.max(self.hosts[request.host].cut_until);
        let lost = self.random.chance(self.weather.lost) || cut && self.random.chance(90);
        if !self.calm && lost {
            return;
        }
        if !self.calm && self.random.chance(self.weather.doubled) {
            let delay = self.random.millis(1, 30_000);
            self.after(delay, Happening::Arrives(request.clone()));
        }
        let delay = self.delay(30_000);
        self.after(delay, Happening::Arrives(request));
    }

    /// How long something takes on its way: a moment, or in bad weather up to `longest` milliseconds.
    fn delay(&mut self, longest: u64) -> Duration {
        if !self.calm && self.random.chance(self.weather.slow) {
            let longest = self.random.pick(&[3_000, 3_000, 6_000, longest]);
            return self.random.millis(1, longest);
        }
        self.random.millis(1, 50)
    }

    fn arrives(&mut self, request: &Request) {
        let failed =
            |retry_after| Event::Failed { attempt: request.attempt, failure: Failure::Unknown { retry_after } };
        let bad = |world: &mut Self| !world.calm && world.random.chance(world.weather.failed);
        // Who is told of a failure does not know whether the request was carried out.
        let carried_out = !bad(self) || self.random.chance(30);
        let mut event = if carried_out { serve(&mut self.store, self.now, request) } else { failed(None) };
        if let Event::Acquired { .. } = event {
            let claim = self.claims.of(&request.claim.id);
            self.look();
            self.saw(0, Told::Granted { claim, until: None });
        }
        if bad(self) {
            let wait = self.random.chance(30).then(|| self.random.millis(0, 5_000));
            event = failed(wait);
            if self.random.chance(20) {
                event = Event::Failed { attempt: request.attempt, failure: Failure::Refused };
            }
        }
        if self.trace {
            println!("{:>12.6?} store: {:?} of host {}: {event:?}", self.now, request.what, request.host);
        }
        if !self.calm && self.random.chance(self.weather.lost) {
            return;
        }
        for _ in 0..=u64::from(!self.calm && self.random.chance(self.weather.doubled)) {
            // Also long after the attempt was given up.
            let delay = self.delay(10_000);
            self.after(delay, Happening::Answered(request.host, request.run, event.clone()));
        }
    }

    pub fn say(&self, host: usize, what: &str) {
        if self.trace {
            println!("{:>12.6?} host {host} {what}", self.now);
        }
    }
}
