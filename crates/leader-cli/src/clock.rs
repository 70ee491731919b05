//! Time as all processes of this machine see it.

use std::io;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Goes on while the machine is suspended; as `CLOCK_MONOTONIC` does on macOS.
#[cfg(any(target_os = "linux", target_os = "android"))]
const CLOCK: ClockId = ClockId::CLOCK_BOOTTIME;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const CLOCK: ClockId = ClockId::CLOCK_MONOTONIC;

/// The time since an origin that all processes of this machine share, until it starts anew.
pub fn now() -> io::Result<Duration> {
    Ok(clock_gettime(CLOCK)?.into())
}
