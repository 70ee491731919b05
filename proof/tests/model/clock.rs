//! Real time in ticks, and clocks that run at rates of their own.

use std::time::Duration;

use leader_election::election::Moment;

/// An instant of real time.
pub type Tick = u32;

/// Clock rates in per mille. The fastest and the slowest are as far apart as the crate allows: 1024 / 976 < 1.05.
pub const SLOW: u32 = 976;
pub const NOMINAL: u32 = 1_000;
pub const FAST: u32 = 1_024;

/// What a candidate's clock shows at tick zero, in nanoseconds: so far from the origin that no number of another kind
/// comes near it.
pub const ORIGIN: u64 = 1 << 61;

/// A clock. It shows multiples of a millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    pub rate: u32,
    /// The length of a tick on a clock at the nominal rate.
    pub tick_ms: u64,
    /// By how much it has jumped forward.
    pub ahead_ms: u64,
}

impl Clock {
    pub fn new(rate: u32, tick_ms: u64) -> Self {
        Self { rate, tick_ms, ahead_ms: 0 }
    }

    pub fn millis(self, now: Tick) -> u64 {
        u64::from(now) * self.tick_ms * u64::from(self.rate) / 1_000 + self.ahead_ms
    }

    pub fn at(self, now: Tick) -> Moment {
        Moment::from_origin(Duration::from_nanos(ORIGIN) + Duration::from_millis(self.millis(now)))
    }

    /// The first tick after `now` at which it shows `moment` or later.
    pub fn tick_of(self, moment: Moment, now: Tick) -> Tick {
        let ahead = moment.since(self.at(now)).as_nanos();
        let per_tick = u128::from(self.tick_ms) * u128::from(self.rate) * 1_000;
        now + u32::try_from(ahead.div_ceil(per_tick)).expect("within a run").max(1)
    }
}

pub fn name_of(rate: u32) -> &'static str {
    match rate {
        SLOW => "slow",
        NOMINAL => "nominal",
        FAST => "fast",
        _ => "wild",
    }
}
