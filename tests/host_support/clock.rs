//! A clock that jumps, on a machine that can be suspended.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use azure_leader_election::clock::{Clock, TokioClock};

use super::{Setup, millis};

/// Tokio's clock, with a wall clock that can be stepped and a monotonic one that can be moved on.
#[derive(Debug)]
pub struct Stepped {
    time: TokioClock,
    wall_millis: AtomicI64,
    suspended_millis: AtomicI64,
}

impl Stepped {
    pub fn new() -> Arc<Self> {
        // The wall clock starts far ahead, so that it can be stepped back.
        Arc::new(Self {
            time: TokioClock::new(),
            wall_millis: AtomicI64::new(1_000_000_000),
            suspended_millis: AtomicI64::new(0),
        })
    }

    /// Somebody sets the wall clock.
    pub fn step(&self, millis: i64) {
        self.wall_millis.fetch_add(millis, Ordering::SeqCst);
    }

    /// The machine is suspended, on a platform whose monotonic clock counts that. Timers stand still meanwhile.
    pub fn suspend(&self, millis: i64) {
        self.suspended_millis.fetch_add(millis, Ordering::SeqCst);
    }

    fn suspended(&self) -> Duration {
        Duration::from_millis(self.suspended_millis.load(Ordering::SeqCst).unsigned_abs())
    }
}

impl Clock for Stepped {
    fn monotonic(&self) -> Duration {
        self.time.monotonic() + self.suspended()
    }

    fn wall(&self) -> Duration {
        let ahead = Duration::from_millis(self.wall_millis.load(Ordering::SeqCst).unsigned_abs());
        self.time.monotonic() + self.suspended() + ahead
    }

    fn look_every(&self) -> Option<Duration> {
        Some(millis(500))
    }
}

/// A worker with this clock.
pub fn with(clock: &Arc<Stepped>) -> impl FnOnce(&mut Setup) + use<> {
    let clock = Arc::clone(clock);
    move |setup| setup.sources = setup.sources.clone().with_clock(clock)
}
