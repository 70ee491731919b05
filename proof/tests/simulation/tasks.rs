//! What the leaders' tasks do: well, badly, and not at all.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use leader_election::{Leadership, TaskError};
use testkit::{Token, What};

use super::clock::{HostClock, gated};
use super::process;
use super::resource::Outcome;
use super::world::World;
use testkit::random::Random;

pub type Act = Pin<Box<dyn Future<Output = Result<(), TaskError>> + Send>>;

/// Of what character a leader's task is.
#[derive(Debug, Clone, Copy)]
enum Mood {
    Obedient,
    SlowToStop(Duration),
    Deaf,
    Panics(Duration),
    PanicsWhenCancelled,
    Fails(Duration),
    DoneAtOnce,
    Done(Duration),
    /// It blocks its thread, and with it the process.
    Blocks(Duration, Duration),
    StepsDown(Duration, Duration),
    /// It reads, thinks for up to so long, and writes; `careful` if it makes sure that it leads right before each write.
    Writes {
        think: u64,
        careful: bool,
    },
}

impl Mood {
    fn any(random: &mut Random) -> (Self, &'static str) {
        let after = random.millis(0, 40_000);
        let drain = random.millis(1, 12_000);
        match random.within(0, 32) {
            0..=4 => (Self::Obedient, "task obeys"),
            5..=7 => (Self::SlowToStop(drain), "task is slow to stop"),
            8..=10 => (Self::Deaf, "task is deaf"),
            11 => (Self::Panics(after), "task panics"),
            12 => (Self::PanicsWhenCancelled, "task panics when cancelled"),
            13 => (Self::Fails(after), "task fails"),
            14 => (Self::DoneAtOnce, "task is done at once"),
            15 => (Self::Done(after), "task is done"),
            16 | 17 => (Self::Blocks(after, drain * 2), "task blocks"),
            18..=20 => (Self::StepsDown(after, drain), "task steps down"),
            21..=26 => (Self::Writes { think: 6_000, careful: true }, "task writes with care"),
            _ => (Self::Writes { think: 6_000, careful: false }, "task writes without care"),
        }
    }
}

/// What a process runs when it leads.
pub fn delegate(
    world: &Arc<World>,
    process: usize,
    clock: &Arc<HostClock>,
) -> impl FnMut(Leadership) -> Act + Send + use<> {
    let (world, clock) = (Arc::clone(world), Arc::clone(clock));
    move |leader| {
        let now = world.now();
        let mut state = world.state();
        state.monitor.enter(now, process, leader.clone());
        let mut random = state.moods.fork();
        let (mood, name) = if state.calm { (Mood::Obedient, "task obeys") } else { Mood::any(&mut random) };
        // It shows no life any more from some time on.
        let falls_silent = (!state.calm && random.chance(40)).then(|| random.millis(0, 30_000));
        let limit = state.monitor.processes[process].settings.heartbeat_limit;
        if falls_silent.is_some() && limit.is_some() {
            state.monitor.log.count("heartbeat stops");
        }
        state.monitor.log.count(name);
        state.monitor.note(now, process, format_args!("({mood:?})"));
        drop(state);
        world.turns.notify_waiters();
        tokio::spawn(watch_token(Arc::clone(&world), process, leader.clone()));

        let on_stage = OnStage { world: Arc::clone(&world), process, token: leader.fencing_token().get() };
        let part = Part { world: Arc::clone(&world), clock: Arc::clone(&clock), process, leader, random };
        Box::pin(async move {
            let _on_stage = on_stage;
            let clock = Arc::clone(&part.clock);
            let beats = beat(Arc::clone(&part.world), part.leader.clone(), process, limit, falls_silent);
            let play = part.play(mood);
            gated(&clock, async {
                tokio::select! {
                    biased;
                    outcome = play => outcome,
                    () = beats => Ok(()),
                }
            })
            .await
        })
    }
}

/// Sees the cancellation as the task itself would.
async fn watch_token(world: Arc<World>, process: usize, leader: Leadership) {
    leader.token().cancelled().await;
    let now = world.now();
    world.state().monitor.cancelled(now, process, &leader);
}

async fn beat(
    world: Arc<World>,
    leader: Leadership,
    process: usize,
    limit: Option<Duration>,
    falls_silent: Option<Duration>,
) {
    let Some(limit) = limit else { return std::future::pending().await };
    let silent_from = falls_silent.map(|after| world.now() + after);
    while silent_from.is_none_or(|from| world.now() < from) {
        leader.heartbeat();
        world.state().monitor.saw(world.now(), process, What::Heartbeat);
        tokio::time::sleep(limit / 3).await;
    }
    std::future::pending().await
}

/// A task that runs.
struct OnStage {
    world: Arc<World>,
    process: usize,
    token: Token,
}

impl Drop for OnStage {
    fn drop(&mut self) {
        let now = self.world.now();
        self.world.state().monitor.gone(now, self.process, self.token);
    }
}

/// A task's part in the play.
struct Part {
    world: Arc<World>,
    clock: Arc<HostClock>,
    process: usize,
    leader: Leadership,
    random: Random,
}

impl Part {
    async fn play(mut self, mood: Mood) -> Result<(), TaskError> {
        let cancelled = self.leader.token().clone();
        match mood {
            Mood::Obedient => cancelled.cancelled().await,
            Mood::SlowToStop(drain) => {
                cancelled.cancelled().await;
                tokio::time::sleep(drain).await;
            }
            Mood::Deaf => std::future::pending().await,
            Mood::Panics(after) => {
                let _ = cancelled.run_until_cancelled(tokio::time::sleep(after)).await;
                // As a panic, but nothing is printed.
                std::panic::resume_unwind(Box::new("the task panics"));
            }
            Mood::PanicsWhenCancelled => {
                cancelled.cancelled().await;
                std::panic::resume_unwind(Box::new("the task panics"));
            }
            Mood::Fails(after) => {
                let _ = cancelled.run_until_cancelled(tokio::time::sleep(after)).await;
                return Err("the task fails".into());
            }
            Mood::DoneAtOnce => {}
            Mood::Done(after) => {
                let _ = cancelled.run_until_cancelled(tokio::time::sleep(after)).await;
            }
            Mood::Blocks(after, time) => {
                let _ = cancelled.run_until_cancelled(tokio::time::sleep(after)).await;
                process::pause(&self.world, self.process, &self.clock, time, true);
                // The next that it does it does when it goes on.
                tokio::task::yield_now().await;
                cancelled.cancelled().await;
            }
            Mood::StepsDown(after, drain) => {
                let _ = cancelled.run_until_cancelled(tokio::time::sleep(after)).await;
                let now = self.world.now();
                self.world.state().monitor.asked_to_leave(now, self.process);
                self.leader.step_down();
                cancelled.cancelled().await;
                tokio::time::sleep(drain).await;
            }
            Mood::Writes { think, careful } => self.write(think, careful).await,
        }
        Ok(())
    }

    /// Reads, thinks, writes. It makes sure that it leads before it reads, and looks at its token then; if it is careful,
    /// before it writes, too.
    async fn write(&mut self, think: u64, careful: bool) {
        let token = self.leader.fencing_token();
        while !self.leader.token().is_cancelled() && self.leader.ensure().is_ok() {
            let read = self.world.state().resources.read(token);
            let longest = self.random.pick(&[100, 1_000, think]);
            tokio::time::sleep(self.random.millis(0, longest)).await;
            if careful && self.leader.ensure().is_err() {
                return;
            }
            let now = self.world.now();
            let mut state = self.world.state();
            let (fenced, unfenced) = (state.resources.write_fenced(token, read), state.resources.write_unfenced(read));
            match fenced {
                Outcome::Accepted => state.monitor.log.count("writes"),
                Outcome::Refused => state.monitor.log.count("stale writes refused by the fence"),
                Outcome::AcceptedStale => {
                    state.monitor.violation(
                        now,
                        self.process,
                        format_args!("a stale write passed the fence (invariant 2)"),
                    );
                }
            }
            if unfenced == Outcome::AcceptedStale {
                state.monitor.log.count("stale writes without a fence");
                if careful {
                    state.monitor.log.count("stale writes without a fence, with care");
                }
            }
        }
        self.leader.token().cancelled().await;
    }
}
