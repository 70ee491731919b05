//! What tests and simulators change about a host, and production does not: where its time and randomness come from, and on which
//! threads its election is driven.

use super::LeaderHost;
use crate::clock::TokioClock;
use crate::sources::Sources;

/// Where a host's election is driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DrivenOn {
    /// On a thread of its own, one per process, so that a leader that blocks its runtime can neither starve the renewals nor delay
    /// its own cancellation. Requests and code of the user's run on further threads, and a watchdog ends terms when this one is
    /// late.
    RenewalThread,
    /// On the runtime that runs the host.
    CallerRuntime,
}

/// For tests. Production leaves all three as they are.
impl LeaderHost {
    /// Lets tokio's time drive all of this host, for tests that pause it: [`on_caller_runtime`](Self::on_caller_runtime) together
    /// with a [`TokioClock`] that starts now. Call it inside the test's runtime. With the defaults the election runs on threads of
    /// its own, in real time, and paused time runs away from it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use azure_leader_election::{CancellationToken, LeaderHost, MemoryMutex};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> azure_leader_election::Result<()> {
    /// // In a test: #[tokio::test(start_paused = true)]
    /// let host = LeaderHost::new(MemoryMutex::new()).in_tokio_time();
    /// let term = host.run_one_term(CancellationToken::new(), |leader| async move {
    ///     tokio::time::sleep(Duration::from_secs(3600)).await; // takes no time
    ///     leader.ensure().is_ok()
    /// });
    /// assert_eq!(term.await?.expect("nobody shut it down").output, Some(true));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn in_tokio_time(mut self) -> Self {
        self.sources = self.sources.with_clock(TokioClock::new());
        self.on_caller_runtime()
    }

    /// Takes the clock and the randomness from these sources. Default: the system's.
    ///
    /// A clock of yours runs on the thread that renews all leases of the process: one that blocks stops them. A clock that a test
    /// pauses needs [`on_caller_runtime`](Self::on_caller_runtime) as well; [`in_tokio_time`](Self::in_tokio_time) sets both.
    ///
    /// ```
    /// use azure_leader_election::{LeaderHost, MemoryMutex, Sources};
    ///
    /// // Its claim ids and its jitter are the same in each run.
    /// let host = LeaderHost::new(MemoryMutex::new()).on_caller_runtime().with_sources(Sources::seeded(17));
    /// ```
    #[must_use]
    pub fn with_sources(mut self, sources: Sources) -> Self {
        self.sources = sources;
        self
    }

    /// Drives the election on the runtime that runs this host, as all of a simulated process has to be. The default is a thread of
    /// its own, which a leader that blocks its runtime cannot hold up.
    ///
    /// In production a blocked runtime would stop the renewals, and there is no watchdog.
    ///
    /// ```
    /// use azure_leader_election::{LeaderHost, MemoryMutex};
    ///
    /// let host = LeaderHost::new(MemoryMutex::new()).on_caller_runtime();
    /// ```
    #[must_use]
    pub fn on_caller_runtime(mut self) -> Self {
        self.driven_on = DrivenOn::CallerRuntime;
        self
    }
}
