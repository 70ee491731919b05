//! Clocks, and the one notion of elapsed time that safety rests on.
//!
//! Elapsed time is that of the monotonic clock, counting suspension where the platform can, plus every forward step
//! that the wall clock makes against it: a machine that was suspended, or whose virtual clock stood still, must not
//! believe that its lease still runs. A backward step of the wall clock changes nothing.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::moment::Moment;

/// A source of time.
///
/// Safety rests on it, so it is the one part of yours that runs on the renewal thread: it must not block. If it panics, the run
/// ends with an error, and its task with it.
///
/// ```
/// use azure_leader_election::clock::{Clock, SystemClock};
///
/// let clock = SystemClock::new();
/// let first = clock.monotonic();
/// assert!(clock.monotonic() >= first);
/// ```
pub trait Clock: Debug + Send + Sync + 'static {
    /// Time since any fixed origin. It never goes back and, where the platform can, counts suspension.
    fn monotonic(&self) -> Duration;

    /// Time since the start of 1970 (UTC) by the wall clock, which people and time services may step. Safety needs only that the
    /// origin is fixed; the times that people are shown count from it.
    fn wall(&self) -> Duration;

    /// At most how long the host may sleep while it leads before it looks at this clock again. Timers of the runtime
    /// stand still while a machine is suspended, so a system clock has to be looked at; a virtual one need not.
    fn look_every(&self) -> Option<Duration> {
        None
    }
}

/// A clock that others hold as well, such as a test that steps it.
impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn monotonic(&self) -> Duration {
        (**self).monotonic()
    }

    fn wall(&self) -> Duration {
        (**self).wall()
    }

    fn look_every(&self) -> Option<Duration> {
        (**self).look_every()
    }
}

/// The machine's clocks: `CLOCK_BOOTTIME` on Linux and Android, [`Instant`] elsewhere, and the wall clock.
#[derive(Debug)]
pub struct SystemClock {
    #[cfg_attr(any(target_os = "linux", target_os = "android"), allow(dead_code))]
    origin: Instant,
}

impl SystemClock {
    /// The machine's clocks.
    #[must_use]
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn monotonic(&self) -> Duration {
        use nix::time::{ClockId, clock_gettime};
        // A kernel too old for it (before 2.6.39) is the only way to fail; the fallback then serves from the start.
        clock_gettime(ClockId::CLOCK_BOOTTIME).map_or_else(|_| self.origin.elapsed(), Duration::from)
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }

    fn wall(&self) -> Duration {
        machine_wall()
    }

    fn look_every(&self) -> Option<Duration> {
        Some(Duration::from_millis(500))
    }
}

fn machine_wall() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Tokio's clock, which a test can pause and advance.
///
/// ```
/// use azure_leader_election::clock::{Clock, TokioClock};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let clock = TokioClock::new();
/// tokio::time::advance(Duration::from_secs(3600)).await;
/// assert_eq!(clock.monotonic(), Duration::from_secs(3600));
/// # }
/// ```
#[derive(Debug)]
pub struct TokioClock {
    origin: tokio::time::Instant,
    wall_at_origin: Duration,
}

impl TokioClock {
    /// A clock that starts now, at the machine's wall time. Call it inside the runtime whose time it is to show.
    #[must_use]
    pub fn new() -> Self {
        Self::starting_at(machine_wall())
    }

    /// A clock that starts now, at this wall time, counted from the start of 1970 (UTC): one that shows the same in each run.
    #[must_use]
    pub fn starting_at(wall: Duration) -> Self {
        Self { origin: tokio::time::Instant::now(), wall_at_origin: wall }
    }
}

impl Default for TokioClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TokioClock {
    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }

    fn wall(&self) -> Duration {
        self.wall_at_origin.saturating_add(self.origin.elapsed())
    }
}

/// All jumps together count for this much at most, 200 years: elapsed time ends after 584, and timers beyond it would be due
/// at once, always. A jump ends a term whatever it counts for.
const MOST_SKIPPED: Duration = Duration::from_secs(200 * 365 * 24 * 3600);

/// Elapsed time as the module's documentation defines it. Shared by the host and its leader's task.
#[derive(Debug)]
pub(crate) struct ElapsedClock {
    clock: Arc<dyn Clock>,
    threshold: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    origin: Duration,
    last: Duration,
    /// Of the time that passed, in nanoseconds: what was too little to allow for a drift of one.
    remainder: i128,
    /// Wall minus monotonic time, in nanoseconds: the reference against which a step is measured.
    offset: i128,
    skipped: Duration,
    unreported: Duration,
}

impl ElapsedClock {
    pub(crate) fn new(clock: Arc<dyn Clock>, threshold: Duration) -> Self {
        let origin = clock.monotonic();
        let offset = offset(clock.wall(), origin);
        let state =
            State { origin, last: origin, remainder: 0, offset, skipped: Duration::ZERO, unreported: Duration::ZERO };
        Self { clock, threshold, state: Mutex::new(state) }
    }

    pub(crate) fn now(&self) -> Moment {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (monotonic, wall) = self.read_both();
        if let Some(wall) = wall {
            let offset = offset(wall, monotonic);
            // Two clocks of one machine drift apart a little; what is slower than 1 % is no step.
            // What the division leaves is kept: calls less than 100 ns apart would allow for nothing otherwise.
            let passed = nanos(monotonic.saturating_sub(state.last)) + state.remainder;
            let drift = passed / 100;
            state.remainder = passed % 100;
            let step = offset - state.offset;
            state.last = monotonic;
            if step <= drift {
                state.offset = offset;
            } else if step <= drift + nanos(self.threshold) {
                state.offset += drift;
            } else {
                let step = Duration::from_nanos(u64::try_from(step).unwrap_or(u64::MAX));
                state.offset = offset;
                state.skipped = state.skipped.saturating_add(step).min(MOST_SKIPPED);
                state.unreported = state.unreported.saturating_add(step);
            }
        }
        Moment::from_origin(monotonic.saturating_sub(state.origin).saturating_add(state.skipped))
    }

    /// Whether the wall clock jumped forward since [`take_jump`](Self::take_jump) was last asked.
    pub(crate) fn has_jumped(&self) -> bool {
        !self.state.lock().unwrap_or_else(PoisonError::into_inner).unreported.is_zero()
    }

    /// How far the wall clock jumped forward since this was last asked.
    pub(crate) fn take_jump(&self) -> Option<Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let jump = std::mem::take(&mut state.unreported);
        (!jump.is_zero()).then_some(jump)
    }

    pub(crate) fn look_every(&self) -> Option<Duration> {
        self.clock.look_every()
    }

    /// Both clocks, read close together; no wall clock when this thread was interrupted between them each time, as
    /// the time it lost would look like a jump.
    fn read_both(&self) -> (Duration, Option<Duration>) {
        let mut before = self.clock.monotonic();
        for _ in 0..3 {
            let wall = self.clock.wall();
            let after = self.clock.monotonic();
            if after.saturating_sub(before) <= Duration::from_millis(1) {
                return (after, Some(wall));
            }
            before = after;
        }
        (before, None)
    }
}

fn offset(wall: Duration, monotonic: Duration) -> i128 {
    nanos(wall) - nanos(monotonic)
}

fn nanos(duration: Duration) -> i128 {
    // A Duration has fewer than 2^94 nanoseconds.
    duration.as_nanos() as i128
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Manual(Mutex<(Duration, Duration)>);

    impl Manual {
        fn advance(&self, monotonic: i64, wall: i64) {
            let mut times = self.0.lock().expect("not poisoned");
            let shift = |time: Duration, by: i64| {
                let by_abs = Duration::from_millis(by.unsigned_abs());
                if by < 0 { time - by_abs } else { time + by_abs }
            };
            *times = (shift(times.0, monotonic), shift(times.1, wall));
        }
    }

    impl Clock for Manual {
        fn monotonic(&self) -> Duration {
            self.0.lock().expect("not poisoned").0
        }

        fn wall(&self) -> Duration {
            self.0.lock().expect("not poisoned").1
        }
    }

    fn elapsed(clock: &ElapsedClock) -> Duration {
        clock.now().since_origin()
    }

    fn manual() -> (Arc<Manual>, ElapsedClock) {
        let manual = Arc::new(Manual::default());
        manual.advance(10_000, 1_000_000);
        let clock = ElapsedClock::new(manual.clone(), Duration::from_millis(200));
        (manual, clock)
    }

    #[test]
    fn invariant_12_a_forward_step_of_the_wall_clock_counts_as_elapsed() {
        let (manual, clock) = manual();
        manual.advance(1_000, 31_000);
        assert_eq!(elapsed(&clock), Duration::from_secs(31));
        assert_eq!(clock.take_jump(), Some(Duration::from_secs(30)));
        assert_eq!(clock.take_jump(), None);
    }

    #[test]
    fn invariant_12_a_backward_step_extends_nothing_and_time_goes_on() {
        let (manual, clock) = manual();
        manual.advance(1_000, -500_000);
        assert_eq!(elapsed(&clock), Duration::from_secs(1));
        manual.advance(1_000, 1_000);
        assert_eq!(elapsed(&clock), Duration::from_secs(2));
        assert_eq!(clock.take_jump(), None);
    }

    #[test]
    fn invariant_12_a_step_back_and_forth_is_never_taken_back() {
        let (manual, clock) = manual();
        manual.advance(1_000, 3_601_000);
        let after_jump = elapsed(&clock);
        manual.advance(1_000, -3_599_000);
        assert_eq!(elapsed(&clock), after_jump + Duration::from_secs(1));
    }

    #[test]
    fn clocks_that_drift_apart_slowly_never_jump() {
        let (manual, clock) = manual();
        for _ in 0..100_000 {
            manual.advance(1_000, 1_005);
            clock.now();
        }
        assert_eq!(clock.take_jump(), None);
    }

    #[test]
    fn a_slow_drift_is_no_jump_however_often_the_clock_is_read() {
        let reads = Mutex::new(0_u64);
        #[derive(Debug)]
        struct Fast(Mutex<u64>);
        impl Clock for Fast {
            fn monotonic(&self) -> Duration {
                let mut nanos = self.0.lock().expect("not poisoned");
                *nanos += 15;
                Duration::from_nanos(*nanos)
            }

            fn wall(&self) -> Duration {
                let nanos = *self.0.lock().expect("not poisoned");
                Duration::from_nanos(nanos + nanos / 200) + Duration::from_secs(1_000)
            }
        }
        let clock = ElapsedClock::new(Arc::new(Fast(reads)), Duration::from_micros(100));
        // At 0.5 % the wall clock gains twenty times the threshold.
        for _ in 0..10_000_000 {
            clock.now();
        }
        assert_eq!(clock.take_jump(), None);
    }

    #[test]
    fn invariant_14_no_number_of_jumps_brings_the_end_of_time() {
        let (manual, clock) = manual();
        for _ in 0..20 {
            manual.advance(1_000, 100 * 365 * 24 * 3_600 * 1_000);
            let before = clock.now();
            assert!(clock.take_jump().is_some());
            assert!(before + Duration::from_secs(3_600) > before, "a timer can still be set");
        }
    }

    #[test]
    fn a_virtual_machine_that_loses_a_tenth_of_its_time_jumps() {
        let (manual, clock) = manual();
        for _ in 0..100 {
            manual.advance(90, 100);
            clock.now();
        }
        assert!(clock.take_jump().is_some());
    }

    #[test]
    fn steps_below_the_threshold_do_not_add_up_to_a_drift_of_our_own() {
        let (manual, clock) = manual();
        for _ in 0..1_000 {
            manual.advance(10, 25);
            clock.now();
            manual.advance(10, -5);
            clock.now();
        }
        assert_eq!(elapsed(&clock), Duration::from_secs(20));
    }
}
