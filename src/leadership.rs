//! What the leader's task receives.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::claim::HolderId;
use crate::clock::ElapsedClock;
use crate::election::{EndReason, Moment};
use crate::fencing::FencingToken;

/// A leadership, as its task sees it. Clones refer to the same one.
///
/// The [`token`](Self::token) says when to stop. It cannot say it to a process that is paused, so call
/// [`ensure`](Self::ensure) right before each write, and hand the [`fencing_token`](Self::fencing_token) to whatever is
/// written to: between `ensure` and the write there is still an instant in which the process can be paused.
///
/// ```
/// use azure_leader_election::{CancellationToken, LeaderHost, Leadership, MemoryMutex, TaskError};
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
/// # async fn main() -> azure_leader_election::Result<()> {
/// LeaderHost::new(MemoryMutex::new()).run_one_term(CancellationToken::new(), pump_the_queue).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Leadership {
    shared: Arc<Shared>,
}

impl Leadership {
    /// The cancellation token of this leadership, linked to the host's shutdown token. It is cancelled when the
    /// leadership ends for any reason; the task then has until its deadline to return.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        &self.shared.token
    }

    /// The number by which the resource tells this leader from its successors and predecessors.
    #[must_use]
    pub fn fencing_token(&self) -> FencingToken {
        self.shared.fencing_token
    }

    /// The name that this host leads under.
    #[must_use]
    pub fn holder(&self) -> &HolderId {
        &self.shared.holder
    }

    /// Checks that this host is still the leader at this instant, by its own clock: the lease was renewed recently
    /// enough, and nobody said otherwise. It sends nothing and only reads the clocks, so call it as often as you like.
    ///
    /// After a shutdown or [`step_down`](Self::step_down) it succeeds while the task drains, as the lease is still held:
    /// work that has begun may be finished.
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
        let valid_until = Moment::from_origin(Duration::from_nanos(self.shared.valid_until.load(Ordering::Acquire)));
        valid_until.since(self.shared.clock.now())
    }

    /// Why this leadership ended, or is ending; `None` while it goes on.
    #[must_use]
    pub fn end_reason(&self) -> Option<EndReason> {
        // The token hangs on the host's shutdown token, which may be a moment ahead of the host.
        self.shared.reason().or_else(|| self.token().is_cancelled().then_some(EndReason::Shutdown))
    }

    /// Asks to leave: the token is cancelled shortly after, and the lease is released once the task has returned. The
    /// host then rests for [`pause`](crate::LeaderHostOptions::pause), so that another worker takes over.
    pub fn step_down(&self) {
        // The receiver is gone only when the leadership is.
        let _ = self.shared.wishes.send(Wish::StepDown(self.shared.fencing_token));
    }

    /// Shows that the task makes progress. See [`heartbeat_limit`](crate::LeaderHostOptions::heartbeat_limit); without
    /// that it has no effect.
    pub fn heartbeat(&self) {
        self.shared.heartbeat.fetch_max(nanos(self.shared.clock.now()), Ordering::Release);
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
/// use azure_leader_election::{NotLeader, TaskError};
///
/// fn is_loss_of_leadership(error: &TaskError) -> bool {
///     error.is::<NotLeader>()
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotLeader {
    /// The token of the leadership that ended.
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

/// What the task asks of its host.
#[derive(Debug)]
pub(crate) enum Wish {
    StepDown(FencingToken),
}

/// The host's end of a [`Leadership`].
#[derive(Debug)]
pub(crate) struct Shared {
    token: CancellationToken,
    fencing_token: FencingToken,
    holder: HolderId,
    clock: Arc<ElapsedClock>,
    /// Nanoseconds since the clock's origin; zero once revoked.
    valid_until: AtomicU64,
    /// Likewise; zero before the first.
    heartbeat: AtomicU64,
    reason: OnceLock<EndReason>,
    wishes: mpsc::UnboundedSender<Wish>,
}

impl Shared {
    pub(crate) fn new(
        token: CancellationToken,
        fencing_token: FencingToken,
        holder: HolderId,
        clock: Arc<ElapsedClock>,
        wishes: mpsc::UnboundedSender<Wish>,
    ) -> Arc<Self> {
        Arc::new(Self {
            token,
            fencing_token,
            holder,
            clock,
            valid_until: AtomicU64::new(0),
            heartbeat: AtomicU64::new(0),
            reason: OnceLock::new(),
            wishes,
        })
    }

    pub(crate) fn leadership(self: &Arc<Self>) -> Leadership {
        Leadership { shared: Arc::clone(self) }
    }

    pub(crate) fn publish(&self, valid_until: Option<Moment>) {
        self.valid_until.store(valid_until.map_or(0, nanos), Ordering::Release);
    }

    pub(crate) fn cancel(&self, reason: EndReason) {
        let _ = self.reason.set(reason);
        self.token.cancel();
    }

    pub(crate) fn reason(&self) -> Option<EndReason> {
        self.reason.get().copied()
    }

    pub(crate) fn last_heartbeat(&self) -> Option<Moment> {
        let at = self.heartbeat.load(Ordering::Acquire);
        (at > 0).then(|| Moment::from_origin(Duration::from_nanos(at)))
    }
}

fn nanos(moment: Moment) -> u64 {
    u64::try_from(moment.since_origin().as_nanos()).unwrap_or(u64::MAX)
}
