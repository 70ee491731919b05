//! Sees every election, every task and every request that is carried out, at the instant it happens, and tells the referee of all
//! tests. What it judges by itself is how long nobody led, since that depends on the faults that befell whom.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use azure_leader_election::{Leadership, Timing};
use testkit::referee::state::Host;
use testkit::{Live, Numbers, What, Who, Witness};
use tokio::time::Instant;

use crate::tally::{Role, Tally};
use testbed::oracle::message::{Request, Response};
use testbed::oracle::network::{Back, Fate};

/// Names a worker: a process from its start to its end.
pub type WorkerId = usize;

#[derive(Debug, Clone)]
pub struct Referee {
    origin: Instant,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    witness: Witness,
    live: Live<Leadership>,
    /// Lease ids.
    claims: Numbers<String>,
    tallies: Vec<(WorkerId, Tally)>,
    /// When the lease was, or will be, free by the oracle's own account.
    free_from: Duration,
    /// Who was granted the lease last, under which id, and when.
    granted: Option<(WorkerId, String, Duration)>,
    /// Since when nobody leads, and what may be said in excuse.
    vacancy: Option<Vacancy>,
    /// Since when the leader is dead or cut off.
    struck: Option<Duration>,
    /// When faults befell candidates, and how long each may keep them busy.
    faults: VecDeque<(WorkerId, Duration, Duration)>,
    /// When a fault last befell a leader.
    leader_fault: Option<Duration>,
    /// The latest lease ids that nobody may act under any more.
    spent: VecDeque<String>,
    verdict: Verdict,
}

#[derive(Debug, Default)]
struct Vacancy {
    since: Duration,
    /// Whether the last leader ended in peace, and so can be expected to have released the lease.
    peaceful: bool,
    /// How long the attempts that met a fault may have kept each candidate busy.
    lost: BTreeMap<WorkerId, Duration>,
}

impl Vacancy {
    /// Some candidate was the first to take the lease, for as long as it was kept from that. From then on it was kept from
    /// leading by faults of its own alone.
    fn excuse(&self) -> Duration {
        self.lost.values().copied().max().unwrap_or_default()
    }
}

/// What became of it all.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    pub requests: u64,
    pub elections: u64,
    pub violations: Vec<String>,
    /// From a leader's death to the next election.
    pub failovers: Vec<Duration>,
    /// Vacancies without any fault beside the one that caused them.
    pub strict: u64,
}

impl Referee {
    pub fn new() -> Self {
        let state = State { vacancy: Some(Vacancy::default()), ..State::default() };
        Self { origin: Instant::now(), state: Arc::new(Mutex::new(state)) }
    }

    pub fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    pub fn verdict(&self) -> Verdict {
        let state = self.state();
        let mut violations = state.witness.violations().to_vec();
        if !violations.is_empty() {
            violations.push(format!("The latest that happened:\n{}", state.witness.latest()));
        }
        Verdict { violations, ..state.verdict.clone() }
    }

    pub fn violation(&self, what: &str) {
        self.state().violation(self.now(), what);
    }

    /// Who leads, if anybody does.
    pub fn leader(&self) -> Option<(WorkerId, Leadership)> {
        let state = self.state();
        let mut leaders = state.live.all().filter(|(who, _)| state.leads(*who as WorkerId));
        leaders.next().map(|(who, leader)| (who as WorkerId, leader.clone()))
    }

    pub fn begins(&self, worker: WorkerId) {
        let now = self.now();
        let mut state = self.state();
        state.saw(now, worker, What::Starts { limits: None });
        state.tallies.push((worker, Tally::new(now)));
    }

    /// The process is no more: it counts as nobody, and its lease is nobody's.
    pub fn ends(&self, worker: WorkerId) {
        let mut state = self.state();
        state.gone(self.now(), worker, false);
        state.live.leave(worker as Who);
        state.saw(self.now(), worker, What::Killed);
        state.has_to_run_out(|granted, _| granted == worker);
        state.tallies.retain(|(other, _)| *other != worker);
    }

    /// The leader has died, or was cut off.
    pub fn strikes(&self, worker: WorkerId) {
        let now = self.now();
        let mut state = self.state();
        if state.leads(worker) && state.struck.is_none() {
            state.struck = Some(now);
        }
    }

    /// A leader's task begins; it lasts until what this returns is dropped.
    pub fn elected(&self, worker: WorkerId, leader: &Leadership) -> OnDuty {
        let now = self.now();
        let mut state = self.state();
        state.look(now);
        state.elected(now, worker, leader);
        OnDuty { referee: self.clone(), worker }
    }

    /// A request leaves its sender, and meets this fate.
    pub fn sent(&self, worker: WorkerId, request: &Request, fate: &Fate) {
        let now = self.now();
        let mut state = self.state();
        state.verdict.requests += 1;
        let faulty = !fate.is_answered_within(Duration::from_millis(500));
        let tally = state.tallies.iter_mut().find(|(other, _)| *other == worker).map(|(_, tally)| tally);
        let wrong = tally.and_then(|tally| {
            if faulty {
                tally.disturb(now);
            }
            tally.request(now)
        });
        if let Some(wrong) = wrong {
            state.violation(now, &format!("worker {worker}: {wrong}"));
        }
        if request.is_lease("release") {
            state.spend(request);
        }
        match faulty {
            true if state.leads(worker) => state.leader_fault = Some(now),
            true => state.fault(now, worker, fate),
            false => {}
        }
    }

    /// The oracle has carried out a request.
    pub fn carried_out(&self, now: Duration, worker: WorkerId, request: &Request, response: &Response) {
        let mut state = self.state();
        state.look(now);
        if response.is_success() {
            state.carried_out(now, worker, request, response);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic under this lock")
    }
}

impl State {
    fn fault(&mut self, now: Duration, worker: WorkerId, fate: &Fate) {
        let timing = Timing::default();
        let waits = match fate.back {
            Back::Refused { retry_after, .. } => retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        // A grant that came too late is given back, and a pause of 2 s follows.
        let cost = timing.attempt_timeout() + timing.poll_every() + waits + Duration::from_secs(2);
        self.faults.retain(|(_, at, cost)| *at + *cost > now);
        self.faults.push_back((worker, now, cost));
        if let Some(vacancy) = &mut self.vacancy {
            *vacancy.lost.entry(worker).or_default() += cost;
        }
    }

    fn saw(&mut self, now: Duration, worker: WorkerId, what: What) {
        self.witness.saw(now, worker as Who, what);
    }

    /// Asks who leads now. Here all clocks run alike.
    fn look(&mut self, now: Duration) {
        for (who, what) in self.live.ask(|_, leader| leader.ensure().is_ok().then(|| now + leader.valid_for())) {
            self.witness.saw(now, who, what);
        }
    }

    fn elected(&mut self, now: Duration, worker: WorkerId, leader: &Leadership) {
        let token = leader.fencing_token().get();
        self.saw(now, worker, What::TaskStarts { token });
        self.live.enter(worker as Who, token, leader.clone());
        self.look(now);
        self.verdict.elections += 1;
        self.change_role(now, worker, Role::Leader);
        if let Some(vacancy) = self.vacancy.take() {
            self.judge(now, &vacancy);
        }
        self.has_to_run_out(|granted, _| granted == worker);
        if let Some(struck) = self.struck.take() {
            self.verdict.failovers.push(now - struck);
        }
    }

    /// The lease may be free for a poll and a second, and for as long as faults have kept the candidates from it.
    fn judge(&mut self, now: Duration, vacancy: &Vacancy) {
        let released = vacancy.peaceful && vacancy.lost.is_empty();
        let possible = if released { vacancy.since } else { self.free_from.max(vacancy.since) };
        let due = possible + Timing::default().poll_every() + Duration::from_secs(1) + vacancy.excuse();
        if now > due {
            let what = format!("elected {:?} after it was possible: {vacancy:?}", now.saturating_sub(possible));
            self.violation(now, &what);
        }
        if vacancy.lost.is_empty() {
            self.verdict.strict += 1;
        }
    }

    fn gone(&mut self, now: Duration, worker: WorkerId, by_itself: bool) {
        if self.leads(worker) {
            self.look(now);
            self.saw(now, worker, What::TaskGone);
            self.change_role(now, worker, Role::Standby);
            if !self.witness.referee().state().hosts.values().any(Host::runs) {
                // A candidate may still wait for an answer that was lost before.
                let mut lost = BTreeMap::new();
                for (candidate, _, cost) in self.faults.iter().filter(|(_, at, cost)| *at + *cost > now) {
                    *lost.entry(*candidate).or_default() += *cost;
                }
                let undisturbed = self.leader_fault.is_none_or(|at| now > at + Timing::default().lease());
                self.vacancy = Some(Vacancy { since: now, peaceful: by_itself && undisturbed, lost });
            }
        }
    }

    fn carried_out(&mut self, now: Duration, worker: WorkerId, request: &Request, response: &Response) {
        let lease = Timing::default().lease();
        let id = response.header("x-ms-lease-id").or_else(|| request.header("x-ms-lease-id")).unwrap_or_default();
        let claim = self.claims.of(&id.to_owned());
        if request.is_lease("acquire") || request.is_lease("renew") {
            self.saw(now, worker, What::Granted { claim, until: Some(now + lease) });
        }
        if request.is_lease("acquire") {
            let alive = self.tallies.iter().any(|(other, _)| *other == worker);
            // A candidate that is alive makes use of the lease, even if it did not hear of it: it asks again.
            let of_use = alive && !self.spent.iter().any(|spent| spent == id) && !self.leads(worker);
            self.granted = Some((worker, id.to_owned(), now));
            if !of_use {
                self.has_to_run_out(|_, _| true);
            }
        } else if request.is_lease("renew") {
            self.free_from = now + lease;
        } else if request.is_lease("release") {
            self.free_from = now;
            self.saw(now, worker, What::Freed { claim });
        } else if request.is_lease("break") {
            let left = response.header("x-ms-lease-time").and_then(|left| left.parse().ok()).unwrap_or_default();
            self.free_from = now + Duration::from_secs(left);
            // Whoever lost the lease does not give it back.
            self.leader_fault = Some(now);
        }
    }

    /// The lease that was granted last is used, or is of no use to anybody any more, if it is this one.
    fn has_to_run_out(&mut self, is_this: impl Fn(WorkerId, &str) -> bool) {
        if let Some((_, _, at)) = self.granted.take_if(|(worker, id, _)| is_this(*worker, id)) {
            self.free_from = self.free_from.max(at + Timing::default().lease());
        }
    }

    fn spend(&mut self, request: &Request) {
        let Some(id) = request.header("x-ms-lease-id") else { return };
        self.has_to_run_out(|_, granted| granted == id);
        self.spent.push_back(id.to_owned());
        if self.spent.len() > 64 {
            self.spent.pop_front();
        }
    }

    fn leads(&self, worker: WorkerId) -> bool {
        self.witness.referee().state().hosts.get(&(worker as Who)).is_some_and(Host::runs)
    }

    /// A change of the leader is one for all: candidates that saw the lease free may all ask for it.
    fn change_role(&mut self, now: Duration, worker: WorkerId, role: Role) {
        for (other, tally) in &mut self.tallies {
            if *other == worker {
                tally.role(role);
            }
            tally.disturb(now);
        }
    }

    fn violation(&mut self, now: Duration, what: &str) {
        self.witness.violation(format!("{now:?}: {what}"));
    }
}

/// A leader's task that runs.
#[derive(Debug)]
pub struct OnDuty {
    referee: Referee,
    worker: WorkerId,
}

impl Drop for OnDuty {
    fn drop(&mut self) {
        let now = self.referee.now();
        self.referee.state().gone(now, self.worker, true);
    }
}
