//! Tells the [referee](testkit::referee) of each request, grant, reply, task and event at the instant at which it happens, and
//! counts what is worth testing.
//!
//! Overlaps are not sampled. Whatever begins or ends looks at that instant whether it may, and at everything that should have
//! happened by then: so what never happens is found with the next thing that does.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use leader_election::{
    AfterTask, Claim, ClaimId, EndReason, Error, ErrorKind, LeaderEvent, LeaderEvents, Leadership, Operation, Result,
};
use testkit::referee::state::{Host, Order};
use testkit::{Answer, ClaimNo, Event, Limits, Live, Referee, Request, Rule, Token, What, Who};

use super::clock::HostClock;
use super::log::Log;
use super::plan::{HostSettings, Rules};
use super::store::Owner;

/// More requests than any schedule needs: beyond it somebody runs in circles, and virtual time stands still meanwhile.
const HOT_LOOP: u64 = 100_000;

pub struct Monitor {
    pub log: Log,
    pub processes: Vec<Process>,
    rules: Rules,
    referee: Referee,
    live: Live<Leadership>,
    /// Claims, where they are known, and their fingerprints.
    claims: Vec<(Option<ClaimId>, String)>,
    /// What was found wrong, with whom.
    found: BTreeSet<(Rule, Who)>,
    requests: u64,
    /// When somebody was last asked to step down.
    asked_to_leave: Option<Duration>,
}

/// One process with one host.
pub struct Process {
    pub name: String,
    pub clock: Arc<HostClock>,
    pub settings: HostSettings,
    pub events: LeaderEvents,
}

/// A request in flight.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    process: usize,
    attempt: u64,
}

impl Process {
    /// Until when the task would be told that it is the leader, by its own clock, if it asked in this instant.
    fn valid_until(&self, leader: &Leadership) -> Option<Duration> {
        let valid_for = if self.clock.is_dead() { Duration::ZERO } else { leader.valid_for() };
        let unseen = self.clock.unseen(self.settings.timing.jump_threshold());
        (valid_for > unseen).then(|| self.clock.shown() + valid_for)
    }

    fn limits(&self, rules: &Rules) -> Limits {
        let look_every = self.clock.look_every().unwrap_or_default();
        Limits {
            drain: self.settings.drain_limit,
            pause: self.settings.pause,
            heartbeat: self.settings.heartbeat_limit,
            look_every,
            // Timers have whole milliseconds, and run at another rate.
            tolerance: Duration::from_millis(6) + look_every.mul_f64(0.025),
            told: rules.pushes || rules.hints,
            ..Limits::of(&self.settings.timing)
        }
    }
}

impl Monitor {
    pub fn new(rules: Rules, forgetful: bool, recording: bool, printing: bool) -> Self {
        let mut referee = Referee::default();
        if forgetful {
            let forgets = Event { at: Duration::ZERO, who: Who::MAX, what: What::Forgets };
            referee.observe(&forgets).expect("nothing has happened yet");
        }
        Self {
            log: Log { recording, printing, ..Log::default() },
            processes: vec![],
            rules,
            referee,
            live: Live::default(),
            claims: vec![],
            found: BTreeSet::new(),
            requests: 0,
            asked_to_leave: None,
        }
    }

    pub fn note(&mut self, now: Duration, process: usize, what: std::fmt::Arguments<'_>) {
        if self.log.recording {
            self.log.note(now, &self.processes[process].name, what);
        }
    }

    pub fn violation(&mut self, now: Duration, process: usize, what: std::fmt::Arguments<'_>) {
        self.log.violation(now, &self.processes[process].name, what);
    }

    /// Tells the referee what has happened to a process.
    pub fn saw(&mut self, now: Duration, process: usize, what: What) {
        self.told(now, process as Who, what);
    }

    fn told(&mut self, now: Duration, who: Who, what: What) {
        let event = Event { at: now, who, what };
        let name = |who: Who| self.processes.get(who as usize).map_or("store", |process| &process.name);
        if self.log.recording && !matches!(event.what, What::Look | What::Heartbeat) {
            self.log.note(now, name(who), format_args!("{:?}", event.what));
        }
        let violation = self.referee.observe(&event).err();
        // What is overdue is overdue at each look: once is enough to be told.
        if let Some(violation) = violation.filter(|found| self.found.insert((found.rule, found.who))) {
            self.log.violation(now, name(violation.who), format_args!("{violation}"));
        }
    }

    /// Asks all leaders whether they lead, and looks at all that should have happened by now.
    pub fn look(&mut self, now: Duration) {
        let processes = &self.processes;
        let news = self.live.ask(|who, leader| processes[who as usize].valid_until(leader));
        for (who, what) in news {
            self.told(now, who, what);
        }
        if self.live.valid().nth(1).is_some() {
            self.log.count("two valid after a break");
        }
    }

    fn known(&self, process: usize) -> Option<&Host> {
        self.referee.state().hosts.get(&(process as Who))
    }

    pub fn limits(&self, process: usize) -> Limits {
        self.processes[process].limits(&self.rules)
    }

    /// The leadership of a process whose task runs.
    pub fn running(&self, process: usize) -> Option<Leadership> {
        self.known(process).filter(|host| host.runs())?;
        self.live.leader(process as Who).cloned()
    }

    /// Who leads: its task runs and is not cancelled.
    pub fn leader(&self) -> Option<usize> {
        let leads = |host: &Host| host.runs() && host.term.as_ref().is_some_and(|term| term.order == Order::Run);
        let valid = |who: Who, leader: &Leadership| {
            let process = &self.processes[who as usize];
            !process.clock.is_frozen() && process.valid_until(leader).is_some()
        };
        let mut leaders = self.live.all().filter(|(who, leader)| valid(*who, leader)).map(|(who, _)| who as usize);
        leaders.find(|process| self.known(*process).is_some_and(leads))
    }

    pub fn somebody_stepped_down_since(&self, since: Duration) -> bool {
        self.asked_to_leave.is_some_and(|at| at >= since)
    }

    /// Somebody takes the lease away from whoever holds it: nothing is promised for that claim any more.
    pub fn taint(&mut self, now: Duration, owner: Option<&Owner>) {
        if let Some(owner) = owner {
            let claim = self.number(owner);
            self.told(now, Who::MAX, What::Broken { claim });
        }
    }

    /// Whether whoever leads may yet have to learn that somebody took its lease away.
    pub fn leader_is_tainted(&self) -> bool {
        let state = self.referee.state();
        state.hosts.values().any(|host| host.runs() && state.is_broken(host.term.as_ref().and_then(|term| term.claim)))
    }

    fn number(&mut self, owner: &Owner) -> ClaimNo {
        let place = self.claims.iter().rposition(|(id, fingerprint)| match owner {
            Owner::Claim(claim) => *id == Some(*claim),
            Owner::Fingerprint(text) => fingerprint == text,
        });
        let place = place.unwrap_or_else(|| {
            self.claims.push(match owner {
                Owner::Claim(claim) => (Some(*claim), claim.fingerprint()),
                Owner::Fingerprint(text) => (None, text.clone()),
            });
            self.claims.len() - 1
        });
        place as ClaimNo
    }

    /// A run of this process begins.
    pub fn runs_again(&mut self, now: Duration, process: usize) {
        self.hear(now, process);
        let limits = Some(Box::new(self.limits(process)));
        self.saw(now, process, What::Starts { limits });
    }

    /// A process was killed: nothing of it runs any more.
    pub fn killed(&mut self, now: Duration, process: usize) {
        self.live.leave(process as Who);
        self.saw(now, process, What::Killed);
    }

    pub fn asked_to_leave(&mut self, now: Duration, process: usize) {
        self.asked_to_leave = Some(now);
        self.saw(now, process, What::AskedToLeave);
    }

    /// A leader's task begins.
    pub fn enter(&mut self, now: Duration, process: usize, leader: Leadership) {
        self.look(now);
        let token = leader.fencing_token().get();
        self.saw(now, process, What::TaskStarts { token });
        self.live.enter(process as Who, token, leader);
        self.look(now);
    }

    /// The task's token is cancelled, as the task itself sees it.
    pub fn cancelled(&mut self, now: Duration, process: usize, leader: &Leadership) {
        self.look(now);
        let told = self.known(process).and_then(|host| host.term.as_ref()).is_some_and(|term| term.cancelled.is_some());
        if told || !self.is_present(process, leader.fencing_token().get()) {
            return;
        }
        let reason = leader.end_reason().map_or("for no reason", EndReason::as_str).to_owned();
        self.saw(now, process, What::Cancelled { reason: Some(reason) });
    }

    /// The task is gone: it returned, unwound, or its abortion took effect.
    pub fn gone(&mut self, now: Duration, process: usize, token: Token) {
        if !self.is_present(process, token) {
            return;
        }
        // Its token was cancelled in this very instant, perhaps, and nobody has seen that yet.
        let leader = self.live.leader(process as Who).filter(|leader| leader.token().is_cancelled()).cloned();
        if let Some(leader) = leader {
            self.cancelled(now, process, &leader);
        }
        self.look(now);
        self.saw(now, process, What::TaskGone);
    }

    /// Whether this is its latest term, and the process lives.
    fn is_present(&self, process: usize, token: Token) -> bool {
        let term = self.known(process).and_then(|host| host.term.as_ref());
        !self.processes[process].clock.is_dead() && term.is_some_and(|term| term.token == token)
    }

    /// A host sends a request; `None` when it has gone mad.
    pub fn sent(
        &mut self,
        now: Duration,
        process: usize,
        operation: Operation,
        claim: &Claim,
        lapsed: bool,
        unsettled: bool,
    ) -> Option<Call> {
        self.look(now);
        self.hear(now, process);
        self.requests += 1;
        if self.requests >= HOT_LOOP {
            if self.requests == HOT_LOOP {
                self.violation(now, process, format_args!("{HOT_LOOP} requests: a hot loop (invariant 13)"));
            }
            return None;
        }
        let request = operation.into();
        if request == Request::Acquire {
            self.log.count_if(unsettled, "repeated claims");
            self.log.count_if(lapsed, "lapsed versions");
        }
        let (attempt, number) = (self.requests, self.number(&Owner::Claim(claim.id)));
        self.saw(now, process, What::Sent { request, claim: number, attempt, unsettled, lapsed });
        Some(Call { process, attempt })
    }

    /// The service carried out a request of this claim, and that made it the holder.
    pub fn granted_by_store(&mut self, now: Duration, to: &Owner) {
        self.look(now);
        let claim = self.number(to);
        self.told(now, Who::MAX, What::Granted { claim, until: None });
    }

    /// A host hears an answer.
    pub fn answered(&mut self, now: Duration, call: Call, answer: Answer) {
        self.saw(now, call.process, What::Answered { attempt: call.attempt, answer });
    }

    /// A host waits no longer for an answer, or the store's code panicked.
    pub fn unanswered(&mut self, now: Duration, call: Call) {
        if !self.processes[call.process].clock.is_dead() {
            self.log.count("time-outs");
            self.saw(now, call.process, What::GaveUp { attempt: call.attempt });
        }
    }

    /// The future of a run returned.
    pub fn run_over(&mut self, now: Duration, process: usize, outcome: &Result<()>) {
        self.look(now);
        self.hear(now, process);
        let kind = outcome.as_ref().map_err(Error::kind);
        let settings = &self.processes[process].settings;
        let known = self.known(process);
        let began = known.is_some_and(|host| host.began);
        let may = match kind {
            Ok(()) => known.is_some_and(|host| host.told_to_stop) || settings.after_success == AfterTask::EndHost,
            Err(ErrorKind::TaskFailed | ErrorKind::TaskPanicked) => settings.after_failure == AfterTask::EndHost,
            Err(ErrorKind::Denied | ErrorKind::NotFound | ErrorKind::InvalidSetting | ErrorKind::Refused) => {
                known.is_some_and(|host| !host.answered) && !settings.keep_trying
            }
            Err(_) => false,
        };
        if !may {
            self.violation(now, process, format_args!("its run returned {outcome:?}"));
        }
        if began {
            self.log.count(match kind {
                Ok(()) => "run ended well",
                Err(ErrorKind::TaskFailed | ErrorKind::TaskPanicked) => "run ended by its task",
                Err(_) => "run ended by a refusal",
            });
        }
        self.saw(now, process, What::Ends);
    }

    /// Whether its latest run is over, and not only one that had not begun.
    pub fn is_over(&self, process: usize) -> bool {
        self.known(process).is_some_and(|host| host.over)
    }

    /// Listens to what a host has told since it was last listened to.
    pub fn hear(&mut self, now: Duration, process: usize) {
        while let Some(event) = self.processes[process].events.try_recv() {
            if let LeaderEvent::Missed { count } = event {
                self.violation(now, process, format_args!("{count} events too many since its last request"));
            } else {
                self.heard(now, process, &event);
            }
        }
    }

    fn heard(&mut self, now: Duration, process: usize, event: &LeaderEvent) {
        match event {
            // Its causes name numbers of this program's own.
            LeaderEvent::AttemptFailed { operation, error } => {
                self.note(now, process, format_args!("says that its {operation} failed: {error}"));
            }
            _ => self.note(now, process, format_args!("says {event:?}")),
        }
        match event {
            LeaderEvent::Elected { fencing_token } => {
                self.saw(now, process, What::Elected { token: fencing_token.get() });
            }
            LeaderEvent::Ended { fencing_token, reason, .. } => {
                self.saw(now, process, What::TermEnded { token: fencing_token.get() });
                self.log.count(match reason {
                    EndReason::Shutdown => "ended: shutdown",
                    EndReason::TaskEnded => "ended: task ended",
                    EndReason::SteppedDown => "ended: stepped down",
                    EndReason::LeaseLost => "ended: lease lost",
                    EndReason::RenewalTimedOut => "ended: renewal timed out",
                    EndReason::Stalled => "ended: stalled",
                    EndReason::ClockJumped => "ended: clock jumped",
                    _ => "ended: for another reason",
                });
            }
            // No task in here blocks its thread: whoever reports one has only heard of its end too late.
            LeaderEvent::Overrun { .. } => self.violation(now, process, format_args!("{event:?} of nobody")),
            LeaderEvent::TokenNotRising { .. } if !self.referee.state().forgets => {
                self.violation(now, process, format_args!("{event:?} by a store that forgets nothing"));
            }
            LeaderEvent::GrantedTooLate { .. } => self.log.count("granted too late"),
            LeaderEvent::ForeignLease { .. } => self.log.count("foreign lease"),
            LeaderEvent::ReleaseFailed => self.log.count("release failed"),
            LeaderEvent::AttemptFailed { error, .. } => self.log.count(match error.kind() {
                ErrorKind::Timeout => "failed: timeout",
                ErrorKind::Throttled => "failed: throttled",
                ErrorKind::Unavailable => "failed: unavailable",
                ErrorKind::Unreachable => "failed: unreachable",
                _ => "failed: refused",
            }),
            _ => {}
        }
    }
}
