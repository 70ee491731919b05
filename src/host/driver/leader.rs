//! The host's end of a term: its task, and what the watchdog is told of it.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::Driver;
use crate::election::{Moment, TaskExit};
use crate::fencing::FencingToken;
use crate::host::lock;
use crate::host::task::{Ending, TaskEnd};
use crate::host::test_knobs::DrivenOn;
use crate::leadership::{Shared, Work};
use crate::watchdog::{self, Watched};

pub(super) struct Leader {
    pub(super) shared: Arc<Shared>,
    ending: Ending,
    pub(super) heartbeat: Option<Moment>,
    pub(super) aborted: bool,
    /// How the task itself ended; what it has started may still run.
    pub(super) exit: Option<TaskExit>,
}

/// What is heard of a leader.
pub(super) enum LeaderInput {
    /// The task itself is gone.
    Returned(TaskEnd),
    /// And so is all that it has started.
    Gone,
}

/// Waits for it. May be dropped and called again.
pub(super) async fn input(leader: &mut Option<Leader>) -> LeaderInput {
    match leader {
        Some(leader) if leader.exit.is_none() => {
            leader.shared.work().returned().await;
            LeaderInput::Returned(lock(&leader.ending).take().unwrap_or_else(TaskEnd::aborted))
        }
        Some(leader) => {
            leader.shared.work().gone().await;
            LeaderInput::Gone
        }
        None => std::future::pending().await,
    }
}

impl Leader {
    /// Starts the task of a term that the driver's election has begun.
    pub(super) fn start(driver: &mut Driver, now: Moment, fencing_token: FencingToken) -> Self {
        let runtime: Handle = driver.run.spawner.runtime().clone();
        let shared = Shared::new(
            driver.run.shutdown.child_token(),
            fencing_token,
            driver.run.settings.holder.clone(),
            Arc::clone(&driver.clock),
            Work::new(runtime),
            driver.run.user_code.clone(),
            driver.wish.clone(),
            now,
        );
        // It cannot be revoked yet: the watchdog does not know it.
        let _ = shared.publish(now, driver.election.valid_until(), driver.election.deadlines());
        if driver.run.driven_on == DrivenOn::RenewalThread {
            watchdog::watch(Watched {
                term: Arc::clone(&shared),
                vitals: Arc::downgrade(&driver.run.vitals),
                slack: driver.run.settings.timing.skew() / 10,
                abort_process: driver.run.options.abort_process_on_overrun,
                last_words: Arc::clone(&driver.last_words),
                lane: driver.announcer.lane().clone(),
                aborted_at: None,
            });
        }
        let ending = driver.run.spawner.start(shared.leadership(), driver.run.identity.clone());
        Self { shared, ending, heartbeat: None, aborted: false, exit: None }
    }

    /// Nothing runs under it any more, so it is neither valid nor watched.
    pub(super) fn unpublish(&self, now: Moment) {
        let _ = self.shared.publish(now, None, None);
    }
}
