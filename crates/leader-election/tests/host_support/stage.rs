//! Watches tasks and requests at the instant they happen.
//!
//! Overlaps are not sampled: whatever begins (a task, a request, a grant) looks at that instant whether it may. What
//! must not be is noted, since a panic inside a store or a task is caught by the host; [`Bench`](super::Bench) raises it.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use leader_election::{Claim, ClaimId, EndReason, FencingToken, HolderId, Leadership, Operation, Result, TaskError};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::bounded;

/// More requests than any test sends: beyond it somebody runs in circles, and virtual time stands still meanwhile.
const HOT_LOOP: usize = 50_000;

/// Shared by all workers of a test.
#[derive(Debug, Clone)]
pub struct Stage {
    origin: Instant,
    state: Arc<Mutex<State>>,
    /// Whenever a task begins or ends.
    turns: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    terms: Vec<Term>,
    calls: Vec<Call>,
    violations: Vec<String>,
    highest_token: Option<FencingToken>,
    in_flight: HashMap<HolderId, usize>,
    /// Claims that were released, or whose term ended, and since when: nobody may act under them any more.
    spent: HashMap<ClaimId, Duration>,
    /// Hosts whose run has ended, until they run again.
    ended: HashSet<HolderId>,
}

/// A leader's task, as the stage saw it.
#[derive(Debug, Clone)]
pub struct Term {
    pub leader: Leadership,
    pub claim: Option<ClaimId>,
    pub started: Duration,
    /// When its token was cancelled, and what was seen of it then.
    pub cancelled: Option<Cancelled>,
    /// When its task was gone: returned, unwound or aborted.
    pub gone: Option<Duration>,
    /// Whether it was ever seen to be invalid.
    invalid: bool,
}

/// What a task sees when its token is cancelled.
#[derive(Debug, Clone)]
pub struct Cancelled {
    pub at: Duration,
    pub reason: Option<EndReason>,
    pub valid: bool,
}

/// A request, at the instant it was sent.
#[derive(Debug, Clone)]
pub struct Call {
    pub operation: Operation,
    pub holder: HolderId,
    pub claim: ClaimId,
    pub unsettled: bool,
    pub sent: Duration,
    /// Whether a task of this holder ran at that instant.
    pub task_ran: bool,
}

impl Stage {
    pub fn new() -> Self {
        Self { origin: Instant::now(), state: Arc::default(), turns: Arc::default() }
    }

    pub fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    pub fn terms(&self, holder: &HolderId) -> Vec<Term> {
        self.state().terms.iter().filter(|term| term.leader.holder() == holder).cloned().collect()
    }

    pub fn all_terms(&self) -> Vec<Term> {
        self.state().terms.clone()
    }

    /// Waits for a task that begins or ends and makes `condition` hold.
    #[track_caller]
    pub fn until(&self, condition: impl Fn() -> bool) -> impl Future<Output = ()> {
        bounded(async move {
            loop {
                let turn = self.turns.notified();
                if condition() {
                    return;
                }
                turn.await;
            }
        })
    }

    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    pub fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    pub fn violation(&self, what: String) {
        let now = self.now();
        self.state().violations.push(format!("{now:?}: {what}"));
    }

    /// A delegate whose tasks are seen.
    pub fn watched<F, Fut>(
        &self,
        mut play: F,
    ) -> impl FnMut(Leadership) -> std::pin::Pin<Box<dyn Future<Output = Result<(), TaskError>> + Send>> + Send + use<F, Fut>
    where
        F: FnMut(Leadership) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), TaskError>> + Send + 'static,
    {
        let stage = self.clone();
        move |leader| {
            let on_stage = stage.enter(&leader);
            let act = play(leader);
            Box::pin(async move {
                let _on_stage = on_stage;
                act.await
            })
        }
    }

    /// Notes that a leader's task begins; it lasts until what this returns is dropped.
    pub fn enter(&self, leader: &Leadership) -> OnStage {
        self.inspect();
        let now = self.now();
        let holder = leader.holder();
        let token = leader.fencing_token();
        let mut state = self.state();
        let mut violations = Vec::new();
        for other in state.terms.iter().filter(|other| other.gone.is_none()) {
            if other.leader.holder() == holder {
                violations.push(format!("{holder} starts a task while an earlier one of it runs (invariant 6)"));
            }
        }
        for other in state.terms.iter().filter(|other| other.leader.ensure().is_ok()) {
            violations.push(format!("{holder} leads while {} is valid (invariant 1)", other.leader.holder()));
        }
        if state.highest_token.is_some_and(|highest| token <= highest) {
            violations.push(format!("{holder} leads with token {token}, which is not new (invariant 2)"));
        }
        state.violations.extend(violations.into_iter().map(|what| format!("{now:?}: {what}")));
        state.highest_token = state.highest_token.max(Some(token));
        let acquired = state.calls.iter().rev().find(|call| call.holder == *holder);
        let claim = acquired.map(|call| call.claim);
        let term = Term { leader: leader.clone(), claim, started: now, cancelled: None, gone: None, invalid: false };
        state.terms.push(term);
        let index = state.terms.len() - 1;
        drop(state);
        self.turns.notify_waiters();
        tokio::spawn(self.clone().watch_token(index, leader.clone()));
        OnStage { stage: self.clone(), index }
    }

    /// Sees the cancellation as the task itself would.
    async fn watch_token(self, index: usize, leader: Leadership) {
        leader.token().cancelled().await;
        self.inspect();
        let cancelled = Cancelled { at: self.now(), reason: leader.end_reason(), valid: leader.ensure().is_ok() };
        self.state().terms[index].cancelled = Some(cancelled);
    }

    /// Notes a request, and whether its sender may send it now. `None` when it has gone mad.
    pub fn sent(&self, operation: Operation, claim: &Claim) -> Option<InFlight> {
        self.inspect();
        let now = self.now();
        let holder = &claim.holder;
        let mut state = self.state();
        if state.calls.len() >= HOT_LOOP {
            if state.calls.len() == HOT_LOOP {
                state.violations.push(format!("{now:?}: more than {HOT_LOOP} requests: a hot loop"));
            }
            return None;
        }
        let own = |term: &&Term| term.leader.holder() == holder;
        let task_ran = state.terms.iter().filter(own).any(|term| term.gone.is_none());
        let long_gone = !state.terms.iter().filter(own).any(|term| term.gone.is_none_or(|gone| gone == now));

        let mut violations = Vec::new();
        match operation {
            Operation::Release if task_ran => violations.push("releases while its task runs (invariant 5)"),
            Operation::Acquire if task_ran => violations.push("acquires while its task runs (invariant 6)"),
            Operation::Renew if long_gone => violations.push("renews without a task (invariant 15)"),
            _ => {}
        }
        // At the very instant of a task's end its host may not have heard of it yet.
        let spent = state.spent.get(&claim.id).is_some_and(|since| *since < now);
        if operation != Operation::Release && spent {
            violations.push("acts under a claim that it gave back or lost (invariant 7)");
        }
        if state.in_flight.get(holder).is_some_and(|count| *count > 0) {
            violations.push("has two requests in flight (invariant 6)");
        }
        if state.ended.contains(holder) {
            violations.push("sends a request although its run has ended (invariant 15)");
        }
        let violations = violations.into_iter().map(|what| format!("{now:?}: {holder} {what}: {operation}"));
        state.violations.extend(violations);

        if operation == Operation::Release {
            state.spent.entry(claim.id).or_insert(now);
        }
        let unsettled = claim.unsettled;
        state.calls.push(Call { operation, holder: holder.clone(), claim: claim.id, unsettled, sent: now, task_ran });
        *state.in_flight.entry(holder.clone()).or_default() += 1;
        drop(state);
        Some(InFlight { stage: self.clone(), holder: holder.clone() })
    }

    /// Notes that the store grants a claim: nobody else may think that it leads at this instant.
    pub fn granted(&self, claim: &Claim) {
        self.inspect();
        let valid: Vec<_> = self.state().terms.iter().filter(|term| term.leader.ensure().is_ok()).cloned().collect();
        for term in valid.iter().filter(|term| term.claim != Some(claim.id)) {
            let (holder, other) = (&claim.holder, term.leader.holder());
            self.violation(format!("{holder} is granted the lease while {other} is valid (invariant 1)"));
        }
    }

    /// A run of this host is over: it may send nothing until it runs again.
    pub fn run_ended(&self, holder: &HolderId) {
        self.state().ended.insert(holder.clone());
    }

    pub fn runs_again(&self, holder: &HolderId) {
        self.state().ended.remove(holder);
    }

    /// Who is valid now: at most one, and nobody who was not a moment ago.
    fn inspect(&self) {
        let now = self.now();
        let mut state = self.state();
        let mut valid = Vec::new();
        let mut revived = Vec::new();
        for term in &mut state.terms {
            if term.leader.ensure().is_err() {
                term.invalid = true;
                continue;
            }
            valid.push(term.leader.fencing_token());
            if term.invalid {
                revived.push(term.leader.fencing_token());
            }
        }
        if valid.len() > 1 {
            state.violations.push(format!("{now:?}: valid at once: {valid:?} (invariant 1)"));
        }
        for token in revived {
            state.violations.push(format!("{now:?}: {token} is valid again after it was not (invariant 7)"));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic under this lock")
    }
}

/// A task that runs.
pub struct OnStage {
    stage: Stage,
    index: usize,
}

impl Drop for OnStage {
    fn drop(&mut self) {
        let now = self.stage.now();
        let mut state = self.stage.state();
        let term = &mut state.terms[self.index];
        term.gone = Some(now);
        if let Some(claim) = term.claim {
            state.spent.entry(claim).or_insert(now);
        }
        drop(state);
        self.stage.turns.notify_waiters();
    }
}

/// A request whose sender waits for it.
pub struct InFlight {
    stage: Stage,
    holder: HolderId,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(count) = self.stage.state().in_flight.get_mut(&self.holder) {
            *count -= 1;
        }
    }
}
