//! The signals that end a check, which then removes what it has written.

use std::io;

/// What asks this process to end.
pub struct Ends {
    #[cfg(unix)]
    signals: tokio::sync::Mutex<[(u8, tokio::signal::unix::Signal); 3]>,
}

impl Ends {
    /// From now on they do not end the process by themselves.
    #[cfg(unix)]
    pub fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        let one = |number, kind| Ok::<_, io::Error>((number, signal(kind)?));
        let signals =
            [one(2, SignalKind::interrupt())?, one(15, SignalKind::terminate())?, one(1, SignalKind::hangup())?];
        Ok(Self { signals: signals.into() })
    }

    /// Waits for one; returns the exit code that goes with it.
    #[cfg(unix)]
    pub async fn wait(&self) -> u8 {
        let mut signals = self.signals.lock().await;
        let [(interrupt, first), (terminate, second), (hangup, third)] = &mut *signals;
        let number = tokio::select! {
            _ = first.recv() => interrupt,
            _ = second.recv() => terminate,
            _ = third.recv() => hangup,
        };
        128 + *number
    }

    #[cfg(not(unix))]
    pub fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    pub async fn wait(&self) -> u8 {
        match tokio::signal::ctrl_c().await {
            Ok(()) => 130,
            Err(_) => std::future::pending().await,
        }
    }
}
