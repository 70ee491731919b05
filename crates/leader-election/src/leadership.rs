//! What the leader's task receives.

mod board;
mod shared;
mod work;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::claim::HolderId;
use crate::election::EndReason;
use crate::token::FencingToken;

pub use board::LeadershipWatch;
pub(crate) use board::TermBoard;
pub(crate) use shared::{Command, Shared};
pub(crate) use work::Work;

/// A term, as its task sees it. Clones refer to the same one.
///
/// The [`token`](Self::token) says when to stop. It cannot say it to a process that is paused, so call
/// [`ensure`](Self::ensure) right before each write, and hand the [`fencing_token`](Self::fencing_token) to whatever is
/// written to: between `ensure` and the write there is still an instant in which the process can be paused.
///
/// ```
/// use leader_election::{CancellationToken, LeaderHost, Leadership, MemoryMutex, TaskError};
/// use std::time::Duration;
///
/// async fn pump_the_queue(leader: Leadership) -> Result<(), TaskError> {
///     let mut tick = tokio::time::interval(Duration::from_millis(10));
///     while leader.token().run_until_cancelled(tick.tick()).await.is_some() {
///         leader.heartbeat();
///         leader.ensure()?;
///         println!("write with fencing token {}", leader.fencing_token());
///         leader.step_down();
///     }
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> leader_election::Result<()> {
/// LeaderHost::new(MemoryMutex::new()).run_one_term(CancellationToken::new(), pump_the_queue).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Leadership {
    shared: Arc<Shared>,
}

impl Leadership {
    /// The cancellation token of this term, linked to the host's shutdown token. It is cancelled when the
    /// term ends for any reason; the task then has until its deadline to return.
    ///
    /// It is a child of the host's own: if you cancel it, whoever waits for it in your task stops, and the term goes on.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        self.shared.lent_token()
    }

    /// The number by which the resource tells this leader from its successors and predecessors.
    #[must_use]
    pub fn fencing_token(&self) -> FencingToken {
        self.shared.fencing_token()
    }

    /// The name that this host leads under.
    #[must_use]
    pub fn holder(&self) -> &HolderId {
        self.shared.holder()
    }

    /// Checks that this host is still the leader at this instant, by its own clock: the lease was renewed recently
    /// enough, and nobody said otherwise. It sends nothing and only reads the clocks, so call it as often as you like.
    ///
    /// After a shutdown or [`step_down`](Self::step_down) it succeeds while the task drains, as the lease is still held:
    /// work that has begun may be finished. In a forked child it fails: the term stays with the parent.
    ///
    /// # Errors
    /// [`NotLeader`], with the reason.
    pub fn ensure(&self) -> Result<(), NotLeader> {
        if self.valid_for().is_zero() {
            return Err(NotLeader { fencing_token: self.fencing_token(), reason: self.end_reason() });
        }
        Ok(())
    }

    /// For how long from now this host may act as the leader if no further renewal succeeds; zero when it may not.
    #[must_use]
    pub fn valid_for(&self) -> Duration {
        self.shared.valid_for()
    }

    /// Why this term ended, or is ending; `None` while it goes on.
    #[must_use]
    pub fn end_reason(&self) -> Option<EndReason> {
        self.shared.end_reason()
    }

    /// Asks to leave: the token is cancelled shortly after, and the lease is released once the task has returned. The
    /// host then rests for [`pause`](crate::LeaderHostOptions::pause), so that another worker takes over.
    pub fn step_down(&self) {
        self.shared.step_down();
    }

    /// Shows that the task makes progress. See [`heartbeat_limit`](crate::LeaderHostOptions::heartbeat_limit); without
    /// that it has no effect.
    pub fn heartbeat(&self) {
        self.shared.beat();
    }

    /// Starts a task that belongs to this term, on the host's runtime and in the term's span.
    ///
    /// The lease is released only when it is gone, like the leader's task itself. It is aborted together with that; and when
    /// the leader's task returns before it, [`token`](Self::token) is cancelled and it has
    /// [`drain_limit`](crate::LeaderHostOptions::drain_limit) to end. What you start by `tokio::spawn` has none of this: it can
    /// write on beside the next leader.
    ///
    /// When the term is over, the task is not started: its handle says that it was cancelled.
    ///
    /// ```
    /// # use leader_election::{Leadership, TaskError};
    /// async fn lead(leader: Leadership) -> Result<(), TaskError> {
    ///     let drains: Vec<_> = (0..4).map(|queue| leader.spawn(drain(leader.clone(), queue))).collect();
    ///     for drain in drains {
    ///         drain.await?;
    ///     }
    ///     Ok(())
    /// }
    ///
    /// async fn drain(leader: Leadership, queue: u32) {
    ///     while !leader.token().is_cancelled() {
    ///         println!("queue {queue}, fencing token {}", leader.fencing_token());
    ///         tokio::task::yield_now().await;
    /// #       leader.step_down();
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> leader_election::Result<()> {
    /// #     let host = leader_election::LeaderHost::new(leader_election::MemoryMutex::new());
    /// #     host.run_one_term(leader_election::CancellationToken::new(), lead).await?;
    /// #     Ok(())
    /// # }
    /// ```
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.shared.work().spawn(task)
    }

    /// Runs what blocks its thread on the host's runtime's threads for that, as [`spawn`](Self::spawn) does a task.
    ///
    /// An abortion cannot end it once it has begun. So look at [`token`](Self::token) in it, and return soon after that is
    /// cancelled: a closure that runs on past the end of the lease is an
    /// [overrun](crate::LeaderHostOptions::abort_process_on_overrun).
    ///
    /// ```
    /// # use leader_election::{Leadership, TaskError};
    /// async fn lead(leader: Leadership) -> Result<(), TaskError> {
    ///     let inside = leader.clone();
    ///     let lines = leader.spawn_blocking(move || {
    ///         let mut lines = 0;
    ///         while lines < 100 && inside.ensure().is_ok() {
    ///             lines += 1; // something that blocks
    ///         }
    ///         lines
    ///     });
    ///     println!("{} lines", lines.await?);
    ///     Ok(())
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> leader_election::Result<()> {
    /// #     let host = leader_election::LeaderHost::new(leader_election::MemoryMutex::new());
    /// #     host.run_one_term(leader_election::CancellationToken::new(), lead).await?;
    /// #     Ok(())
    /// # }
    /// ```
    pub fn spawn_blocking<T>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T>
    where
        T: Send + 'static,
    {
        self.shared.work().spawn_blocking(work)
    }
}

impl Leadership {
    /// Starts the leader's task itself.
    pub(crate) fn start_main(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.shared.work().start_main(task);
    }

    /// The term's span, within which all runs that it starts.
    pub(crate) fn set_span(&self, span: tracing::Span) {
        self.shared.work().set_span(span);
    }
}

impl fmt::Debug for Leadership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leadership")
            .field("holder", self.holder())
            .field("fencing_token", &self.fencing_token())
            .field("valid_for", &self.valid_for())
            .field("end_reason", &self.end_reason())
            .finish()
    }
}

/// This host is not the leader any more: stop, and write nothing.
///
/// ```
/// use leader_election::{NotLeader, TaskError};
///
/// fn is_loss_of_leadership(error: &TaskError) -> bool {
///     error.is::<NotLeader>()
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotLeader {
    /// The fencing token of the term that ended.
    pub fencing_token: FencingToken,
    /// Why it ended; `None` when its time ran out before the host could say so, as after a pause of the process.
    pub reason: Option<EndReason>,
}

impl fmt::Display for NotLeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not the leader any more (fencing token {}): ", self.fencing_token)?;
        match self.reason {
            Some(reason) => reason.fmt(f),
            None => f.write_str("the lease ran out"),
        }
    }
}

impl std::error::Error for NotLeader {}
