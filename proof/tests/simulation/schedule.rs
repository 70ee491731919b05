//! One schedule, from its seed to its verdict.

use std::sync::Arc;
use std::time::Duration;

use super::log::Log;
use super::mischief::Crowd;
use super::plan::Plan;
use super::world::World;
use testkit::random::Random;

/// Runs the schedule of this seed in a runtime, and a time, of its own.
pub fn run(seed: u64, recording: bool, printing: bool) -> Log {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O");
    runtime.block_on(async {
        let mut random = Random::new(seed);
        let plan = Plan::new(&mut random);
        let world = World::new(plan, &mut random, Random::new(seed ^ 0x5eed), recording, printing);
        world.note("plan", format_args!("{:?}", world.plan));
        let mut crowd = Crowd::new(Arc::clone(&world), random);
        for _ in 0..world.plan.hosts {
            crowd.join();
        }
        crowd.mischief().await;
        crowd.calm().await;
        drop(crowd);
        world.take_log()
    })
}

/// How much longer something may take than it should: slow clocks, round trips, late timers.
fn slack(bound: Duration) -> Duration {
    bound.mul_f64(1.03) + Duration::from_millis(700)
}

impl Crowd {
    /// Everything answers: somebody has to lead, and when that one is gone the next, and at last everything ends.
    async fn calm(&mut self) {
        self.world.calm_down();
        self.world.note("world", format_args!("calms down"));
        let settings: Vec<_> =
            self.world.state().monitor.processes.iter().map(|process| process.settings.clone()).collect();
        // One who has just come rests from nothing.
        let fresh = self.join();
        let lease = self.longest_lease();
        let poll = self.longest_poll();
        let drain = settings.iter().map(|settings| settings.drain_limit).max().unwrap_or_default();
        let leads = self.another_leads(None, slack(drain + lease + self.orphaned_lease() + poll)).await;
        if !leads {
            self.world.violation("world", format_args!("nobody leads although everybody could (invariant 13)"));
            return;
        }
        self.others_leave(fresh);
        self.leader_is_killed().await;
        self.leader_is_shut_down().await;
        self.all_end().await;
    }

    /// Two are enough for what follows.
    fn others_leave(&mut self, fresh: usize) {
        let leader = self.leader();
        for (place, other) in self.places.iter().enumerate() {
            if place != fresh && Some(other.process.index) != leader {
                other.process.shut_down();
            }
        }
    }

    /// The longest lease that anybody counts with.
    fn longest_lease(&self) -> Duration {
        let state = self.world.state();
        state.monitor.processes.iter().map(|process| process.settings.timing.lease()).max().unwrap_or_default()
    }

    fn longest_poll(&self) -> Duration {
        let state = self.world.state();
        state.monitor.processes.iter().map(|process| process.settings.timing.poll_every()).max().unwrap_or_default()
    }

    /// A process that stood still when it asked for the lease asks under a new claim when it goes on: what it may then be granted
    /// under the old one has to run out.
    fn orphaned_lease(&self) -> Duration {
        let asleep = self.places.iter().any(|place| place.process.clock.is_frozen());
        if asleep { self.longest_lease() } else { Duration::ZERO }
    }

    async fn leader_is_killed(&mut self) {
        self.join();
        // It has looked at least once by then, and who led has learnt what happened to it before.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let drain = Duration::from_secs(10);
        if !self
            .another_leads(None, slack(drain + self.longest_lease() + self.orphaned_lease() + self.longest_poll()))
            .await
        {
            self.world.violation("world", format_args!("nobody leads again although everybody could (invariant 13)"));
            return;
        }
        let Some(leader) = self.leading_place() else { return };
        self.places[leader].process.kill();
        self.world.note("world", format_args!("its leader is dead"));
        let lease = self.longest_lease() + self.orphaned_lease();
        if !self.another_leads(None, slack(lease + self.longest_poll())).await {
            self.world.violation("world", format_args!("nobody leads a lease and a poll after a crash (invariant 13)"));
        }
    }

    async fn leader_is_shut_down(&mut self) {
        self.join();
        let patience = self.longest_lease() + self.orphaned_lease() + self.longest_poll();
        let learns = self.world.state().monitor.leader_is_tainted();
        let begun = self.world.now();
        tokio::time::sleep(patience.min(Duration::from_secs(12))).await;
        // One that leads from before the calm, beside one whose lease was broken, may have a task that steps down.
        let left = self.world.state().monitor.somebody_stepped_down_since(begun);
        if self.leader().is_none() && !learns && !left {
            self.world.violation("world", format_args!("the lead was lost in the calm (invariant 13)"));
        }
        if !self.another_leads(None, slack(Duration::from_secs(10) + patience)).await {
            self.world.violation("world", format_args!("nobody leads once more (invariant 13)"));
            return;
        }
        let Some(leader) = self.leading_place() else { return };
        // Whoever began to lead in the calm goes on, unless it has yet to learn what happened before.
        self.places[leader].process.shut_down();
        let drain = Duration::from_secs(10);
        let before = Some(self.places[leader].process.index);
        // Who has yet to learn that its lease was taken away has nothing to release.
        let learns = self.world.state().monitor.leader_is_tainted();
        let lease = if learns { self.longest_lease() } else { Duration::ZERO };
        let lease = lease + self.orphaned_lease();
        if !self.another_leads(before, slack(lease + self.longest_poll() + drain)).await {
            self.world.violation("world", format_args!("nobody leads a poll after a release (invariant 13)"));
        }
    }

    async fn all_end(&mut self) {
        let mut bound = Duration::ZERO;
        for place in &mut self.places {
            if place.process.can_run_again() && !place.process.is_over() {
                continue;
            }
            place.process.shut_down();
            let state = self.world.state();
            bound = bound.max(state.monitor.limits(place.process.index).stop_bound());
        }
        // Also those that stand still have to end.
        tokio::time::sleep(bound + Duration::from_secs(100)).await;
        for place in &self.places {
            place.process.shut_down();
        }
        tokio::time::sleep(bound + Duration::from_secs(1)).await;
        let now = self.world.now();
        self.world.state().monitor.look(now);
        for place in &self.places {
            if !place.process.is_over() {
                self.world.violation(&place.process.name, format_args!("it does not end (invariant 15)"));
            }
        }
        let alive = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        if alive > 0 {
            self.world.violation("world", format_args!("{alive} tasks outlive all runs (invariant 15)"));
        }
    }

    fn leader(&self) -> Option<usize> {
        self.world.state().monitor.leader()
    }

    fn leading_place(&self) -> Option<usize> {
        let leader = self.leader();
        self.places.iter().position(|place| Some(place.process.index) == leader)
    }

    async fn another_leads(&self, before: Option<usize>, within: Duration) -> bool {
        let wait = async {
            loop {
                let turn = self.world.turns.notified();
                if self.leader().is_some_and(|leader| before != Some(leader)) {
                    return;
                }
                // A task that ends makes no turn, and may leave the lead to one that had it as well, by a broken lease.
                let _ = tokio::time::timeout(Duration::from_millis(100), turn).await;
            }
        };
        tokio::time::timeout(within, wait).await.is_ok()
    }
}
