//! Processes whose clocks run at another rate, by libfaketime.

/// The clocks of a process, as its environment variables.
#[derive(Debug, Clone, Copy)]
pub struct Clocks {
    library: &'static str,
    rate: &'static str,
}

impl Clocks {
    /// Clocks that run this many times as fast, such as `10` or `9.5`; `None` without the variable `LEADER_FAKETIME`, which is
    /// the path of `libfaketime.so.1`.
    pub fn times(rate: f64) -> Option<Self> {
        let library = std::env::var("LEADER_FAKETIME").ok()?;
        // A test process starts a handful of servers and has a handful of rates.
        Some(Self { library: library.leak(), rate: format!("+0 x{rate}").leak() })
    }

    /// Loaded directly: the wrapper of that name forks, and signals would hit the wrapper.
    pub fn environment(self) -> [(&'static str, &'static str); 2] {
        [("LD_PRELOAD", self.library), ("FAKETIME", self.rate)]
    }
}
