//! A process: a host, its machine's clock, and what may befall them.

use std::sync::Arc;
use std::time::Duration;

use leader_election::{CancellationToken, HolderId, LeaderHost, LeaderHostOptions, Sources, Status};
use testkit::What;
use tokio::task::JoinHandle;

use super::clock::HostClock;
use super::monitor;
use super::port::SimulatedMutex;
use super::tasks::delegate;
use super::world::World;
use testkit::random::Random;

/// Clocks may run at rates 5 % apart.
const PER_MILLE: std::ops::Range<u64> = 976..1_025;

pub struct Process {
    pub index: usize,
    pub name: String,
    pub clock: Arc<HostClock>,
    world: Arc<World>,
    host: Option<Arc<LeaderHost>>,
    run: Option<Run>,
    /// When its wall clock was last set back.
    set_back_at: Duration,
}

struct Run {
    shutdown: CancellationToken,
    handle: JoinHandle<()>,
}

impl Process {
    /// A new process with this name, which begins to run.
    pub fn start(world: &Arc<World>, random: &mut Random, name: String) -> Self {
        // Some are not interfered with, and so can be held to their times more strictly.
        let steady = random.chance(35);
        let look_every = (!steady).then(|| Duration::from_millis(random.pick(&[200, 500, 500])));
        let rate = if steady { 1_000 } else { random.within(PER_MILLE.start, PER_MILLE.end) };
        let local = random.millis(1_000_000, 2_000_000);
        let clock = Arc::new(HostClock::new(world.origin, look_every, local, rate as u32));
        let settings = world.plan.settings(random);
        let mut state = world.state();
        let index = state.monitor.processes.len();
        let options = LeaderHostOptions {
            holder: HolderId::new(&name).expect("a valid name"),
            timing: settings.timing.clone(),
            drain_limit: settings.drain_limit,
            pause: settings.pause,
            stall_limit: settings.stall_limit,
            heartbeat_limit: settings.heartbeat_limit,
            after_success: settings.after_success,
            after_failure: settings.after_failure,
            keep_trying_when_refused: settings.keep_trying,
            abort_process_on_overrun: false,
            ..LeaderHostOptions::default()
        };
        let sources = Sources::seeded(state.seeds.next()).with_clock(Arc::clone(&clock));
        let mutex = SimulatedMutex::new(world, index, &clock, sources.clone());
        let host = LeaderHost::new(mutex).with_options(options).with_sources(sources).on_caller_runtime();
        let events = host.events();
        let (now, settings_known) = (world.now(), settings.clone());
        state.monitor.processes.push(monitor::Process {
            name: format!("{index}:{name}"),
            clock: Arc::clone(&clock),
            settings: settings_known,
            events,
        });
        state.monitor.saw(now, index, What::Clock { shows: clock.shown(), per_mille: rate as u32 });
        state.monitor.note(now, index, format_args!("starts, its clock at {rate} per mille: {settings:?}"));
        drop(state);
        let mut process = Self {
            index,
            name,
            clock,
            world: Arc::clone(world),
            host: Some(Arc::new(host)),
            run: None,
            set_back_at: Duration::ZERO,
        };
        process.run();
        process
    }

    /// Lets the host run, again if it did before.
    fn run(&mut self) {
        let Some(host) = self.host.clone() else { return };
        let now = self.world.now();
        let mut state = self.world.state();
        state.monitor.runs_again(now, self.index);
        drop(state);
        let shutdown = CancellationToken::new();
        let (world, index, token) = (Arc::clone(&self.world), self.index, shutdown.clone());
        let delegate = delegate(&self.world, index, &self.clock);
        let handle = tokio::spawn(async move {
            let outcome = host.run_task_when_mutex_acquired(token, delegate).await;
            let now = world.now();
            let mut state = world.state();
            state.monitor.run_over(now, index, &outcome);
            let stopped = host.status() == Status::Stopped;
            if state.monitor.is_over(index) && !stopped {
                state.monitor.violation(
                    now,
                    index,
                    format_args!("its run is over, and it is not stopped (invariant 15)"),
                );
            }
        });
        self.run = Some(Run { shutdown, handle });
    }

    /// Whether its run is over, by itself or because it was told so.
    pub fn is_over(&self) -> bool {
        self.clock.is_dead() || self.run.as_ref().is_none_or(|run| run.handle.is_finished())
    }

    /// The process is gone from one instant to the next.
    pub fn kill(&mut self) {
        if self.clock.is_dead() {
            return;
        }
        let now = self.world.now();
        let mut state = self.world.state();
        state.monitor.look(now);
        state.monitor.log.count("killed");
        self.clock.kill();
        state.monitor.killed(now, self.index);
        drop(state);
        if let Some(run) = self.run.take() {
            run.handle.abort();
        }
        self.host = None;
    }

    pub fn shut_down(&self) {
        let Some(run) = self.run.as_ref().filter(|_| !self.clock.is_frozen() && !self.is_over()) else { return };
        let now = self.world.now();
        let mut state = self.world.state();
        state.monitor.log.count("shut down");
        state.monitor.saw(now, self.index, What::ToldToStop { dropped: false });
        drop(state);
        run.shutdown.cancel();
    }

    /// The future of its run is dropped, and then perhaps the host, or it runs once more.
    pub fn abandon(&mut self, drop_host: bool) {
        if self.clock.is_frozen() || self.is_over() {
            return;
        }
        let now = self.world.now();
        let mut state = self.world.state();
        state.monitor.log.count(if drop_host { "host dropped" } else { "run dropped" });
        state.monitor.saw(now, self.index, What::ToldToStop { dropped: true });
        drop(state);
        if let Some(run) = self.run.take() {
            run.handle.abort();
        }
        if drop_host {
            self.host = None;
        }
    }

    /// Whether it can be asked to run again.
    pub fn can_run_again(&self) -> bool {
        self.host.is_some() && self.run.is_none() && !self.clock.is_dead()
    }

    pub fn run_again(&mut self) {
        if self.can_run_again() && !self.clock.is_frozen() {
            self.run();
        }
    }

    /// Somebody asks its leader to leave.
    pub fn step_down(&self) {
        let now = self.world.now();
        let mut state = self.world.state();
        let Some(leader) = state.monitor.running(self.index).filter(|_| !self.clock.is_frozen()) else { return };
        state.monitor.log.count("asked to step down");
        state.monitor.asked_to_leave(now, self.index);
        drop(state);
        leader.step_down();
    }

    pub fn change_rate(&self, random: &mut Random) {
        if !self.clock.is_steady() {
            let per_mille = random.within(PER_MILLE.start, PER_MILLE.end) as u32;
            self.clock.run_at(per_mille);
            if !self.clock.is_frozen() && !self.clock.is_dead() {
                let (now, shows) = (self.world.now(), self.clock.shown());
                self.world.state().monitor.saw(now, self.index, What::Clock { shows, per_mille });
            }
        }
    }

    /// Its wall clock is set.
    pub fn step_wall(&mut self, millis: i64) {
        if self.clock.is_steady() || self.clock.is_dead() || self.clock.is_frozen() {
            return;
        }
        let now = self.world.now();
        let mut state = self.world.state();
        state.monitor.note(now, self.index, format_args!("its wall clock is set by {millis} ms"));
        state.monitor.log.count(if millis < 0 { "clock set back" } else { "clock set forward" });
        self.clock.step_wall(millis);
        if millis < 0 {
            self.set_back_at = now;
            state.monitor.saw(now, self.index, What::ClockSetBack);
        } else {
            // One that was just set back may only make up for that.
            let threshold = state.monitor.processes[self.index].settings.timing.jump_threshold();
            let by = Duration::from_millis(millis.unsigned_abs());
            let plain = self.set_back_at.is_zero() || now > self.set_back_at + Duration::from_secs(30);
            let plain = plain && by > threshold.mul_f64(1.5) + Duration::from_millis(50);
            state.monitor.saw(now, self.index, What::ClockJumps { by, plain });
        }
    }
}

/// A process stands still for this long. Its monotonic clock counts that, or only its wall clock.
pub fn pause(world: &Arc<World>, process: usize, clock: &Arc<HostClock>, time: Duration, counted: bool) {
    if clock.is_frozen() || clock.is_dead() || (!counted && clock.is_steady()) {
        return;
    }
    let now = world.now();
    let mut state = world.state();
    if state.calm {
        return;
    }
    state.monitor.look(now);
    state.monitor.log.count(if counted { "process paused" } else { "machine suspended" });
    clock.freeze(now + time, counted);
    state.monitor.saw(now, process, What::Pauses { counted });
    drop(state);
    let (there, clock) = (Arc::clone(world), Arc::clone(clock));
    tokio::spawn(async move {
        tokio::time::sleep(time).await;
        go_on(&there, process, &clock);
    });
}

/// A process that stood still goes on.
fn go_on(world: &Arc<World>, process: usize, clock: &Arc<HostClock>) {
    let now = world.now();
    let mut state = world.state();
    let Some(ahead) = clock.thaw().filter(|_| !clock.is_dead()) else { return };
    state.monitor.saw(now, process, What::Resumes);
    if !ahead.is_zero() {
        let threshold = state.monitor.processes[process].settings.timing.jump_threshold();
        let plain = ahead > threshold.mul_f64(1.5) + Duration::from_millis(50);
        state.monitor.saw(now, process, What::ClockJumps { by: ahead, plain });
    }
    drop(state);
    world.turns.notify_waiters();
}
