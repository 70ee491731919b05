//! Watches tasks and requests at the instant they happen.
//!
//! Overlaps are not sampled: whatever begins (a task, a request, a grant) is told the referee of all tests at that instant. What
//! must not be is noted, since a panic inside a store or a task is caught by the host; [`Bench`](super::Bench) raises it.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use leader_election::{Claim, ClaimId, EndReason, HolderId, Leadership, Operation, Result, TaskError};
use testkit::store::Onlooker;
use testkit::{Answer, Live, Numbers, What, Who, Witness};
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
    witness: Witness,
    live: Live<Leadership>,
    holders: Numbers<HolderId>,
    claims: Numbers<ClaimId>,
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
        self.state().witness.violations().to_vec()
    }

    pub fn violation(&self, what: String) {
        let now = self.now();
        self.state().witness.violation(format!("{now:?}: {what}"));
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

    /// Something happened to, or was done by, this holder: the referee judges it.
    pub fn saw(&self, holder: &HolderId, what: What) {
        self.state().saw(self.now(), holder, what);
    }

    /// Notes that a leader's task begins; it lasts until what this returns is dropped.
    pub fn enter(&self, leader: &Leadership) -> OnStage {
        let now = self.now();
        let (holder, token) = (leader.holder(), leader.fencing_token().get());
        let mut state = self.state();
        state.look(now);
        state.saw(now, holder, What::TaskStarts { token });
        let who = state.holders.of(holder);
        state.live.enter(who, token, leader.clone());
        state.look(now);
        let claim = state.calls.iter().rfind(|call| call.holder == *holder).map(|call| call.claim);
        state.terms.push(Term { leader: leader.clone(), claim, started: now, cancelled: None, gone: None });
        let index = state.terms.len() - 1;
        drop(state);
        self.turns.notify_waiters();
        tokio::spawn(self.clone().watch_token(index, leader.clone()));
        OnStage { stage: self.clone(), index }
    }

    /// Sees the cancellation as the task itself would.
    async fn watch_token(self, index: usize, leader: Leadership) {
        leader.token().cancelled().await;
        let now = self.now();
        let cancelled = Cancelled { at: now, reason: leader.end_reason(), valid: leader.ensure().is_ok() };
        let mut state = self.state();
        state.look(now);
        state.terms[index].cancelled = Some(cancelled);
        state.saw_of(now, index, What::Cancelled { reason: None });
    }

    /// A run of this host is over: it may send nothing until it runs again.
    pub async fn run_ended(&self, holder: &HolderId) {
        // What it has told its subscribers is heard first.
        tokio::task::yield_now().await;
        self.saw(holder, What::Ends);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic under this lock")
    }
}

impl State {
    fn saw(&mut self, now: Duration, holder: &HolderId, what: What) {
        let who = self.holders.of(holder);
        self.witness.saw(now, who, what);
    }

    /// Of a term, if it is still the latest of its host.
    fn saw_of(&mut self, now: Duration, index: usize, what: What) {
        let leader = self.terms[index].leader.clone();
        let who = self.holders.of(leader.holder());
        let latest = self.witness.referee().state().hosts.get(&who).and_then(|host| host.term.as_ref());
        if latest.is_some_and(|term| term.token == leader.fencing_token().get()) {
            self.witness.saw(now, who, what);
        }
    }

    /// Asks who leads now. A clock that jumps shows another end, but no other truth: only whether it leads is told.
    fn look(&mut self, now: Duration) {
        for (who, what) in self.live.ask(|_, leader| leader.ensure().is_ok().then_some(Duration::ZERO)) {
            self.witness.saw(now, who, what);
        }
    }
}

impl Onlooker for Stage {
    fn sent(&self, operation: Operation, claim: &Claim, unsettled: bool) -> Option<u64> {
        tracing::debug!(target: "scripted_store", %operation);
        let now = self.now();
        let holder = &claim.holder;
        let mut state = self.state();
        state.look(now);
        if state.calls.len() >= HOT_LOOP {
            if state.calls.len() == HOT_LOOP {
                state.witness.violation(format!("{now:?}: more than {HOT_LOOP} requests: a hot loop (invariant 13)"));
            }
            return None;
        }
        let attempt = state.calls.len() as u64;
        let own = |term: &&Term| term.leader.holder() == holder;
        let task_ran = state.terms.iter().filter(own).any(|term| term.gone.is_none());
        let request = operation.into();
        let number = state.claims.of(&claim.id);
        state.saw(now, holder, What::Sent { request, claim: number, attempt, unsettled, lapsed: false });
        state.calls.push(Call { operation, holder: holder.clone(), claim: claim.id, unsettled, sent: now, task_ran });
        Some(attempt)
    }

    fn granted(&self, claim: &Claim) {
        let now = self.now();
        let mut state = self.state();
        state.look(now);
        let number = state.claims.of(&claim.id);
        state.witness.saw(now, Who::MAX, What::Granted { claim: number, until: None });
    }

    fn heard(&self, claim: &Claim, attempt: u64, answer: Option<Answer>) {
        let told = answer.map_or(What::GaveUp { attempt }, |answer| What::Answered { attempt, answer });
        self.saw(&claim.holder, told);
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
        state.terms[self.index].gone = Some(now);
        state.saw_of(now, self.index, What::TaskGone);
        drop(state);
        self.stage.turns.notify_waiters();
    }
}
