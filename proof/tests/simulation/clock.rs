//! A machine's clocks: they run at a rate of their own, are stepped, and stand still with the process.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use leader_election::clock::Clock;
use tokio::time::Instant;

/// More looks at the clock in one instant than any host has a reason for: it runs in circles, and no limit in virtual
/// time would end that.
const CIRCLES: u32 = 100_000;

/// The clocks of the machine that a process runs on.
///
/// A paused process is one whose clocks stand still: whatever wakes its host meanwhile, it finds that no time has passed
/// and does nothing, and whatever else belongs to the process is [held back](gated). When it goes on, the clocks show at
/// once what they missed.
#[derive(Debug)]
pub struct HostClock {
    origin: Instant,
    /// At least how often the host looks at its clocks while it leads.
    look_every: Option<Duration>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// What it showed at that time.
    real: Duration,
    local: Duration,
    per_mille: u32,
    wall_ahead_millis: i64,
    frozen: Option<Frozen>,
    dead: bool,
    held_back: Vec<Waker>,
    looks: (Duration, u32),
}

#[derive(Debug, Clone, Copy)]
struct Frozen {
    since: Duration,
    until: Duration,
    /// Whether the monotonic clock counts the time.
    counted: bool,
}

/// What a process that was killed unwinds with, and a clock that was looked at without end.
pub struct Killed;

impl HostClock {
    pub fn new(origin: Instant, look_every: Option<Duration>, local: Duration, per_mille: u32) -> Self {
        let real = origin.elapsed();
        // The wall clock starts far ahead, so that it can be stepped back.
        let wall_ahead_millis = 1_000_000_000;
        let state = State {
            real,
            local,
            per_mille,
            wall_ahead_millis,
            frozen: None,
            dead: false,
            held_back: vec![],
            looks: (real, 0),
        };
        Self { origin, look_every, state: Mutex::new(state) }
    }

    /// What the monotonic clock shows; what it showed when the process was paused, if it is.
    pub fn shown(&self) -> Duration {
        let state = self.state();
        state.at(state.frozen.map_or(self.real(), |frozen| frozen.since))
    }

    /// How much of the time that a paused process did not see it would see if it went on now: all, or what is too little
    /// to be told from a clock that is set a bit.
    pub fn unseen(&self, threshold: Duration) -> Duration {
        let state = self.state();
        let Some(frozen) = state.frozen else { return Duration::ZERO };
        let unseen = state.at(self.real()) - state.at(frozen.since);
        if frozen.counted || unseen > threshold { unseen } else { Duration::ZERO }
    }

    pub fn look_every(&self) -> Option<Duration> {
        self.look_every
    }

    /// Whether it runs exactly as fast as the timers, and is never stepped.
    pub fn is_steady(&self) -> bool {
        self.look_every.is_none()
    }

    pub fn is_frozen(&self) -> bool {
        self.state().frozen.is_some()
    }

    pub fn is_dead(&self) -> bool {
        self.state().dead
    }

    pub fn run_at(&self, per_mille: u32) {
        let real = self.real();
        let mut state = self.state();
        if state.frozen.is_none() {
            (state.local, state.real, state.per_mille) = (state.at(real), real, per_mille);
        }
    }

    /// Somebody sets the wall clock.
    pub fn step_wall(&self, millis: i64) {
        self.state().wall_ahead_millis += millis;
    }

    /// The process stands still until then. If that is not `counted`, only the wall clock will show it.
    pub fn freeze(&self, until: Duration, counted: bool) {
        let real = self.real();
        let mut state = self.state();
        if state.frozen.is_none() {
            state.frozen = Some(Frozen { since: real, until, counted });
        }
    }

    /// The process goes on. By how much its wall clock went ahead of the monotonic one; `None` if it did not stand still.
    pub fn thaw(&self) -> Option<Duration> {
        let real = self.real();
        let mut state = self.state();
        let frozen = state.frozen.take()?;
        let missed = state.at(real) - state.at(frozen.since);
        if !frozen.counted {
            state.local -= missed;
            state.wall_ahead_millis += i64::try_from(missed.as_millis()).expect("short");
        }
        let held_back = std::mem::take(&mut state.held_back);
        drop(state);
        held_back.into_iter().for_each(Waker::wake);
        Some(if frozen.counted { Duration::ZERO } else { missed })
    }

    /// The process is gone: what is left of it in this program falls over its next look at the clock.
    pub fn kill(&self) {
        self.state().dead = true;
    }

    fn holds_back(&self, context: &Context<'_>) -> bool {
        let mut state = self.state();
        if state.frozen.is_some() {
            state.held_back.push(context.waker().clone());
        }
        state.frozen.is_some() || state.dead
    }

    fn real(&self) -> Duration {
        self.origin.elapsed()
    }

    /// What the host sees: the monotonic clock, and by how much the wall clock is ahead of it.
    fn look(&self) -> (Duration, Duration) {
        let real = self.real();
        let mut state = self.state();
        state.looks = if state.looks.0 == real { (real, state.looks.1 + 1) } else { (real, 0) };
        if state.dead || state.looks.1 > CIRCLES {
            drop(state);
            std::panic::resume_unwind(Box::new(Killed));
        }
        let ahead = u64::try_from(state.wall_ahead_millis).expect("never stepped back that far");
        (state.at(state.frozen.map_or(real, |frozen| frozen.since)), Duration::from_millis(ahead))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn at(&self, real: Duration) -> Duration {
        // All that a schedule takes fits, and this is what the simulation does most.
        let passed = (real - self.real).as_nanos() as u64;
        self.local + Duration::from_nanos(passed * u64::from(self.per_mille) / 1_000)
    }
}

impl Clock for HostClock {
    fn monotonic(&self) -> Duration {
        self.look().0
    }

    fn wall(&self) -> Duration {
        let (monotonic, ahead) = self.look();
        monotonic + ahead
    }

    fn look_every(&self) -> Option<Duration> {
        // A host whose timer came while it was paused is to look again in the very instant in which it goes on.
        let goes_on = self.state().frozen.map(|frozen| frozen.until.saturating_sub(self.real()));
        goes_on.map(|left| left.max(Duration::from_millis(1))).or(self.look_every)
    }
}

/// A part of a process: it stands still with it.
pub async fn gated<F: Future>(clock: &HostClock, part: F) -> F::Output {
    let mut part = pin!(part);
    std::future::poll_fn(|context| if clock.holds_back(context) { Poll::Pending } else { part.as_mut().poll(context) })
        .await
}
