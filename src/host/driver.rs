//! Drives an election: feeds it replies, exits, wishes and time, and carries out what it asks for.
//!
//! It decides nothing. Whatever could make two leaders is decided in [`crate::election`].

mod announcer;
mod attempt;
mod entropy;
mod probe;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, info_span};

use super::task::{Spawner, TaskEnd, TaskHandle};
use crate::clock::ElapsedClock;
use crate::election::{Action, AfterTask, AttemptId, Election, EndReason, Event, Failure, Moment, Report, Settings};
use crate::error::{Error, ErrorKind, Result};
use crate::fencing::FencingToken;
use crate::leadership::{Shared, Wish};
use crate::mutex::{Acquire, DistributedMutex, Renew};
use crate::options::LeaderHostOptions;
use crate::status::{LeaderEvent, Operation, Status};
use announcer::Announcer;
use attempt::{Attempt, Outcome, Reply};
use entropy::SystemEntropy;
use probe::Probe;

/// What a run of a host consists of.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) settings: Settings,
    pub(super) options: LeaderHostOptions,
    pub(super) mutex: Arc<dyn DistributedMutex>,
    pub(super) status: watch::Sender<Status>,
    pub(super) events: broadcast::Sender<LeaderEvent>,
    pub(super) shutdown: CancellationToken,
    pub(super) abandoned: CancellationToken,
    pub(super) spawner: Spawner,
    /// Given back when the run is over and its task gone.
    pub(super) slot: Option<OwnedSemaphorePermit>,
}

pub(super) struct Driver {
    run: Run,
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
        let clock = ElapsedClock::new(Arc::clone(&run.options.clock), run.settings.timing.jump_threshold());
        let election = Election::new(run.settings.clone(), SystemEntropy, clock.now());
        let (wish, wishes) = mpsc::unbounded_channel();
        Self {
            election,
            clock: Arc::new(clock),
            attempt: None,
            leader: None,
            probe: Probe::new(run.settings.stall_limit, run.spawner.runtime().clone()),
            wishes,
            wish,
            change: None,
            announcer: Announcer::new(run.status.clone(), run.events.clone(), run.settings.holder.clone()),
            told: Told::default(),
            refusal: None,
            task_failure: None,
            run,
        }
    }

    pub(super) async fn run(self) -> Result<()> {
        let span = info_span!(target: "azure_leader_election", "leader_election", holder = %self.run.settings.holder);
        self.drive().instrument(span).await
    }

    async fn drive(mut self) -> Result<()> {
        self.announcer.standby(None);
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
        self.carry_out();
        now
    }

    async fn next_input(&mut self) -> Input {
        let now = self.clock.now();
        let look = self.leader.as_ref().and_then(|_| self.clock.look_every()).map(|every| now + every);
        let probe = self.probe.next_at().filter(|_| self.leader.is_some());
        let wake = [self.election.poll_timeout(), look, probe].into_iter().flatten().min();
        let pause = wake.map(|wake| wake.since(now));

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

    fn publish(&self) {
        if let Some(leader) = &self.leader {
            leader.shared.publish(self.election.valid_until());
        }
    }

    fn note_signs_of_life(&mut self, now: Moment) {
        // First of all: whatever else is told runs the timers, and those at the time after the jump.
        if let Some(jump) = self.clock.take_jump() {
            self.announcer.explain(format!("the clock jumped forward by {jump:?}"));
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
        // What the task has started in its turn, under the same token, is to end as well.
        leader.shared.cancel(EndReason::TaskEnded);
        if let Some(detail) = end.detail() {
            self.announcer.explain(detail);
        }
        if let Some(error) = end.error {
            let panicked = error.kind() == ErrorKind::TaskPanicked;
            let ends_host = by_itself && self.run.settings.after_failure == AfterTask::EndHost;
            if ends_host || (panicked && self.run.settings.single_term) {
                self.task_failure = Some(error);
            }
        }
        self.election.handle_event(now, Event::TaskExited { exit: end.exit });
        self.show_standby(None);
    }

    /// A host that is on its way out is no standby.
    fn show_standby(&self, leader: Option<crate::mutex::Leader>) {
        if !self.election.is_finishing() {
            self.announcer.standby(leader);
        }
    }

    fn translate(&mut self, now: Moment, attempt: AttemptId, reply: Reply) -> Event {
        let Reply { operation, outcome } = reply;
        match outcome {
            Outcome::Acquire(Ok(Acquire::Granted(grant))) => {
                self.refusal = None;
                Event::Acquired { attempt, grant }
            }
            Outcome::Acquire(Ok(Acquire::Held(held))) => {
                self.refusal = None;
                self.show_standby(held.leader.clone());
                Event::Held { attempt, held }
            }
            Outcome::Renew(Ok(Renew::Renewed)) => {
                self.announcer.renewed();
                Event::Renewed { attempt }
            }
            Outcome::Renew(Ok(Renew::Lost(loss))) => {
                self.announcer.lost(loss);
                Event::Lost { attempt }
            }
            Outcome::Release(Ok(())) => Event::Released { attempt },
            Outcome::Acquire(Err(error)) | Outcome::Renew(Err(error)) | Outcome::Release(Err(error)) => {
                let failure = if error.is_transient() {
                    Failure::Unknown { retry_after: error.retry_after() }
                } else {
                    Failure::Refused
                };
                self.note_failure(now, operation, error);
                Event::Failed { attempt, failure }
            }
        }
    }

    fn note_failure(&mut self, now: Moment, operation: Operation, error: Error) {
        if operation == Operation::Acquire && !error.is_transient() {
            self.refusal = Some(error.clone());
        }
        self.announcer.attempt_failed(now, operation, error);
    }

    /// Carries out all that the election asks for.
    fn carry_out(&mut self) {
        // Before the token is cancelled: whoever sees that must be told the same by `ensure`.
        self.publish();
        while let Some(action) = self.election.poll_action() {
            match action {
                Action::Acquire { attempt, claim, lapsed } => {
                    self.listen_for_changes();
                    self.attempt = Some(Attempt::acquire(attempt, Arc::clone(&self.run.mutex), claim, lapsed));
                }
                Action::Renew { attempt, claim } => {
                    self.attempt = Some(Attempt::renew(attempt, Arc::clone(&self.run.mutex), claim));
                }
                Action::Release { attempt, claim } => {
                    self.attempt = Some(Attempt::release(attempt, Arc::clone(&self.run.mutex), claim));
                }
                Action::Abandon { attempt, timed_out } => self.abandon(attempt, timed_out),
                Action::StartTask { token } => self.start_task(token),
                Action::CancelTask { reason } => {
                    if let Some(leader) = &self.leader {
                        leader.shared.cancel(reason);
                    }
                }
                Action::AbortTask => {
                    if let Some(leader) = &mut self.leader {
                        leader.aborted = true;
                        leader.task.abort();
                    }
                }
                Action::Report(report) => self.report(report),
            }
        }
    }

    fn abandon(&mut self, attempt: AttemptId, timed_out: Option<Duration>) {
        let abandoned = self.attempt.take_if(|current| current.id == attempt);
        if let Some((abandoned, limit)) = abandoned.zip(timed_out) {
            let error = abandoned.timed_out(limit);
            self.note_failure(self.clock.now(), abandoned.operation, error);
        }
    }

    fn start_task(&mut self, fencing_token: FencingToken) {
        let shared = Shared::new(
            self.run.shutdown.child_token(),
            fencing_token,
            self.run.settings.holder.clone(),
            Arc::clone(&self.clock),
            self.wish.clone(),
        );
        shared.publish(self.election.valid_until());
        let task = self.run.spawner.start(shared.leadership());
        self.probe.restart(self.clock.now());
        self.leader = Some(Leader { task, shared, heartbeat: None, aborted: false });
    }

    fn listen_for_changes(&mut self) {
        if self.change.is_none() {
            let mutex = Arc::clone(&self.run.mutex);
            self.change = Some(AbortOnDropHandle::new(tokio::spawn(async move { mutex.changed().await })));
        }
    }

    fn report(&mut self, report: Report) {
        let overrun = matches!(report, Report::Overrun { .. });
        self.announcer.report(self.clock.now(), report);
        if overrun && self.run.options.abort_process_on_overrun {
            std::process::abort();
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

async fn ended(leader: &mut Option<Leader>) -> TaskEnd {
    match leader {
        Some(leader) => TaskEnd::of((&mut leader.task).await),
        None => std::future::pending().await,
    }
}

async fn replied(attempt: &mut Option<Attempt>) -> (AttemptId, Reply) {
    let Some(current) = attempt else { return std::future::pending().await };
    let reply = current.reply().await;
    let id = current.id;
    *attempt = None;
    (id, reply)
}

/// Listened to again with the next attempt, so that a store that never falls silent costs no more than polls.
async fn resolved(change: &mut Option<AbortOnDropHandle<()>>) {
    if let Some(listening) = change {
        let outcome = listening.await;
        *change = None;
        if outcome.is_ok() {
            return;
        }
        // The store's code panicked: there is no news from it, and the host polls.
    }
    std::future::pending().await
}

async fn sleep(pause: Option<Duration>) {
    match pause {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}
