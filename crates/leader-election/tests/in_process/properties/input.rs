//! Decisions and values out of bytes: of a property's, which shrink well, or of a fuzzer's.

use std::time::Duration;

use leader_election::FencingToken;

pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Zero when there is nothing left.
    pub fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    /// Once in so many times.
    pub fn one_in(&mut self, times: u8) -> bool {
        self.byte().is_multiple_of(times)
    }

    pub fn number(&mut self) -> u64 {
        (0..8).fold(0, |number, _| number << 8 | u64::from(self.byte()))
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::from(self.byte()) % from.len()]
    }

    /// From none at all to all that there is; most often a small part of `unit`, or a little more.
    pub fn duration(&mut self, unit: Duration) -> Duration {
        match self.byte() {
            0 => Duration::ZERO,
            1 => Duration::MAX,
            2 => Duration::from_nanos(1),
            3 => unit,
            4 => unit + Duration::from_nanos(1),
            5 => unit.saturating_sub(Duration::from_nanos(1)),
            6 => Duration::from_nanos(self.number()),
            7 => Duration::from_secs(self.number()),
            share => unit.mul_f64(f64::from(share) / 128.0),
        }
    }

    pub fn token(&mut self) -> FencingToken {
        let number = match self.byte() {
            0 => FencingToken::MAX,
            1 => self.number() % FencingToken::MAX,
            low => u64::from(low),
        };
        FencingToken::new(number.max(1)).expect("in range")
    }
}
