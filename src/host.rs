//! Runs the leader's task while this worker leads.

mod driver;
mod task;
mod test_knobs;

use std::future::Future;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, oneshot};
use tokio_util::sync::CancellationToken;

use crate::claim::HolderId;
use crate::election::EndReason;
use crate::error::{BoxError, Error, ErrorKind, Result};
use crate::fencing::FencingToken;
use crate::health::{Unhealthy, Vitals};
use crate::leadership::Leadership;
use crate::mutex::{DistributedMutex, Observation};
use crate::options::LeaderHostOptions;
use crate::requests::{self, Requests};
use crate::sources::Sources;
use crate::status::{LeaderEvent, Status, StatusBoard, StatusWatch};
use crate::telemetry::{Identity, run_span};
use crate::user_code::UserCode;
use crate::{renewal_thread, watchdog};
use driver::{Driver, Run, Running};
use task::Spawner;
use test_knobs::DrivenOn;

/// What a leader's task may fail with: any error, by `?`.
pub type TaskError = BoxError;

/// Contends for leadership, and runs a task while it leads.
///
/// All workers make a host on the same store and election and run the same task; one of them leads at a time.
///
/// ```
/// use azure_leader_election::{CancellationToken, LeaderHost, Leadership, MemoryMutex};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> azure_leader_election::Result<()> {
/// let shutdown = CancellationToken::new();
/// let stop = shutdown.clone();
/// LeaderHost::new(MemoryMutex::new())
///     .run_task_when_mutex_acquired(shutdown, move |leader: Leadership| {
///         let stop = stop.clone();
///         async move {
///             leader.ensure()?;
///             println!("leading with fencing token {}", leader.fencing_token());
///             stop.cancel();
///             leader.token().cancelled().await;
///             Ok(())
///         }
///     })
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct LeaderHost {
    mutex: Arc<dyn DistributedMutex>,
    options: LeaderHostOptions,
    sources: Sources,
    driven_on: DrivenOn,
    status: Arc<StatusBoard>,
    /// Made when somebody first asks for it: it holds 256 events.
    events: Arc<OnceLock<broadcast::Sender<LeaderEvent>>>,
    vitals: Arc<Vitals>,
    /// Held by a run until its task is gone, so that two runs of one host never overlap (invariant 6).
    slot: Arc<Semaphore>,
    /// Held by the run that waits for the slot.
    successor: Semaphore,
    /// Of the run that holds the slot; cancelled when its future was dropped and it winds up by itself.
    abandoned: Mutex<CancellationToken>,
}

impl LeaderHost {
    /// A host with [default options](LeaderHostOptions).
    pub fn new(mutex: impl DistributedMutex) -> Self {
        Self {
            mutex: Arc::new(mutex),
            options: LeaderHostOptions::default(),
            sources: Sources::system(),
            driven_on: DrivenOn::RenewalThread,
            status: Arc::new(StatusBoard::new()),
            events: Arc::default(),
            vitals: Arc::default(),
            slot: Arc::new(Semaphore::new(1)),
            successor: Semaphore::new(1),
            abandoned: Mutex::default(),
        }
    }

    /// Replaces the options.
    #[must_use]
    pub fn with_options(mut self, options: LeaderHostOptions) -> Self {
        self.options = options;
        self
    }

    /// The name that this host contends under.
    #[must_use]
    pub fn holder(&self) -> &HolderId {
        &self.options.holder
    }

    /// What this host is doing now.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.get()
    }

    /// What this host is doing, now and whenever it changes.
    #[must_use]
    pub fn watch_status(&self) -> StatusWatch {
        self.status.watch()
    }

    /// What happens in this host from now on. A receiver that falls more than 256 events behind misses the oldest.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<LeaderEvent> {
        self.events.get_or_init(|| broadcast::Sender::new(256)).subscribe()
    }

    /// Whether this host is well, for a probe. It sends nothing and never waits, and answers also when the election itself
    /// stands still.
    ///
    /// # Errors
    /// [`Unhealthy`], with what is wrong: the host is not running, as in a forked child; its task, or what that has started by
    /// [`Leadership::spawn`], runs on past its lease; the election was not driven for a lease; or the store has been out of reach
    /// for longer than a lease.
    pub fn health(&self) -> Result<(), Unhealthy> {
        self.vitals.check()
    }

    /// Whether the store has answered this host since it began to run, so that it would lead if nobody else did: what a readiness
    /// probe asks for. It stays true while the store is out of reach later on.
    #[must_use]
    pub fn has_reached_store(&self) -> bool {
        self.vitals.has_reached_store()
    }

    /// Reads who leads, without contending, as far as the store can tell: see [`Observation`]. The request is sent from the threads
    /// that all of this host's are sent from, and given up after [`attempt_timeout`](crate::TimingOptions::attempt_timeout), unless
    /// the store blocks these threads.
    ///
    /// # Errors
    /// Those of [`DistributedMutex::observe`], [`Timeout`](ErrorKind::Timeout), and [`Runtime`](ErrorKind::Runtime) when these
    /// threads cannot be started or this process was forked.
    ///
    /// # Cancellation safety
    /// May be dropped at any time.
    pub async fn observe(&self) -> Result<Observation> {
        let (mutex, limit) = (Arc::clone(&self.mutex), self.options.timing.attempt_timeout());
        let bounded = async move {
            tokio::time::timeout(limit, mutex.observe())
                .await
                .unwrap_or_else(|_| Err(Error::new(ErrorKind::Timeout, format!("no answer within {limit:?}"))))
        };
        match self.driven_on {
            DrivenOn::RenewalThread => requests::run(bounded).await?,
            DrivenOn::CallerRuntime => bounded.await,
        }
    }

    /// Contends until `shutdown` is cancelled, and runs `delegate` whenever this worker leads.
    ///
    /// `delegate` is called on the current runtime, once for each term, with the term's [`Leadership`]. When the term
    /// ends for any reason, its token is cancelled; when its time is up (see
    /// [`TimingOptions::grace`](crate::TimingOptions::grace) and [`LeaderHostOptions::drain_limit`]), the task is
    /// aborted at its next await. Only when it is gone is the lease released, and all that it has started by
    /// [`Leadership::spawn`] with it. If it returns, fails or panics by itself, the host releases and contends again after a
    /// pause, or ends if the options say so.
    ///
    /// Returns `Ok` after `shutdown`, once the task is gone and the lease is released; within the drain limit plus three
    /// attempt timeouts, also when the store hangs. Then your closure is dropped, apart from the thread that renews: the run waits
    /// for that however long it takes, and for the last lines of its log for a second at most.
    ///
    /// # Errors
    /// - [`InvalidSetting`](ErrorKind::InvalidSetting) when the options cannot work, before anything is sent.
    /// - A refusal of the store ([`Denied`](ErrorKind::Denied), [`NotFound`](ErrorKind::NotFound), …) when it comes before
    ///   the store has ever answered; later ones are reported as events and tried again.
    /// - [`TaskFailed`](ErrorKind::TaskFailed), [`TaskPanicked`](ErrorKind::TaskPanicked) when
    ///   [`after_failure`](LeaderHostOptions::after_failure) ends the host.
    /// - [`Overrun`](ErrorKind::Overrun) when the task still ran after its abortion when the lease ended, and
    ///   [`abort_process_on_overrun`](LeaderHostOptions::abort_process_on_overrun) is off. End the process then.
    /// - [`Runtime`](ErrorKind::Runtime) when the threads that elect cannot be started, or this process was forked from one
    ///   that had started them.
    /// - [`AlreadyRunning`](ErrorKind::AlreadyRunning) when this host runs already.
    ///
    /// # Cancellation safety
    /// Dropping the future aborts the task and releases the lease, in the background. A later run of this host waits
    /// for that.
    ///
    /// # Panics
    /// Only if [`DistributedMutex::check_lease`] does. A panic of `delegate`, of the store's requests, of a subscriber or of a
    /// destructor is caught; one of a [clock](crate::clock::Clock) ends the run with [`Runtime`](ErrorKind::Runtime).
    pub async fn run_task_when_mutex_acquired<F, Fut>(&self, shutdown: CancellationToken, delegate: F) -> Result<()>
    where
        F: FnMut(Leadership) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), TaskError>> + Send + 'static,
    {
        self.run(shutdown, false, Spawner::new(current_runtime()?, delegate)).await
    }

    /// Contends until this worker leads, runs `delegate` for that one term, and returns what it returned.
    ///
    /// `None` when `shutdown` was cancelled before this worker led.
    ///
    /// # Errors
    /// As [`run_task_when_mutex_acquired`](Self::run_task_when_mutex_acquired); a panic of `delegate` is always
    /// [`TaskPanicked`](ErrorKind::TaskPanicked).
    ///
    /// # Cancellation safety
    /// As [`run_task_when_mutex_acquired`](Self::run_task_when_mutex_acquired).
    ///
    /// ```
    /// use azure_leader_election::{CancellationToken, EndReason, LeaderHost, MemoryMutex};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> azure_leader_election::Result<()> {
    /// let host = LeaderHost::new(MemoryMutex::new());
    /// let term = host.run_one_term(CancellationToken::new(), |_leader| async { 6 * 7 }).await?;
    /// let term = term.expect("nobody shut it down");
    /// assert_eq!(term.output, Some(42));
    /// assert_eq!(term.reason, EndReason::TaskEnded);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run_one_term<F, Fut, T>(
        &self,
        shutdown: CancellationToken,
        delegate: F,
    ) -> Result<Option<FinishedTerm<T>>>
    where
        F: FnOnce(Leadership) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let led: Led<T> = Arc::default();
        let keep = Arc::clone(&led);
        let mut delegate = Some(delegate);
        let once = move |leader: Leadership| {
            let (delegate, keep) = (delegate.take(), Arc::clone(&keep));
            async move {
                // The election starts one task only: it is told to stop after the first term.
                if let Some(delegate) = delegate {
                    lock(&keep).replace((leader.clone(), None));
                    let output = delegate(leader.clone()).await;
                    lock(&keep).replace((leader, Some(output)));
                }
                Ok(())
            }
        };
        self.run(shutdown, true, Spawner::new(current_runtime()?, once)).await?;
        let led = lock(&led).take();
        Ok(led.map(|(leader, output)| FinishedTerm {
            fencing_token: leader.fencing_token(),
            reason: leader.end_reason().unwrap_or(EndReason::TaskEnded),
            output,
        }))
    }

    async fn run(&self, shutdown: CancellationToken, single_term: bool, spawner: Spawner) -> Result<()> {
        let settings = self.options.settings(single_term)?;
        self.mutex.check_lease(settings.timing.lease())?;
        let here = current_runtime()?;
        let (runtime, requests, user_code) = match self.driven_on {
            DrivenOn::RenewalThread => {
                watchdog::start()?;
                (renewal_thread::handle()?, Requests::shared()?, UserCode::Apart(here))
            }
            DrivenOn::CallerRuntime => (here, Requests::Here, UserCode::Here),
        };

        let Some(slot) = self.take_slot(&shutdown).await? else { return Ok(()) };
        let abandoned = CancellationToken::new();
        *lock(&self.abandoned) = abandoned.clone();
        let identity = Identity { election: self.mutex.election().to_owned(), holder: settings.holder.clone() };
        let (done, outcome) = oneshot::channel();
        let driver = Driver::new(Run {
            settings,
            options: self.options.clone(),
            sources: self.sources.clone(),
            driven_on: self.driven_on,
            mutex: Arc::clone(&self.mutex),
            span: run_span(&identity),
            identity,
            status: Arc::clone(&self.status),
            events: Arc::clone(&self.events),
            vitals: Arc::clone(&self.vitals),
            shutdown,
            abandoned: abandoned.clone(),
            spawner,
            requests,
            user_code,
            slot: Some(slot),
            done: Some(done),
        });
        // Tells the driver when the future that waits for it here is dropped.
        let guard = abandoned.drop_guard();
        runtime.spawn(Running::new(driver).run());
        let outcome = outcome.await;
        guard.disarm();
        outcome.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Runtime, "the runtime that drives the election was shut down"))
        })
    }
}

impl LeaderHost {
    /// Waits for a dropped run to wind up; `None` when it is told to shut down meanwhile.
    async fn take_slot(&self, shutdown: &CancellationToken) -> Result<Option<OwnedSemaphorePermit>> {
        let refused = || {
            Error::new(
                ErrorKind::AlreadyRunning,
                "this host already runs, or the task of an earlier run still does: make one host per worker",
            )
        };
        if let Ok(slot) = Arc::clone(&self.slot).try_acquire_owned() {
            return Ok(Some(slot));
        }
        if !lock(&self.abandoned).is_cancelled() {
            return Err(refused());
        }
        // One run waits; more of them would find it running when they come to their turn.
        let _successor = self.successor.try_acquire().map_err(|_| refused())?;
        let waited = shutdown.run_until_cancelled(Arc::clone(&self.slot).acquire_owned()).await;
        waited.transpose().map_err(|_| refused())
    }
}

/// What came of a term; see [`LeaderHost::run_one_term`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedTerm<T> {
    /// The term's token.
    pub fencing_token: FencingToken,
    /// Why the term ended; [`EndReason::TaskEnded`] when the task returned by itself.
    pub reason: EndReason,
    /// What the task returned; `None` when it was aborted.
    pub output: Option<T>,
}

/// The one term of [`LeaderHost::run_one_term`], and what its task has returned.
type Led<T> = Arc<Mutex<Option<(Leadership, Option<T>)>>>;

fn current_runtime() -> Result<Handle> {
    Handle::try_current()
        .map_err(|error| Error::new(ErrorKind::Runtime, "a host has to run on a tokio runtime").with_source(error))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
