//! The way to the service and back, on which no reliance is to be placed.

use std::sync::Arc;
use std::time::Duration;

use leader_election::{Error, ErrorKind, Result};
use tokio::sync::oneshot;

use super::plan::Weather;
use super::store::{Effect, Service};
use super::world::World;
use testkit::random::Random;

/// For how long a request hangs, and after how long one may still be carried out.
const LONG: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Network {
    weather: Weather,
    pub random: Random,
    calm: bool,
    /// The whole service is out of reach until then.
    down_until: Duration,
    /// Each process is cut off until then.
    cut_until: Vec<Duration>,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Fine {
        out: Duration,
        back: Duration,
    },
    /// It never arrives; the connection is given up after a long time.
    Hang,
    /// It arrives after this time, whether or not its sender still waits.
    Late(Duration),
    /// It is carried out, and the answer is lost.
    LoseReply,
    /// It is carried out, and once more after this time.
    Duplicate(Duration),
    /// It fails, and was perhaps carried out before.
    Fail {
        kind: ErrorKind,
        carried_out: bool,
        after: Duration,
    },
    Throttle(Duration),
    Panic {
        carried_out: bool,
    },
}

impl Network {
    pub fn new(weather: Weather, random: Random) -> Self {
        Self { weather, random, calm: false, down_until: Duration::ZERO, cut_until: vec![] }
    }

    pub fn calm_down(&mut self) {
        self.calm = true;
    }

    pub fn take_down(&mut self, until: Duration) {
        self.down_until = until;
    }

    pub fn cut_off(&mut self, process: usize, until: Duration) {
        self.cut_until.resize(self.cut_until.len().max(process + 1), Duration::ZERO);
        self.cut_until[process] = until;
    }

    /// Whether a write that was carried out is answered as refused: its transport has repeated it.
    pub fn is_phantom(&mut self) -> bool {
        !self.calm && self.random.within(0, 1_000) < self.weather.phantom
    }

    fn fate(&mut self, now: Duration, process: usize) -> (Fate, &'static str) {
        let random = &mut self.random;
        if self.calm {
            return (Fate::Fine { out: Duration::ZERO, back: random.millis(0, 30) }, "fine");
        }
        let cut_until = self.cut_until.get(process).copied().unwrap_or_default();
        if now < self.down_until.max(cut_until) && random.chance(95) {
            let kind = random.pick(&[ErrorKind::Unavailable, ErrorKind::Unreachable]);
            let after = random.millis(0, 500);
            let refused = Fate::Fail { kind, carried_out: false, after };
            return if random.chance(50) { (Fate::Hang, "cut off") } else { (refused, "cut off") };
        }
        let weather = &self.weather;
        let mut draw = random.within(0, 1_000);
        let mut falls = |share: u64| {
            let falls = draw < share;
            draw = draw.saturating_sub(share) + if falls { 1_000 } else { 0 };
            falls
        };
        if falls(weather.hang) {
            (Fate::Hang, "hangs")
        } else if falls(weather.late) {
            let longest = random.pick(&[3_000, 6_000, 15_000, 30_000]);
            (Fate::Late(random.millis(1, longest)), "late")
        } else if falls(weather.slow) {
            let longest = random.pick(&[500, 3_000, 10_000]);
            let fate = Fate::Fine { out: random.millis(0, longest), back: random.millis(0, longest) };
            (fate, "slow answer")
        } else if falls(weather.lost_reply) {
            (Fate::LoseReply, "lost reply")
        } else if falls(weather.duplicate) {
            let longest = random.pick(&[1_000, 8_000, 30_000]);
            (Fate::Duplicate(random.millis(1, longest)), "late duplicate")
        } else if falls(weather.unavailable) {
            let carried_out = random.chance(40);
            let kind = random.pick(&[ErrorKind::Unavailable, ErrorKind::Unreachable]);
            let after = if random.chance(50) { Duration::ZERO } else { random.millis(0, 5_000) };
            let what = if carried_out { "failed after it was carried out" } else { "unavailable" };
            (Fate::Fail { kind, carried_out, after }, what)
        } else if falls(weather.throttled) {
            let wait = random.pick(&[0, 500, 3_000, 20_000, 1_000_000_000]);
            (Fate::Throttle(Duration::from_millis(wait)), "throttled")
        } else if falls(weather.refused) {
            let kind = random.pick(&[ErrorKind::Denied, ErrorKind::NotFound, ErrorKind::Refused]);
            (Fate::Fail { kind, carried_out: random.chance(10), after: Duration::ZERO }, "refused")
        } else if falls(weather.panics) {
            (Fate::Panic { carried_out: random.chance(50) }, "store's code panics")
        } else {
            let out = if random.chance(50) { Duration::ZERO } else { random.millis(0, 40) };
            (Fate::Fine { out, back: random.millis(0, 40) }, "fine")
        }
    }
}

/// Takes a request of a process to the service and its answer back. Dropping this is to wait no longer.
pub async fn travel<T: Send + 'static>(
    world: &Arc<World>,
    process: usize,
    serve: impl Fn(&mut Service, Duration) -> Effect<T> + Send + Sync + 'static,
) -> Result<T> {
    let fate = {
        let now = world.now();
        let mut state = world.state();
        let (fate, what) = state.network.fate(now, process);
        if what != "fine" {
            state.monitor.log.count(what);
            state.monitor.note(now, process, format_args!("(its request: {fate:?})"));
        }
        fate
    };
    match fate {
        Fate::Fine { out, back } => {
            rest(out).await;
            let answer = carry_out(world, process, &serve);
            rest(back).await;
            answer
        }
        Fate::Hang => {
            tokio::time::sleep(LONG).await;
            Err(failure(ErrorKind::Unreachable))
        }
        Fate::Late(time) => {
            let (tell, answer) = oneshot::channel();
            let there = Arc::clone(world);
            world.later(async move {
                tokio::time::sleep(time).await;
                // Nobody has to wait for it any more.
                let _ = tell.send(carry_out(&there, process, &serve));
            });
            answer.await.unwrap_or_else(|_| Err(failure(ErrorKind::Unreachable)))
        }
        Fate::LoseReply => {
            let _ = carry_out(world, process, &serve);
            tokio::time::sleep(LONG).await;
            Err(failure(ErrorKind::Unreachable))
        }
        Fate::Duplicate(time) => {
            let answer = carry_out(world, process, &serve);
            let there = Arc::clone(world);
            world.later(async move {
                tokio::time::sleep(time).await;
                let _ = carry_out(&there, process, &serve);
            });
            answer
        }
        Fate::Fail { kind, carried_out, after } => {
            if carried_out {
                let _ = carry_out(world, process, &serve);
            }
            rest(after).await;
            Err(failure(kind))
        }
        Fate::Throttle(wait) => Err(failure(ErrorKind::Throttled).with_retry_after(Some(wait))),
        Fate::Panic { carried_out } => {
            if carried_out {
                let _ = carry_out(world, process, &serve);
            }
            // As a panic, but nothing is printed.
            std::panic::resume_unwind(Box::new("the store's code panics"))
        }
    }
}

/// The service does what is asked of it.
fn carry_out<T>(
    world: &World,
    process: usize,
    serve: &(impl Fn(&mut Service, Duration) -> Effect<T> + Send + Sync),
) -> Result<T> {
    let now = world.now();
    let mut state = world.state();
    let effect = serve(&mut state.service, now);
    if let Some(owner) = &effect.granted {
        state.monitor.note(now, process, format_args!("(its request makes {owner:?} the holder)"));
        state.monitor.granted_by_store(now, owner);
    }
    drop(state);
    if effect.freed && world.plan.rules.pushes {
        world.releases.notify_waiters();
    }
    effect.answer
}

async fn rest(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

fn failure(kind: ErrorKind) -> Error {
    Error::new(kind, "by the simulation")
}
