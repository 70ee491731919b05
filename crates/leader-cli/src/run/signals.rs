//! The signals that come to the leader.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use azure_leader_election::CancellationToken;
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};
use tokio::sync::broadcast;

/// What the signals have asked for so far.
#[derive(Clone)]
pub struct Signals {
    /// The first of those that end a program.
    first: Arc<AtomicI32>,
    /// The second one: without waiting for the command.
    pub hurry: CancellationToken,
    /// Those that are for the command alone.
    passed_on: broadcast::Sender<i32>,
}

impl Signals {
    /// From now on, `shutdown` is cancelled by the first signal that ends a program.
    pub fn listen(shutdown: &CancellationToken) -> io::Result<Self> {
        let signals =
            Self { first: Arc::default(), hurry: CancellationToken::new(), passed_on: broadcast::Sender::new(16) };
        let ignored = ignored();
        for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup(), SignalKind::quit()] {
            if !ignored.contains(&kind.as_raw_value()) {
                tokio::spawn(signals.clone().end(signal(kind)?, kind.as_raw_value(), shutdown.clone()));
            }
        }
        for kind in [SignalKind::user_defined1(), SignalKind::user_defined2(), SignalKind::window_change()] {
            tokio::spawn(signals.clone().pass_on(signal(kind)?, kind.as_raw_value()));
        }
        Ok(signals)
    }

    /// The first signal that asked to end.
    pub fn first(&self) -> Option<i32> {
        Some(self.first.load(Ordering::Acquire)).filter(|signal| *signal != 0)
    }

    /// Those that are for the command, from now on.
    pub fn passed_on(&self) -> broadcast::Receiver<i32> {
        self.passed_on.subscribe()
    }

    async fn end(self, mut stream: Stream, number: i32, shutdown: CancellationToken) {
        while stream.recv().await.is_some() {
            if self.first.compare_exchange(0, number, Ordering::AcqRel, Ordering::Acquire).is_err() {
                self.hurry.cancel();
            }
            shutdown.cancel();
        }
    }

    async fn pass_on(self, mut stream: Stream, number: i32) {
        while stream.recv().await.is_some() {
            // Nobody listens while this worker does not lead.
            let _ = self.passed_on.send(number);
        }
    }
}

/// What this process was started to ignore, as by `nohup` (SIGHUP); the command inherits it. A way to end it
/// there always is.
fn ignored() -> Vec<i32> {
    #[cfg(target_os = "linux")]
    let mut ignored = crate::guardian::proc::ignored_signals();
    #[cfg(not(target_os = "linux"))]
    let mut ignored = Vec::new();
    ignored.retain(|signal| *signal != SignalKind::terminate().as_raw_value());
    ignored
}
