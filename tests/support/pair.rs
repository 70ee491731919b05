//! Two worker processes, and how the one takes over from the other.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::worker::{Worker, now};

/// How long a test waits for what must come: generous, as the machine may be busy. What is asserted is the order.
pub const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Pair {
    pub leader: Worker,
    pub standby: Worker,
    /// The leader's.
    pub token: u64,
}

impl Pair {
    /// Starts the one, and when it leads the other.
    pub fn start(worker: impl Fn(&str) -> Worker) -> Self {
        let leader = worker("first");
        let (_, started) = leader.wait_for(0, "task started", PATIENCE);
        let standby = worker("second");
        standby.wait_for(0, "standby, first", PATIENCE);
        Self { leader, standby, token: started.token() }
    }

    /// Kills the leader; returns how long it takes until the other one leads.
    pub fn kill_the_leader(self) -> Duration {
        let killed_at = now();
        self.leader.signal(Signal::SIGKILL);
        let (_, started) = self.standby.wait_for(0, "task started", PATIENCE);
        assert!(started.token() > self.token, "tokens rise");
        Duration::from_millis(started.at - killed_at)
    }

    /// Likewise, by a hand-over.
    pub fn tell_the_leader_to_end(self) -> Duration {
        let told_at = now();
        self.leader.signal(Signal::SIGTERM);
        let (_, started) = self.standby.wait_for(0, "task started", PATIENCE);
        let (_, cancelled) = self.leader.wait_for(0, "task cancelled", PATIENCE);
        assert!(cancelled.at <= started.at, "the old task is gone before the new one starts");
        assert!(self.leader.ended().success(), "it ends well");
        Duration::from_millis(started.at - told_at)
    }
}
