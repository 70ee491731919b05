//! What a leadership's task, its host and the watchdog share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Leadership;
use super::board::TermBoard;
use super::work::Work;
use crate::claim::HolderId;
use crate::clock::ElapsedClock;
use crate::election::{Deadlines, EndReason, Moment};
use crate::token::FencingToken;
use crate::user_code::UserCode;

/// What the task asks of its host.
#[derive(Debug)]
pub(crate) enum Command {
    StepDown(FencingToken),
}

/// The host's end of a [`Leadership`].
#[derive(Debug)]
pub(crate) struct Shared {
    /// Cancelled by the host alone.
    token: CancellationToken,
    /// A child of it, which the task may cancel without telling the host so.
    lent: CancellationToken,
    fencing_token: FencingToken,
    holder: HolderId,
    clock: Arc<ElapsedClock>,
    /// The process that it belongs to, and no fork of it.
    process: u32,
    /// Nanoseconds since the clock's origin; zero once revoked, for good.
    valid_until: AtomicU64,
    /// Likewise; zero before the first.
    heartbeat: AtomicU64,
    reason: OnceLock<EndReason>,
    deadline: Mutex<Deadline>,
    work: Work,
    user_code: UserCode,
    commands: mpsc::UnboundedSender<Command>,
    /// Its host's; whoever keeps a leadership keeps no host.
    board: Weak<TermBoard>,
}

/// By when the term must be ended, as its driver said last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    /// `None` when there is nothing more to watch: no task runs, or its overrun was reported.
    pub(crate) steps: Option<Deadlines>,
    /// When the driver said so, by its own clock and by the machine's.
    said_at: (Moment, Instant),
    /// The watchdog has ended the term.
    revoked: bool,
}

impl Deadline {
    /// The instant `overrun_at` by the machine's clock.
    pub(crate) fn overrun_at(&self) -> Option<Instant> {
        let (moment, instant) = self.said_at;
        self.steps.map(|steps| instant + steps.overrun_at.since(moment))
    }
}

impl Shared {
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn new(
        token: CancellationToken,
        fencing_token: FencingToken,
        holder: HolderId,
        clock: Arc<ElapsedClock>,
        work: Work,
        user_code: UserCode,
        commands: mpsc::UnboundedSender<Command>,
        board: Weak<TermBoard>,
        now: Moment,
    ) -> Arc<Self> {
        Arc::new(Self {
            lent: token.child_token(),
            token,
            fencing_token,
            holder,
            clock,
            process: std::process::id(),
            valid_until: AtomicU64::new(0),
            heartbeat: AtomicU64::new(0),
            reason: OnceLock::new(),
            deadline: Mutex::new(Deadline { steps: None, said_at: (now, Instant::now()), revoked: false }),
            work,
            user_code,
            commands,
            board,
        })
    }

    pub(crate) fn leadership(self: &Arc<Self>) -> Leadership {
        Leadership { shared: Arc::clone(self) }
    }

    pub(crate) fn fencing_token(&self) -> FencingToken {
        self.fencing_token
    }

    pub(crate) fn holder(&self) -> &HolderId {
        &self.holder
    }

    pub(crate) fn lent_token(&self) -> &CancellationToken {
        &self.lent
    }

    pub(crate) fn work(&self) -> &Work {
        &self.work
    }

    pub(crate) fn clock(&self) -> &ElapsedClock {
        &self.clock
    }

    pub(crate) fn valid_for(&self) -> Duration {
        let valid_until = self.valid_until.load(Ordering::Acquire);
        // In a forked child nobody moves the end of validity on, nor takes it back. It is asked before the clock, whose lock
        // the fork may have caught.
        if valid_until == 0 || std::process::id() != self.process {
            return Duration::ZERO;
        }
        Moment::from_origin(Duration::from_nanos(valid_until)).since(self.clock.now())
    }

    pub(crate) fn end_reason(&self) -> Option<EndReason> {
        // The token hangs on the host's shutdown token, which may be a moment ahead of the host.
        self.reason().or_else(|| self.token.is_cancelled().then_some(EndReason::Shutdown))
    }

    pub(crate) fn step_down(&self) {
        // The receiver is gone only when the leadership is.
        let _ = self.commands.send(Command::StepDown(self.fencing_token));
    }

    pub(crate) fn beat(&self) {
        self.heartbeat.fetch_max(nanos(self.clock.now()), Ordering::Release);
    }

    /// Says until when the leadership is valid, and by when it must be ended. `false` when the watchdog has ended it.
    #[must_use]
    pub(crate) fn publish(&self, now: Moment, valid_until: Option<Moment>, steps: Option<Deadlines>) -> bool {
        let mut deadline = self.deadline_lock();
        (deadline.steps, deadline.said_at) = (steps, (now, Instant::now()));
        // Invariant 17: what the election says now, unless the watchdog was first.
        if !deadline.revoked {
            self.valid_until.store(valid_until.map_or(0, nanos), Ordering::Release);
        }
        !deadline.revoked || valid_until.is_none()
    }

    /// Takes the validity back if a deadline has passed by more than `slack`; `false` if not, or if it was taken back before.
    pub(crate) fn revoke_if_late(&self, now: Moment, slack: Duration) -> bool {
        let mut deadline = self.deadline_lock();
        let Some(steps) = deadline.steps.filter(|_| !deadline.revoked) else { return false };
        // Invariant 4: the term ends in time, also where the driver is late.
        let late = now >= steps.cancel_at.unwrap_or(steps.abort_at) + slack;
        if late {
            deadline.revoked = true;
            self.valid_until.store(0, Ordering::Release);
        }
        late
    }

    /// Takes the validity back for good.
    pub(crate) fn revoke(&self) {
        let mut deadline = self.deadline_lock();
        deadline.revoked = true;
        self.valid_until.store(0, Ordering::Release);
    }

    pub(crate) fn deadline(&self) -> Deadline {
        *self.deadline_lock()
    }

    /// Cancels the token. The reason is there before anybody is woken.
    pub(crate) fn cancel(&self, reason: EndReason) {
        let _ = self.reason.set(reason);
        let token = self.token.clone();
        self.user_code.cancel(move || token.cancel());
        self.tell_watchers();
    }

    /// Has those look anew who watch in which term their host leads. Apart from the token's wakers, as one of these may block.
    pub(crate) fn tell_watchers(&self) {
        if let Some(board) = self.board.upgrade().filter(|board| board.is_watched()) {
            self.user_code.cancel(move || board.wake());
        }
    }

    pub(crate) fn reason(&self) -> Option<EndReason> {
        self.reason.get().copied()
    }

    pub(crate) fn last_heartbeat(&self) -> Option<Moment> {
        let at = self.heartbeat.load(Ordering::Acquire);
        (at > 0).then(|| Moment::from_origin(Duration::from_nanos(at)))
    }

    fn deadline_lock(&self) -> MutexGuard<'_, Deadline> {
        // Held for some reads and writes of memory.
        self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nanos(moment: Moment) -> u64 {
    u64::try_from(moment.since_origin().as_nanos()).unwrap_or(u64::MAX)
}
