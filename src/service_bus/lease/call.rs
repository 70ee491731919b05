//! A call of the port, which goes on when its caller drops it.
//!
//! A link that is torn out half-way through an accept leaves a session behind that nobody knows of, and the next attempt is refused by
//! it. So each call is carried out by a task of its own, within a limit of its own; whoever calls only waits for it. After a call without
//! an answer the connection is thrown away.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::seat::Seat;
use crate::service_bus::address::Address;
use crate::service_bus::errors::{self, Fault};
use leader_election::{Error, ErrorKind, Result};

pub(super) type Doing<'a, T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send + 'a>>;

/// How long a call may take: the attempt timeout that goes with the lease by default, and no less than a second.
pub(super) fn limit(lease: Duration) -> Duration {
    (lease / 5).clamp(Duration::from_secs(1), Duration::from_secs(6))
}

pub(super) async fn carry_out<T, F>(
    seat: &Arc<Mutex<Seat>>,
    address: &Address,
    limit: Duration,
    doing: &'static str,
    work: F,
) -> Result<T>
where
    T: Send + 'static,
    F: for<'a> FnOnce(&'a mut Seat) -> Doing<'a, T> + Send + 'static,
{
    let (seat, address) = (Arc::clone(seat), address.clone());
    let task = tokio::spawn(async move {
        // Whatever has it is bounded as well.
        let Ok(mut seat) = tokio::time::timeout(limit, seat.lock_owned()).await else {
            return Err(errors::too_late(doing, &address));
        };
        match tokio::time::timeout(limit, work(&mut seat)).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(fault)) => {
                seat.after(&fault);
                Err(fault.explain(doing, &address))
            }
            Err(_) => {
                seat.throw_away();
                Err(errors::too_late(doing, &address))
            }
        }
    });
    task.await.map_err(|error| Error::new(ErrorKind::Runtime, "the store's code panicked").with_source(error))?
}
