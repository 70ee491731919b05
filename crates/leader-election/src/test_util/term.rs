//! A term that a test begins and ends.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::claim::HolderId;
use crate::clock::{ElapsedClock, TokioClock};
use crate::election::EndReason;
use crate::leadership::{Command, Leadership, Shared, Work};
use crate::token::FencingToken;
use crate::user_code::UserCode;

/// A term of leadership that your test begins and ends, without a host and a store.
///
/// It lives in tokio's time, which a test can pause. Its lease is 15 s and is renewed for as long as the test does nothing: it
/// stays valid until you end it.
///
/// | The test calls | Your code sees |
/// |---|---|
/// | [`end`](Self::end) | the token cancelled, `ensure()` refused, the reason: a lost lease, a shutdown |
/// | [`run_out`](Self::run_out) | `ensure()` refused from one moment to the next, and no cancellation yet: what a process sees that was paused |
/// | [`cancel`](Self::cancel) | the token cancelled, while `ensure()` still passes for some seconds: the time to finish |
///
/// ```
/// use leader_election::test_util::TestTerm;
/// use leader_election::{EndReason, FencingToken, Leadership};
///
/// // Your code.
/// async fn pump(leader: Leadership) -> u32 {
///     let mut pumped = 0;
///     while leader.token().run_until_cancelled(tokio::time::sleep(std::time::Duration::from_secs(1))).await.is_some() {
///         pumped += 1;
///     }
///     pumped
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let term = TestTerm::begin(FencingToken::new(41)?);
/// let pump = tokio::spawn(pump(term.leadership()));
/// tokio::time::sleep(std::time::Duration::from_millis(3_500)).await;
/// term.end(EndReason::LeaseLost);
/// assert_eq!(pump.await?, 3);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TestTerm {
    shared: Arc<Shared>,
    clock: Arc<ElapsedClock>,
    commands: Mutex<mpsc::UnboundedReceiver<Command>>,
}

/// How long `ensure()` still passes after a cancellation in time: what a lease of 15 s leaves.
const GRACE: Duration = Duration::from_secs(3);

/// The step of the wall clock that a host with a lease of 15 s takes for a jump is no matter here: tokio's time makes none.
const STEP: Duration = Duration::from_secs(1);

/// Longer than any test runs.
const FOR_GOOD: Duration = Duration::from_secs(365 * 24 * 3_600);

impl TestTerm {
    /// Begins a term with this fencing token, held by `test-leader`.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn begin(fencing_token: FencingToken) -> Self {
        let holder = HolderId::new("test-leader").unwrap_or_else(|_| HolderId::generate());
        Self::begin_as(holder, fencing_token)
    }

    /// As [`begin`](Self::begin), with a holder of your choice.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn begin_as(holder: HolderId, fencing_token: FencingToken) -> Self {
        let clock = Arc::new(ElapsedClock::new(Arc::new(TokioClock::new()), STEP));
        let now = clock.now();
        let (sender, commands) = mpsc::unbounded_channel();
        let shared = Shared::new(
            CancellationToken::new(),
            fencing_token,
            holder,
            Arc::clone(&clock),
            Work::new(Handle::current()),
            UserCode::Here,
            sender,
            Weak::new(),
            now,
        );
        let _ = shared.publish(now, Some(now + FOR_GOOD), None);
        Self { shared, clock, commands: Mutex::new(commands) }
    }

    /// What the leader's task receives. All of them are of this term.
    #[must_use]
    pub fn leadership(&self) -> Leadership {
        self.shared.leadership()
    }

    /// Ends the term at once, for this reason: `ensure()` is refused, and the token is cancelled.
    pub fn end(&self, reason: EndReason) {
        self.shared.revoke();
        self.shared.cancel(reason);
    }

    /// Ends the term in time, as a leader does that could not renew: the token is cancelled, and `ensure()` passes for 3 s more.
    pub fn cancel(&self, reason: EndReason) {
        let now = self.clock.now();
        let _ = self.shared.publish(now, Some(now + GRACE), None);
        self.shared.cancel(reason);
    }

    /// Lets the lease run out without a cancellation: `ensure()` is refused, and the token is not cancelled yet. A process that was
    /// paused wakes up so, and another worker may lead.
    pub fn run_out(&self) {
        self.shared.revoke();
    }

    /// Whether your code has asked to step down since this was last called.
    #[must_use]
    pub fn was_asked_to_step_down(&self) -> bool {
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(commands.try_recv(), Ok(Command::StepDown(_)))
    }

    /// How long ago your code called [`heartbeat`](Leadership::heartbeat); `None`: never.
    #[must_use]
    pub fn last_heartbeat(&self) -> Option<Duration> {
        self.shared.last_heartbeat().map(|at| self.clock.now().since(at))
    }

    /// Waits until all that your code has started by [`Leadership::spawn`] and
    /// [`spawn_blocking`](Leadership::spawn_blocking) is gone, for `limit` at the most, and tells whether it is. A host aborts what
    /// is left then.
    pub async fn is_idle_within(&self, limit: Duration) -> bool {
        let end = tokio::time::Instant::now() + limit;
        while !self.shared.work().is_idle() {
            if tokio::time::Instant::now() >= end {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        true
    }
}

/// The term ends with it, as with a host that is dropped.
impl Drop for TestTerm {
    fn drop(&mut self) {
        self.end(EndReason::Shutdown);
        self.shared.work().abort();
    }
}
