//! What must come to pass, or the checker has looked at nothing.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    Takeover,
    RenewalRecovered,
    RenewedInDrain,
    AmbiguousAcquireSettled,
    AnswerAfterItsTime,
    ZombieGranted,
    LapsedReplaced,
    RenewalTimedOut,
    LeaseLost,
    GrantedTooLate,
    ReleaseFailed,
    Overrun,
    Stopped,
    WokeInvalid,
    TokenRefused,
}

pub const ALL: [Seen; 15] = [
    Seen::Takeover,
    Seen::RenewalRecovered,
    Seen::RenewedInDrain,
    Seen::AmbiguousAcquireSettled,
    Seen::AnswerAfterItsTime,
    Seen::ZombieGranted,
    Seen::LapsedReplaced,
    Seen::RenewalTimedOut,
    Seen::LeaseLost,
    Seen::GrantedTooLate,
    Seen::ReleaseFailed,
    Seen::Overrun,
    Seen::Stopped,
    Seen::WokeInvalid,
    Seen::TokenRefused,
];

/// How often each came to pass, on all paths that were looked at.
#[derive(Debug, Default)]
pub struct Tally([AtomicU64; ALL.len()]);

impl Tally {
    pub fn add(&self, seen: Seen) {
        self.0[seen as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub fn of(&self, seen: Seen) -> u64 {
        self.0[seen as usize].load(Ordering::Relaxed)
    }
}
