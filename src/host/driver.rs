//! Drives an election: feeds it replies, exits, wishes and time, and carries out what it asks for.
//!
//! It decides nothing. Whatever could make two leaders is decided in [`crate::election`].

mod announcer;
mod attempt;
mod entropy;
mod orders;
mod probe;
mod replies;
mod waiting;

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::task::{Spawner, TaskEnd, TaskHandle};
use crate::clock::ElapsedClock;
use crate::election::{AfterTask, AttemptId, Election, EndReason, Event, Moment, Settings};
use crate::error::{Error, ErrorKind, Result};
use crate::health::Vitals;
use crate::leadership::{Shared, Wish};
use crate::mutex::DistributedMutex;
use crate::options::LeaderHostOptions;
use crate::status::{LeaderEvent, StatusBoard};
use crate::telemetry::{Identity, run_span};
use announcer::Announcer;
use attempt::{Attempt, Reply};
use entropy::SystemEntropy;
use probe::Probe;
use waiting::{ended, replied, resolved, sleep};

/// What a run of a host consists of.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) settings: Settings,
    pub(super) options: LeaderHostOptions,
    pub(super) mutex: Arc<dyn DistributedMutex>,
    pub(super) status: Arc<StatusBoard>,
    pub(super) events: broadcast::Sender<LeaderEvent>,
    pub(super) vitals: Arc<Vitals>,
    pub(super) shutdown: CancellationToken,
    pub(super) abandoned: CancellationToken,
    pub(super) spawner: Spawner,
    /// Given back when the run is over and its task gone.
    pub(super) slot: Option<OwnedSemaphorePermit>,
}

pub(super) struct Driver {
    run: Run,
    identity: Identity,
    election: Election<SystemEntropy>,
    clock: Arc<ElapsedClock>,
    attempt: Option<Attempt>,
    leader: Option<Leader>,
    probe: Probe,
    wishes: mpsc::UnboundedReceiver<Wish>,
    wish: mpsc::UnboundedSender<Wish>,
    change: Option<AbortOnDropHandle<()>>,
    announcer: Announcer,
    told: Told,
    /// The latest refusal of an acquire, as long as none was answered.
    refusal: Option<Error>,
    /// The failure of the task that ends the run.
    task_failure: Option<Error>,
}

/// The leader's task and the host's end of what it was given.
struct Leader {
    task: TaskHandle,
    shared: Arc<Shared>,
    heartbeat: Option<Moment>,
    aborted: bool,
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
    TaskEnded(TaskEnd),
    Reply(AttemptId, Reply),
    Wish(Wish),
    RuntimeAlive,
    Changed,
    Time,
}

impl Driver {
    pub(super) fn new(run: Run) -> Self {
        let clock = Arc::new(ElapsedClock::new(Arc::clone(&run.options.clock), run.settings.timing.jump_threshold()));
        let identity = Identity { election: run.mutex.election().to_owned(), holder: run.settings.holder.clone() };
        run.vitals.run_began(Arc::clone(&clock), &run.settings.timing);
        let election = Election::new(run.settings.clone(), SystemEntropy, clock.now());
        let (wish, wishes) = mpsc::unbounded_channel();
        Self {
            election,
            announcer: Announcer::new(&run, identity.clone()),
            identity,
            clock,
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

    pub(super) async fn run(self) -> Result<()> {
        let span = run_span(&self.identity);
        self.drive().instrument(span).await
    }

    async fn drive(mut self) -> Result<()> {
        self.announcer.standby(self.clock.now(), None);
        if self.run.shutdown.is_cancelled() {
            // Or the first attempt would be sent before anybody looks.
            self.accept(self.clock.now(), Input::Shutdown);
        }
        loop {
            self.advance();
            if self.election.is_stopped() {
                return self.finish();
            }
            let input = self.next_input().await;
            // Time first: a timer of the runtime may be late, or stand still with the machine. Only the end of a task that
            // was to end anyway comes before it, or it would be taken for an overrun because this driver is late.
            let awaited = self.leader.as_ref().is_some_and(|leader| leader.aborted);
            let now = match input {
                Input::TaskEnded(_) if awaited => self.clock.now(),
                _ => self.advance(),
            };
            self.accept(now, input);
        }
    }

    fn advance(&mut self) -> Moment {
        let now = self.clock.now();
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
        self.announcer.sleeps_until(wake);

        tokio::select! {
            biased;
            () = self.run.abandoned.cancelled(), if !self.told.abandoned => Input::Abandoned,
            () = self.run.shutdown.cancelled(), if !self.told.shutdown => Input::Shutdown,
            end = ended(&mut self.leader) => Input::TaskEnded(end),
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
            Input::TaskEnded(end) => {
                self.on_task_ended(now, end);
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

    fn on_task_ended(&mut self, now: Moment, end: TaskEnd) {
        let Some(leader) = self.leader.take() else { return };
        leader.shared.publish(None);
        let by_itself = leader.shared.reason().is_none();
        self.announcer.task_ended(now, &end, by_itself);
        // What the task has started in its turn, under the same token, is to end as well.
        leader.shared.cancel(EndReason::TaskEnded);
        if let Some(error) = end.error {
            let panicked = error.kind() == ErrorKind::TaskPanicked;
            let ends_host = by_itself && self.run.settings.after_failure == AfterTask::EndHost;
            if ends_host || (panicked && self.run.settings.single_term) {
                self.task_failure = Some(error);
            }
        }
        self.election.handle_event(now, Event::TaskExited { exit: end.exit });
        self.show_standby(now, None);
    }

    /// A host that is on its way out is no standby.
    fn show_standby(&mut self, now: Moment, leader: Option<crate::mutex::Leader>) {
        if !self.election.is_finishing() {
            self.announcer.standby(now, leader);
        }
    }

    fn finish(mut self) -> Result<()> {
        self.announcer.stopped();
        if let Some(leader) = self.leader.take() {
            let fencing_token = leader.shared.leadership().fencing_token();
            let slot = self.run.slot.take();
            tokio::spawn(async move {
                let _ = leader.task.await;
                drop(slot);
            });
            return Err(Error::new(
                ErrorKind::Overrun,
                format!("the leader's task (fencing token {fencing_token}) ignores its abortion and still runs"),
            ));
        }
        let wished = self.told.shutdown || self.told.abandoned;
        let refusal = self.refusal.take().filter(|_| !wished);
        self.task_failure.take().or(refusal).map_or(Ok(()), Err)
    }
}

/// However the driver ends, no leader goes on without it: not even when a bug makes it panic.
impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(leader) = self.leader.take() {
            leader.shared.publish(None);
            leader.shared.cancel(EndReason::Shutdown);
            leader.task.abort();
        }
        self.announcer.stopped();
    }
}
