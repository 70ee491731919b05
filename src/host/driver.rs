//! Drives an election: feeds it replies, exits, wishes and time, and carries out what it asks for.
//!
//! It decides nothing. Whatever could make two leaders is decided in [`crate::election`]. And it runs nothing of the user's
//! but the clock: it is on the thread that renews all leases of the process.

mod announcer;
mod attempt;
mod entropy;
mod leader;
mod orders;
mod probe;
mod replies;
mod waiting;
mod way_out;

use std::sync::{Arc, OnceLock};

use tokio::sync::{OwnedSemaphorePermit, broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::task::{Spawner, TaskEnd};
use super::test_knobs::DrivenOn;
use crate::clock::ElapsedClock;
use crate::election::{AfterTask, AttemptId, Election, EndReason, Event, Moment, Settings};
use crate::error::{Error, ErrorKind, Result};
use crate::health::Vitals;
use crate::leadership::Wish;
use crate::mutex::DistributedMutex;
use crate::options::LeaderHostOptions;
use crate::requests::Requests;
use crate::sources::Sources;
use crate::status::{LeaderEvent, StatusBoard};
use crate::telemetry::{Identity, LastWords};
use crate::user_code::UserCode;
use announcer::Announcer;
use attempt::{Attempt, Reply};
use leader::{Leader, LeaderInput};
use probe::Probe;
use waiting::{Listening, replied, resolved, sleep};
pub(super) use way_out::Running;

/// What a run of a host consists of.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) settings: Settings,
    pub(super) options: LeaderHostOptions,
    pub(super) sources: Sources,
    pub(super) driven_on: DrivenOn,
    pub(super) mutex: Arc<dyn DistributedMutex>,
    pub(super) identity: Identity,
    pub(super) status: Arc<StatusBoard>,
    pub(super) events: Arc<OnceLock<broadcast::Sender<LeaderEvent>>>,
    pub(super) vitals: Arc<Vitals>,
    pub(super) shutdown: CancellationToken,
    pub(super) abandoned: CancellationToken,
    pub(super) spawner: Spawner,
    pub(super) requests: Requests,
    pub(super) user_code: UserCode,
    pub(super) span: Span,
    /// Given back when the run is over and its task gone.
    pub(super) slot: Option<OwnedSemaphorePermit>,
    /// Whoever waits for the run; `None` once it was told.
    pub(super) done: Option<oneshot::Sender<Result<()>>>,
}

pub(super) struct Driver {
    run: Run,
    election: Election<Sources>,
    clock: Arc<ElapsedClock>,
    /// When it last looked.
    now: Moment,
    attempt: Option<Attempt>,
    leader: Option<Leader>,
    probe: Probe,
    wishes: mpsc::UnboundedReceiver<Wish>,
    wish: mpsc::UnboundedSender<Wish>,
    change: Option<Listening>,
    announcer: Announcer,
    last_words: Arc<LastWords>,
    told: Told,
    /// The latest refusal of an acquire, as long as none was answered.
    refusal: Option<Error>,
    /// The failure of the task that ends the run.
    task_failure: Option<Error>,
}

/// What the election knows of the caller's wish to end.
#[derive(Default)]
struct Told {
    shutdown: bool,
    abandoned: bool,
}

/// One thing that happened.
enum Input {
    Shutdown,
    Abandoned,
    Leader(LeaderInput),
    Reply(AttemptId, Reply),
    Wish(Wish),
    RuntimeAlive,
    Changed,
    Time,
}

impl Driver {
    pub(super) fn new(run: Run) -> Self {
        let clock = Arc::new(ElapsedClock::new(run.sources.clock(), run.settings.timing.jump_threshold()));
        let now = clock.now();
        run.vitals.run_began(Arc::clone(&clock), &run.settings.timing);
        let election = Election::new(run.settings.clone(), run.sources.clone(), now);
        let (wish, wishes) = mpsc::unbounded_channel();
        Self {
            election,
            announcer: Announcer::new(&run),
            last_words: Arc::new(LastWords::new(run.identity.clone(), run.user_code.clone())),
            clock,
            now,
            attempt: None,
            leader: None,
            probe: Probe::new(run.settings.stall_limit, run.spawner.runtime().clone()),
            wishes,
            wish,
            change: None,
            told: Told::default(),
            refusal: None,
            task_failure: None,
            run,
        }
    }

    async fn drive(&mut self) -> Result<()> {
        self.announcer.standby(self.clock.now(), None);
        if self.run.shutdown.is_cancelled() {
            // Or the first attempt would be sent before anybody looks.
            self.accept(self.clock.now(), Input::Shutdown);
        }
        loop {
            let now = self.advance();
            if self.election.is_stopped() {
                return self.outcome();
            }
            self.announcer.rests(now, self.election.rests_until());
            let input = self.next_input().await;
            // Time first: a timer of the runtime may be late, or stand still with the machine. Only the end of a task that
            // was to end anyway comes before it, or it would be taken for an overrun because this driver is late.
            let awaited = self.leader.as_ref().is_some_and(|leader| leader.aborted);
            let now = match input {
                Input::Leader(_) if awaited => self.clock.now(),
                _ => self.advance(),
            };
            self.accept(now, input);
        }
    }

    fn advance(&mut self) -> Moment {
        let now = self.clock.now();
        self.now = now;
        self.note_signs_of_life(now);
        self.election.handle_timeout(now);
        self.carry_out(now);
        now
    }

    async fn next_input(&mut self) -> Input {
        let now = self.clock.now();
        let look = self.leader.as_ref().and_then(|_| self.clock.look_every()).map(|every| now + every);
        let probe = self.probe.next_at().filter(|_| self.leader.is_some());
        let wake = [self.election.poll_timeout(), look, probe].into_iter().flatten().min();
        let pause = wake.map(|wake| wake.since(now));
        self.announcer.sleeps(pause);

        tokio::select! {
            biased;
            () = self.run.abandoned.cancelled(), if !self.told.abandoned => Input::Abandoned,
            () = self.run.shutdown.cancelled(), if !self.told.shutdown => Input::Shutdown,
            input = leader::input(&mut self.leader) => Input::Leader(input),
            (attempt, reply) = replied(&mut self.attempt) => Input::Reply(attempt, reply),
            Some(wish) = self.wishes.recv() => Input::Wish(wish),
            () = self.probe.answered() => Input::RuntimeAlive,
            () = resolved(&mut self.change) => Input::Changed,
            () = sleep(pause) => Input::Time,
        }
    }

    fn accept(&mut self, now: Moment, input: Input) {
        let event = match input {
            Input::Abandoned => {
                self.told.abandoned = true;
                Event::Abandoned
            }
            Input::Shutdown => {
                self.told.shutdown = true;
                Event::Shutdown
            }
            Input::Leader(LeaderInput::Returned(end)) => {
                self.on_task_returned(now, end);
                return;
            }
            Input::Leader(LeaderInput::Gone) => {
                self.on_task_gone(now);
                return;
            }
            Input::Reply(attempt, reply) => self.translate(now, attempt, reply),
            Input::Wish(Wish::StepDown(token)) => Event::StepDown { token },
            Input::RuntimeAlive => Event::RuntimeAlive { at: now },
            Input::Changed => Event::Changed,
            Input::Time => return,
        };
        self.election.handle_event(now, event);
    }

    fn note_signs_of_life(&mut self, now: Moment) {
        // First of all: whatever else is told runs the timers, and those at the time after the jump.
        if let Some(jump) = self.clock.take_jump() {
            self.announcer.clock_jumped(now, jump);
            self.election.handle_event(now, Event::ClockJumped);
        }
        if let Some(leader) = &mut self.leader {
            let heartbeat = leader.shared.last_heartbeat();
            if let Some(at) = heartbeat.filter(|_| heartbeat != leader.heartbeat) {
                leader.heartbeat = heartbeat;
                self.election.handle_event(now, Event::Heartbeat { at });
            }
            self.probe.advance(now);
        }
    }

    /// The task itself is gone; what it has started may still run.
    fn on_task_returned(&mut self, now: Moment, mut end: TaskEnd) {
        let Some(leader) = &mut self.leader else { return };
        leader.exit = Some(end.exit());
        let by_itself = leader.shared.reason().is_none();
        self.announcer.task_returned(&mut end, by_itself);
        if let Some(error) = end.error {
            let panicked = error.kind() == ErrorKind::TaskPanicked;
            let ends_host = by_itself && self.run.settings.after_failure == AfterTask::EndHost;
            let kept = (ends_host || (panicked && self.run.settings.single_term)).then_some(error.clone());
            // The other one is dropped elsewhere, as there is a value of the task's in it.
            self.announcer.lane().discard((error, std::mem::replace(&mut self.task_failure, kept)));
        }
        if leader.shared.work().close_if_idle() {
            self.on_task_gone(now);
        } else {
            // What the task has started is to end as well, and has the drain limit for it.
            self.election.handle_event(now, Event::TaskReturned);
        }
    }

    fn on_task_gone(&mut self, now: Moment) {
        let Some(leader) = self.leader.take() else { return };
        leader.unpublish(now);
        leader.shared.cancel(EndReason::TaskEnded);
        self.announcer.task_gone(now);
        let exit = leader.exit.unwrap_or(crate::election::TaskExit::Aborted);
        self.election.handle_event(now, Event::TaskExited { exit });
        self.announcer.lane().discard((leader.shared.work().take_span(), leader));
        self.show_standby(now, None);
    }

    /// A host that is on its way out is no standby.
    fn show_standby(&mut self, now: Moment, leader: Option<crate::mutex::Leader>) {
        if !self.election.is_finishing() {
            self.announcer.standby(now, leader);
        }
    }

    /// What the run returns when its election has stopped.
    fn outcome(&mut self) -> Result<()> {
        if let Some(leader) = &self.leader {
            return Err(overrun(leader));
        }
        let wished = self.told.shutdown || self.told.abandoned;
        let refusal = self.refusal.take().filter(|_| !wished);
        self.task_failure.take().or(refusal).map_or(Ok(()), Err)
    }
}

fn overrun(leader: &Leader) -> Error {
    let fencing_token = leader.shared.fencing_token();
    let message = format!(
        "the leader's task (fencing token {fencing_token}), or what it has started, ignores its abortion and still runs \
         past its lease: end this process"
    );
    Error::new(ErrorKind::Overrun, message)
}
