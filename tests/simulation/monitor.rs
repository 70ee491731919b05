//! Holds every host to the invariants, at the instant of each request, grant, reply, task and event.
//!
//! Overlaps are not sampled. Whatever begins or ends looks at that instant whether it may, and at everything that should
//! have happened by then: so what never happens is found with the next thing that does.

mod events;
mod requests;
mod terms;

use std::sync::Arc;
use std::time::Duration;

pub use requests::Call;

use azure_leader_election::{Claim, ClaimId, ErrorKind, FencingToken, LeaderEvent, Leadership, Result};
use tokio::sync::broadcast;

use super::clock::HostClock;
use super::log::Log;
use super::plan::{HostSettings, Rules};
use super::store::Owner;

/// More requests than any schedule needs: beyond it somebody runs in circles.
const HOT_LOOP: usize = 100_000;

pub struct Monitor {
    pub log: Log,
    pub processes: Vec<Process>,
    pub terms: Vec<Term>,
    rules: Rules,
    /// Terms whose task runs, or that might still be valid.
    active: Vec<usize>,
    highest: Option<FencingToken>,
    /// Claims and their fingerprints.
    claims: Vec<(ClaimId, String)>,
    /// Claims whose lease was broken, deleted or rolled back by somebody else: nothing is promised for them.
    tainted: Vec<Owner>,
    requests: usize,
    /// The store may forget what it granted: a host may then be granted a token that it has to refuse.
    pub forgetful: bool,
}

/// One process with one host.
pub struct Process {
    pub name: String,
    pub clock: Arc<HostClock>,
    pub settings: HostSettings,
    events: broadcast::Receiver<LeaderEvent>,
    elected: Option<FencingToken>,
    pub over: bool,
    pub abandoned: bool,
    /// The run has sent something; else it may still wait for an earlier one that winds up.
    began: bool,
    /// Told to end: by when it has to be over.
    stop_by: Option<Duration>,
    abort_by: Option<Duration>,
    told_to_stop: bool,
    /// Whether the store ever answered this run.
    answered: bool,
    in_flight: usize,
    claim: Option<ClaimId>,
    asked: Option<Asked>,
    /// Whether this run has waited for a poll; the first wait is cut by a random part.
    polled: bool,
    renewed_at: Option<Duration>,
    /// By when it has to send its next renewal, and its next acquire, should nothing else come to pass.
    renews_by: Option<Duration>,
    asks_by: Option<Duration>,
    granted: Option<Granted>,
    /// The claim that has to be released before anything else, and since when.
    owes_release: Option<(ClaimId, Duration)>,
    spent: Vec<(ClaimId, Duration)>,
    /// Since when it rests after a term, and for how long.
    rest: Option<(Duration, Duration)>,
    short_terms: u32,
    jumps: u32,
    /// The latest jump that it has to notice.
    jumped_at: Option<Duration>,
    resumed_at: Duration,
    pauses: u32,
}

/// An acquire, as the host's own clock showed it.
#[derive(Debug, Clone, Copy)]
struct Asked {
    at: Duration,
    lapsed: bool,
    jumps: u32,
    unknown: bool,
}

/// A grant whose answer reached the host.
#[derive(Debug, Clone, Copy)]
struct Granted {
    claim: ClaimId,
    token: FencingToken,
    lease: Duration,
    sent_at: Duration,
    /// The jumps of the host's clock before it was asked for.
    jumps: u32,
}

/// A leader's task.
pub struct Term {
    pub process: usize,
    pub token: FencingToken,
    pub leader: Leadership,
    claim: Option<ClaimId>,
    lease: Duration,
    started: Duration,
    /// Until when, by the host's own clock, the store's answers let it lead: at the least and at the most, should an
    /// answer have come in the very instant in which it was given up.
    until: Duration,
    until_at_most: Duration,
    pub cancelled: Option<Duration>,
    gone: Option<Duration>,
    invalid: bool,
    lost_at: Option<Duration>,
    /// Perhaps it was told so in the very instant in which it gave up waiting for the answer.
    lost_perhaps: bool,
    heartbeat_at: Duration,
    /// When somebody first asked it to step down.
    pub leaves_at: Option<Duration>,
    /// The jumps of the host's clock before its lease was asked for, and before it began.
    jumps: u32,
    jumps_before: u32,
    pauses: u32,
    reason: Option<azure_leader_election::EndReason>,
}

impl Term {
    pub fn runs(&self) -> bool {
        self.gone.is_none()
    }
}

impl Process {
    pub fn new(
        name: String,
        clock: Arc<HostClock>,
        settings: HostSettings,
        events: broadcast::Receiver<LeaderEvent>,
    ) -> Self {
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
            resumed_at: Duration::ZERO,
            pauses: 0,
        }
    }

    /// How late its timers may be, by its own clock: they have whole milliseconds, and run at another rate.
    fn tolerance(&self) -> Duration {
        Duration::from_millis(6) + self.clock.look_every().unwrap_or_default().mul_f64(0.025)
    }

    /// The bound of the shutdown: the drain, three attempts, and what slow timers add.
    pub fn stop_bound(&self) -> Duration {
        let bound = self.settings.drain_limit + self.settings.timing.attempt_timeout() * 3;
        bound.mul_f64(1.03) + self.tolerance() + Duration::from_millis(20)
    }

    /// For how long it may fall silent after a term at the most: release and rest.
    fn longest_rest(&self) -> Duration {
        let timing = &self.settings.timing;
        let release = timing.attempt_timeout() * 3 + timing.retry_every() * 2;
        (self.settings.pause.max(timing.lease() * 4) + release).mul_f64(1.03)
    }

    pub fn stands_still(&self) -> bool {
        self.clock.is_dead() || self.clock.is_frozen()
    }
}

impl Monitor {
    pub fn new(rules: Rules, recording: bool, printing: bool) -> Self {
        Self {
            log: Log { recording, printing, ..Log::default() },
            processes: vec![],
            terms: vec![],
            rules,
            active: vec![],
            highest: None,
            claims: vec![],
            tainted: vec![],
            requests: 0,
            forgetful: false,
        }
    }

    pub fn note(&mut self, now: Duration, process: usize, what: std::fmt::Arguments<'_>) {
        if self.log.recording {
            let name = self.processes[process].name.clone();
            self.log.note(now, &name, what);
        }
    }

    pub fn violation(&mut self, now: Duration, process: usize, what: std::fmt::Arguments<'_>) {
        let name = self.processes[process].name.clone();
        self.log.violation(now, &name, what);
    }

    /// The term of a process whose task runs.
    pub fn running(&self, process: usize) -> Option<usize> {
        self.active.iter().copied().find(|term| self.terms[*term].process == process && self.terms[*term].runs())
    }

    /// Who leads: its task runs and is not cancelled.
    pub fn leader(&self) -> Option<usize> {
        let leads = |term: &Term| {
            let process = &self.processes[term.process];
            term.runs()
                && term.cancelled.is_none()
                && !process.stands_still()
                && self.is_valid(term)
        };
        self.active.iter().copied().find(|term| leads(&self.terms[*term])).map(|term| self.terms[term].process)
    }

    /// A run of this process begins.
    pub fn runs_again(&mut self, process: usize) {
        let process = &mut self.processes[process];
        process.began = !process.abandoned;
        (process.over, process.abandoned, process.told_to_stop) = (false, false, false);
        (process.stop_by, process.abort_by, process.rest, process.asks_by) = (None, None, None, None);
        (process.polled, process.short_terms, process.answered) = (false, 0, false);
    }

    /// Somebody asks a leader to step down.
    pub fn asked_to_leave(&mut self, term: usize) {
        let term = &mut self.terms[term];
        let now = self.processes[term.process].clock.truth();
        term.leaves_at.get_or_insert(now);
    }

    /// It is told to end; `now` when its future was dropped.
    pub fn told_to_stop(&mut self, process: usize, dropped: bool) {
        let process = &mut self.processes[process];
        let now = process.clock.truth();
        process.told_to_stop = true;
        let by = now + process.stop_bound();
        process.stop_by.get_or_insert(by);
        if dropped {
            process.abandoned = true;
            process.abort_by = Some(now + process.tolerance());
        }
    }

    /// The process goes on after it stood still.
    pub fn resumed(&mut self, process: usize) {
        let process = &mut self.processes[process];
        let now = process.clock.truth();
        let bound = process.stop_bound();
        process.resumed_at = now;
        process.pauses += 1;
        process.stop_by.iter_mut().for_each(|by| *by = now + bound);
        // A candidate that slept when it was paused sleeps on for as long as it had meant to.
        let longest = process.longest_rest();
        process.asks_by.iter_mut().for_each(|by| *by = now + longest);
    }

    /// Its wall clock was set forward, by so much that it has to notice, or perhaps not.
    pub fn jumped(&mut self, process: usize, has_to_notice: bool) {
        let process = &mut self.processes[process];
        process.jumps += 1;
        process.rest = None;
        process.jumped_at = has_to_notice.then(|| process.clock.truth());
    }

    /// Somebody takes the lease away from whoever holds it.
    pub fn taint(&mut self, owner: Option<Owner>) {
        self.tainted.extend(owner);
    }

    /// Whether whoever leads may yet have to learn that somebody took its lease away.
    pub fn leader_is_tainted(&self) -> bool {
        self.active.iter().any(|term| self.terms[*term].runs() && self.is_tainted(self.terms[*term].claim))
    }

    fn is_tainted(&self, claim: Option<ClaimId>) -> bool {
        let Some(claim) = claim else { return false };
        self.tainted.iter().any(|tainted| match tainted {
            Owner::Claim(id) => *id == claim,
            Owner::Fingerprint(text) => self.claims.iter().any(|(id, known)| *id == claim && known == text),
        })
    }

    fn owns(&self, owner: &Owner, claim: Option<ClaimId>) -> bool {
        let Some(claim) = claim else { return false };
        match owner {
            Owner::Claim(id) => *id == claim,
            Owner::Fingerprint(text) => self.claims.iter().any(|(id, known)| *id == claim && known == text),
        }
    }

    fn know(&mut self, claim: &Claim) {
        if !self.claims.iter().rev().any(|(known, _)| *known == claim.id) {
            self.claims.push((claim.id, claim.id.fingerprint()));
        }
    }

    /// A process was killed: nothing of it runs any more.
    pub fn killed(&mut self, now: Duration, process: usize) {
        self.processes[process].over = true;
        for term in &mut self.terms {
            if term.process == process {
                term.gone.get_or_insert(now);
            }
        }
        self.active.retain(|term| self.terms[*term].process != process);
    }

    /// The future of a run returned.
    pub fn run_over(&mut self, now: Duration, process: usize, outcome: &Result<()>) {
        self.inspect(now);
        self.hear(now, process);
        let state = &mut self.processes[process];
        if !state.began && outcome.is_ok() && state.told_to_stop {
            state.abandoned = true;
            self.note(now, process, format_args!("its run returned Ok before it began"));
            return;
        }
        state.over = true;
        let what = match outcome {
            Ok(()) => "Ok".to_owned(),
            Err(error) => format!("{:?}: {error}", error.kind()),
        };
        let mut wrong = Vec::new();
        if state.elected.is_some() {
            wrong.push("without the end of its term (invariant 16)");
        }
        if state.in_flight > 0 {
            wrong.push("with a request in flight (invariant 15)");
        }
        if state.owes_release.is_some() {
            wrong.push("without releasing (invariant 8)");
        }
        if state.asked.is_some_and(|asked| asked.unknown) {
            wrong.push("with an acquire whose outcome is unknown (invariant 8)");
        }
        let may = match outcome.as_ref().map_err(azure_leader_election::Error::kind) {
            Ok(()) => state.told_to_stop || state.settings.after_success == azure_leader_election::AfterTask::EndHost,
            Err(ErrorKind::TaskFailed | ErrorKind::TaskPanicked) => {
                state.settings.after_failure == azure_leader_election::AfterTask::EndHost
            }
            Err(ErrorKind::Denied | ErrorKind::NotFound | ErrorKind::InvalidSetting | ErrorKind::Refused) => {
                !state.answered && !state.settings.keep_trying
            }
            Err(_) => false,
        };
        let runs = self.running(process).is_some();
        self.note(now, process, format_args!("its run returned {what}"));
        self.log.count(match outcome.as_ref().map_err(azure_leader_election::Error::kind) {
            Ok(()) => "run ended well",
            Err(ErrorKind::TaskFailed | ErrorKind::TaskPanicked) => "run ended by its task",
            Err(_) => "run ended by a refusal",
        });
        for wrong in wrong {
            self.violation(now, process, format_args!("its run returned {wrong}"));
        }
        if runs {
            self.violation(now, process, format_args!("its run returned while its task runs (invariant 15)"));
        }
        if !may {
            self.violation(now, process, format_args!("its run returned {what}"));
        }
    }
}
