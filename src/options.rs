//! The settings of a host.

use std::time::Duration;

use crate::claim::HolderId;
use crate::election::{AfterTask, Settings};
use crate::error::{Error, Result};
use crate::timing::Timing;

/// The settings of a [`LeaderHost`](crate::LeaderHost). All have sane defaults; each field's documentation names its
/// own.
///
/// ```
/// use azure_leader_election::{HolderId, LeaderHost, LeaderHostOptions, MemoryMutex, Timing};
/// use std::time::Duration;
///
/// let host = LeaderHost::new(MemoryMutex::new()).with_options(LeaderHostOptions {
///     holder: HolderId::new("replica-1")?,
///     timing: Timing::for_lease(Duration::from_secs(30))?,
///     heartbeat_limit: Some(Duration::from_secs(120)),
///     ..LeaderHostOptions::default()
/// });
/// # Ok::<(), azure_leader_election::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LeaderHostOptions {
    /// The name to lead under. Default: made of the machine's name, the process id and a random part. Set it to the pod's or replica's name.
    pub holder: HolderId,
    /// All durations that safety depends on. Default: those of a 15 s lease.
    pub timing: Timing,
    /// How long the task may go on after its cancellation when it leaves of its own accord: on shutdown and after
    /// [`step_down`](crate::Leadership::step_down). The lease is renewed meanwhile; then the task is aborted. Default
    /// 10 s. Keep it, plus three attempt timeouts for the release, below the platform's termination grace period (30 s by
    /// default in Azure Container Apps and Kubernetes).
    pub drain_limit: Duration,
    /// The pause between the end of an own term and the next candidacy, so that others come first: two
    /// [`poll_every`](crate::TimingOptions::poll_every) at the least, as the others learn of the end by a poll. It doubles with
    /// each term in a row that was shorter than a lease and ended by the task itself, up to four leases. After
    /// [`step_down`](crate::Leadership::step_down) it ends early when the store reports that another worker has led meanwhile.
    /// Default 2 s.
    pub pause: Duration,
    /// How long the runtime that runs the task may be unresponsive (every worker thread blocked) before the leader steps
    /// down. Default 30 s; `None` turns it off.
    pub stall_limit: Option<Duration>,
    /// How long the task may go without calling [`heartbeat`](crate::Leadership::heartbeat) before the leader steps
    /// down. Default `None`: no heartbeat is asked for. Set it to some times the longest step of the task's work.
    pub heartbeat_limit: Option<Duration>,
    /// What follows when the task returns `Ok`. Default: contend again.
    pub after_success: AfterTask,
    /// What follows when the task returns an error or panics. Default: contend again.
    pub after_failure: AfterTask,
    /// Whether the process is ended by [`std::process::abort`] when the task, or what it has started by
    /// [`Leadership::spawn`](crate::Leadership::spawn), still runs when its lease ends. It was aborted by then, so it blocks its
    /// thread, and nothing else can stop it from writing while another worker leads. Default `true`: the process ends after the
    /// end of validity and before the lease can be granted again, so within a lease of the last renewal. (Where the abortion itself
    /// came late, as the process stood still or the lease was lost, the task has 250 ms to be gone.) Its exit status is that of
    /// `SIGABRT`; no destructor runs, and the log says `process_ends`. With `false` the overrun is
    /// reported, and the lease is left to run out: only fencing at the resource keeps the task from writing then.
    pub abort_process_on_overrun: bool,
    /// Whether to go on contending when the store refuses the very first attempts in a way that a human must mend: a
    /// missing role, a missing container. Default `false`: the run ends with that error at once. A refusal after the
    /// store has once answered never ends the run; it is reported and tried again.
    pub keep_trying_when_refused: bool,
}

impl Default for LeaderHostOptions {
    fn default() -> Self {
        Self {
            holder: HolderId::generate(),
            timing: Timing::default(),
            drain_limit: Duration::from_secs(10),
            pause: Duration::from_secs(2),
            stall_limit: Some(Duration::from_secs(30)),
            heartbeat_limit: None,
            after_success: AfterTask::ContendAgain,
            after_failure: AfterTask::ContendAgain,
            abort_process_on_overrun: true,
            keep_trying_when_refused: false,
        }
    }
}

impl LeaderHostOptions {
    pub(crate) fn settings(&self, single_term: bool) -> Result<Settings> {
        let longest = Duration::from_secs(24 * 3600);
        let limits = [
            ("drain_limit", Some(self.drain_limit)),
            ("pause", Some(self.pause)),
            ("stall_limit", self.stall_limit),
            ("heartbeat_limit", self.heartbeat_limit),
        ];
        for (name, limit) in limits {
            if limit.is_some_and(|limit| limit > longest) {
                return Err(Error::setting(format!("{name} must not exceed 24 hours")));
            }
        }
        for (name, limit) in &limits[2..] {
            if limit.is_some_and(|limit| limit < Duration::from_millis(100)) {
                return Err(Error::setting(format!("{name} must be at least 100ms, or None")));
            }
        }
        if self.pause < Duration::from_millis(10) {
            return Err(Error::setting("pause must be at least 10ms, or a task that ends at once makes a hot loop"));
        }
        Ok(Settings {
            timing: self.timing.clone(),
            holder: self.holder.clone(),
            drain_limit: self.drain_limit,
            pause: self.pause.max(self.timing.poll_every() * 2),
            stall_limit: self.stall_limit,
            heartbeat_limit: self.heartbeat_limit,
            after_success: self.after_success,
            after_failure: self.after_failure,
            single_term,
            stop_if_refused_at_start: !self.keep_trying_when_refused,
        })
    }
}
