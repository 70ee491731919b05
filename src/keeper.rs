//! The keeper: one thread per process that pumps every election and drives every connection to a store.
//!
//! It has a runtime of its own, so that a leader that blocks the runtime of its task can neither starve the renewals nor
//! delay its own cancellation. A pooled connection is driven by the runtime that opened it; so whatever a store sends
//! has to be sent from here, [`run`] sees to that, or a renewal might ride on a connection that a blocked runtime drives.

use std::future::Future;
use std::sync::OnceLock;

use tokio::runtime::{Builder, Handle};
use tokio_util::task::AbortOnDropHandle;

use crate::error::{Error, ErrorKind, Result};

/// The keeper's runtime, started on first use.
pub(crate) fn handle() -> Result<&'static Handle> {
    static KEEPER: OnceLock<Result<Handle>> = OnceLock::new();
    KEEPER.get_or_init(start).as_ref().map_err(Clone::clone)
}

/// Runs a future on the keeper; in place when called there. Dropping the returned future drops it there.
pub(crate) async fn run<F>(future: F) -> Result<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let keeper = handle()?;
    if Handle::try_current().is_ok_and(|here| here.id() == keeper.id()) {
        return Ok(future.await);
    }
    AbortOnDropHandle::new(keeper.spawn(future))
        .await
        .map_err(|error| Error::new(ErrorKind::Runtime, "the store's code panicked").with_source(error))
}

fn start() -> Result<Handle> {
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Runtime, "the thread that renews leases could not be started").with_source(error)
    };
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("leader-keeper".to_owned())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))
        .map_err(failed)?;
    Ok(handle)
}
