//! The renewal thread: one per process. Every election is decided on it, and every deadline of every term kept.
//!
//! It has a runtime of its own, so that a leader that blocks the runtime of its task can neither starve the renewals nor
//! delay its own cancellation. Nothing runs here but this crate: the stores' requests have [their threads](crate::requests),
//! and what belongs to users has [others](crate::user_code). Should it be late all the same, the
//! [watchdog](crate::watchdog) ends the terms in its place.

use std::sync::OnceLock;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind, Result};

struct Started {
    handle: Handle,
    process: u32,
}

/// The thread's runtime, started on first use. A failure to start it is not remembered: the next call tries again.
pub(crate) fn handle() -> Result<Handle> {
    static STARTED: OnceLock<Started> = OnceLock::new();
    let started = match STARTED.get() {
        Some(started) => started,
        None => {
            let (handle, stop) = start()?;
            let mut stop = Some(stop);
            STARTED.get_or_init(|| {
                // Lives as long as the process. One that lost the race drops its end, and its thread ends.
                std::mem::forget(stop.take());
                Started { handle, process: std::process::id() }
            })
        }
    };
    check_process(started.process)?;
    Ok(started.handle.clone())
}

/// Fails in a forked child: of all threads only the one that forked goes on there.
pub(crate) fn check_process(started_in: u32) -> Result<()> {
    if std::process::id() == started_in {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Runtime,
        "this process was forked from one that had started to elect, and has none of its threads: call exec after fork, or \
         fork before the first election",
    ))
}

fn start() -> Result<(Handle, oneshot::Sender<()>)> {
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Runtime, "the thread that renews leases could not be started").with_source(error)
    };
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let handle = runtime.handle().clone();
    let (stop, stopped) = oneshot::channel();
    std::thread::Builder::new()
        .name("leader-renewal".to_owned())
        .spawn(move || {
            // An error means that the other end was dropped, which ends the thread as well.
            let _ = runtime.block_on(stopped);
        })
        .map_err(failed)?;
    Ok((handle, stop))
}
