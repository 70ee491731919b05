//! The signals that ask a process to end.

use std::io;
use std::sync::mpsc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

use crate::caught::caught_call;
use crate::error::{Error, ErrorKind, Result};

/// A signal that comes so soon after the first is taken for the same one: a terminal sends Ctrl-C to a program and to the one that
/// has started it, which often passes it on.
const ECHO: Duration = Duration::from_millis(500);

/// Cancelled when this process is asked to end: the `shutdown` of [`LeaderHost::run`](crate::LeaderHost::run) (feature `signal`).
///
/// It listens from now on to `SIGTERM` and `SIGINT` (Ctrl-C); on Windows to Ctrl-C, Ctrl-Break, and the end of the console, the
/// session or the machine. The first cancels the token, so the leader hands over. A second one ends the process at once by
/// [`std::process::exit`] with the status 130 (143 for `SIGTERM`): nothing is released, so another worker leads when the lease has
/// run out. What follows within 500 ms of the first counts as the same.
///
/// It has a thread of its own, `leader-signals`, so both work also while every thread of your runtime is blocked; it can be called
/// outside a runtime. Call it once, and give a clone to each host.
///
/// ```
/// use leader_election::{LeaderHost, Leadership, MemoryMutex, shutdown_signal};
///
/// async fn lead(leader: Leadership) {
///     leader.token().cancelled().await;
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> leader_election::Result<()> {
/// let host = LeaderHost::new(MemoryMutex::new());
/// # let shutdown_signal = || shutdown_signal().inspect(|token| token.cancel());
/// host.run(shutdown_signal()?, lead).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Runtime`](ErrorKind::Runtime) when the system refuses the thread or the signals' handlers.
#[cfg_attr(docsrs, doc(cfg(feature = "signal")))]
pub fn shutdown_signal() -> Result<CancellationToken> {
    let failed = |error| {
        Error::new(ErrorKind::Runtime, "the signals that end this process cannot be listened to").with_source(error)
    };
    let token = CancellationToken::new();
    let told = token.clone();
    let (ready, listens) = mpsc::channel();
    let listen = move || {
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(ready.send(Err(error))),
        };
        runtime.block_on(async {
            match Signals::listen() {
                Ok(signals) => {
                    drop(ready.send(Ok(())));
                    obey(signals, &told).await;
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        });
    };
    std::thread::Builder::new().name("leader-signals".to_owned()).spawn(listen).map_err(failed)?;
    // It answers as soon as the handlers are there.
    listens.recv().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())).map_err(failed)?;
    Ok(token)
}

async fn obey(mut signals: Signals, shutdown: &CancellationToken) {
    signals.next().await;
    // A waker that panics must not cost the second signal.
    drop(caught_call(|| shutdown.cancel()));
    let echoes = async {
        loop {
            signals.next().await;
        }
    };
    drop(tokio::time::timeout(ECHO, echoes).await);
    let status = signals.next().await;
    std::process::exit(status);
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// The exit status of a process that the next signal ends.
    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
        }
    }
}

#[cfg(windows)]
struct Signals {
    ctrl_c: tokio::signal::windows::CtrlC,
    ctrl_break: tokio::signal::windows::CtrlBreak,
    close: tokio::signal::windows::CtrlClose,
    logoff: tokio::signal::windows::CtrlLogoff,
    shutdown: tokio::signal::windows::CtrlShutdown,
}

#[cfg(windows)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::windows;
        Ok(Self {
            ctrl_c: windows::ctrl_c()?,
            ctrl_break: windows::ctrl_break()?,
            close: windows::ctrl_close()?,
            logoff: windows::ctrl_logoff()?,
            shutdown: windows::ctrl_shutdown()?,
        })
    }

    /// The exit status of a process that the next one ends.
    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.ctrl_c.recv() => {}
            _ = self.ctrl_break.recv() => {}
            _ = self.close.recv() => {}
            _ = self.logoff.recv() => {}
            _ = self.shutdown.recv() => {}
        }
        130
    }
}

/// Of other systems: there are none.
#[cfg(not(any(unix, windows)))]
struct Signals;

#[cfg(not(any(unix, windows)))]
impl Signals {
    fn listen() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn next(&mut self) -> i32 {
        std::future::pending().await
    }
}
