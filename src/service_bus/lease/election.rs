//! The port, on a seat at the service.

use std::fmt;
use std::sync::{Arc, Mutex as Short, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Mutex, Notify};
use tokio_util::task::AbortOnDropHandle;

use super::call::{carry_out, limit};
use super::cards::Looks;
use super::seat::{Asked, Seat};
use super::side::SideSession;
use crate::service_bus::address::Address;
use crate::service_bus::connection::Way;
use leader_election::{
    Acquire, AcquireRequest, Claim, DistributedMutex, Error, Observation, Renew, Result, SideName, SideRecord, Timing,
};

pub(super) struct Election {
    way: Arc<Way>,
    address: Address,
    seat: Arc<Mutex<Seat>>,
    looks: Looks,
    bells: Arc<Bells>,
    /// Takes the session back when its link falls under a leader. Started with the first attempt.
    keeper: Short<Option<AbortOnDropHandle<()>>>,
}

/// Who is woken when something happens to a link.
#[derive(Default)]
pub(super) struct Bells {
    /// A candidate, which looks again.
    pub(super) news: Notify,
    /// The keeper.
    pub(super) fallen: Notify,
}

impl Election {
    pub(super) fn new(way: Arc<Way>, address: Address, push: bool) -> Self {
        let bells = Arc::new(Bells::default());
        let seat = Seat::new(Arc::clone(&way), address.clone(), Arc::clone(&bells), push);
        Self {
            looks: Looks::new(Arc::clone(&way), address.clone()),
            way,
            address,
            seat: Arc::new(Mutex::new(seat)),
            bells,
            keeper: Short::default(),
        }
    }

    fn start_keeper(&self) {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        if keeper.as_ref().is_none_or(AbortOnDropHandle::is_finished) {
            let (seat, bells) = (Arc::downgrade(&self.seat), Arc::clone(&self.bells));
            *keeper = Some(AbortOnDropHandle::new(tokio::spawn(keep(seat, bells))));
        }
    }
}

/// A link can fall under a leader by the service's doing alone. The leader's next renewal may be seconds away, and whoever comes first has
/// the session; so it is taken back at once.
async fn keep(seat: Weak<Mutex<Seat>>, bells: Arc<Bells>) {
    loop {
        bells.fallen.notified().await;
        bells.news.notify_one();
        let Some(seat) = seat.upgrade() else { return };
        let mut seat = seat.lock().await;
        let limit = seat.limit();
        // What fails here is tried again by the renewal, which tells of it.
        match tokio::time::timeout(limit, seat.reclaim()).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => seat.after(&fault),
            Err(_) => seat.throw_away(),
        }
    }
}

impl fmt::Debug for Election {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Election").field(&self.address.to_string()).finish()
    }
}

#[async_trait]
impl DistributedMutex for Election {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        self.check_lease(request.claim.lease)?;
        self.start_keeper();
        let (asked, limit) = (Asked::of(request), limit(request.claim.lease));
        carry_out(&self.seat, &self.address, limit, "acquiring", |seat| Box::pin(seat.try_acquire(asked))).await
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        let (claim, limit) = (claim.clone(), limit(claim.lease));
        carry_out(&self.seat, &self.address, limit, "renewing", |seat| Box::pin(seat.renew(claim))).await
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        let (claim, limit) = (claim.clone(), limit(claim.lease));
        carry_out(&self.seat, &self.address, limit, "releasing", |seat| Box::pin(seat.release(claim))).await
    }

    async fn observe(&self) -> Result<Observation> {
        self.looks.observe().await
    }

    fn election(&self) -> &str {
        &self.address.session
    }

    fn check_lease(&self, lease: Duration) -> Result<()> {
        if (Timing::MIN_LEASE..=Timing::MAX_LEASE).contains(&lease) {
            return Ok(());
        }
        Err(Error::setting(format!("a lease on Service Bus must be between 1 s and an hour, not {lease:?}")))
    }

    fn side(&self, name: SideName) -> Option<Arc<dyn SideRecord>> {
        Some(Arc::new(SideSession::new(Arc::clone(&self.way), self.address.beside(name)?)))
    }

    async fn changed(&self) {
        self.bells.news.notified().await;
    }
}
