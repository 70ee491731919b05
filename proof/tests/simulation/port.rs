//! A process's way to the store: it tells the monitor of each request, and stands still with the process.

use std::sync::Arc;

use leader_election::document::{DocumentMutex, DocumentStore, Record, Stored, Written};
use leader_election::{
    Acquire, AcquireRequest, Claim, DistributedMutex, Observation, Operation, Renew, Result, Sources, async_trait,
};

use testkit::Answer;

use super::clock::{HostClock, gated};
use super::monitor::Call;
use super::network::travel;
use super::store::{Effect, Service};
use super::world::World;

/// A mutex as one process has it.
#[derive(Debug)]
pub struct SimulatedMutex {
    world: Arc<World>,
    process: usize,
    clock: Arc<HostClock>,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Lease(LeaseClient),
    Document(Box<DocumentMutex<DocumentClient>>),
}

impl SimulatedMutex {
    pub fn new(world: &Arc<World>, process: usize, clock: &Arc<HostClock>, sources: Sources) -> Self {
        let world = Arc::clone(world);
        let way = if world.plan.document {
            let mutex = DocumentMutex::new(DocumentClient { world: Arc::clone(&world), process });
            Way::Document(Box::new(mutex.with_sources(sources)))
        } else {
            Way::Lease(LeaseClient { world: Arc::clone(&world), process })
        };
        Self { world, process, clock: Arc::clone(clock), way }
    }

    /// Tells of a request, and waits for ever if its sender has gone mad.
    async fn send(&self, operation: Operation, claim: &Claim, lapsed: bool, unsettled: bool) -> InFlight<'_> {
        let now = self.world.now();
        let call = self.world.state().monitor.sent(now, self.process, operation, claim, lapsed, unsettled);
        match call {
            Some(call) => InFlight { world: &self.world, call: Some(call) },
            None => std::future::pending().await,
        }
    }
}

/// A request whose sender waits for it.
struct InFlight<'w> {
    world: &'w World,
    call: Option<Call>,
}

impl InFlight<'_> {
    fn lands(mut self) -> Call {
        self.call.take().expect("it lands once")
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.call {
            let now = self.world.now();
            self.world.state().monitor.unanswered(now, call);
        }
    }
}

#[async_trait]
impl DistributedMutex for SimulatedMutex {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        let (claim, lapsed) = (request.claim, request.lapsed);
        let in_flight = self.send(Operation::Acquire, claim, lapsed.is_some(), request.unsettled).await;
        let answer = gated(&self.clock, async {
            match &self.way {
                Way::Lease(client) => client.try_acquire(request).await,
                Way::Document(mutex) => mutex.try_acquire(request).await,
            }
        });
        let answer = answer.await;
        let now = self.world.now();
        self.world.state().monitor.answered(now, in_flight.lands(), Answer::from(&answer));
        answer
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        let in_flight = self.send(Operation::Renew, claim, false, false).await;
        let answer = gated(&self.clock, async {
            match &self.way {
                Way::Lease(client) => client.renew(claim).await,
                Way::Document(mutex) => mutex.renew(claim).await,
            }
        });
        let answer = answer.await;
        let now = self.world.now();
        self.world.state().monitor.answered(now, in_flight.lands(), Answer::from(&answer));
        answer
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        let in_flight = self.send(Operation::Release, claim, false, false).await;
        let answer = gated(&self.clock, async {
            match &self.way {
                Way::Lease(client) => client.release(claim).await,
                Way::Document(mutex) => mutex.release(claim).await,
            }
        });
        let answer = answer.await;
        let now = self.world.now();
        self.world.state().monitor.answered(now, in_flight.lands(), Answer::from(&answer));
        answer
    }

    async fn observe(&self) -> Result<Observation> {
        Ok(Observation::default())
    }

    async fn changed(&self) {
        if self.world.plan.rules.pushes {
            gated(&self.clock, self.world.releases.notified()).await;
        } else {
            std::future::pending().await
        }
    }
}

/// One request for each operation, to a service that lets leases expire.
#[derive(Debug)]
struct LeaseClient {
    world: Arc<World>,
    process: usize,
}

impl LeaseClient {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        let (claim, unsettled) = (request.claim.clone(), request.unsettled);
        travel(&self.world, self.process, move |service, now| match service {
            Service::Lease(service) => {
                Effect::of(service.acquire(now, AcquireRequest::new(&claim).with_unsettled(unsettled)), claim.id)
            }
            Service::Document(_) => unreachable!("a schedule has one store"),
        })
        .await
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        let claim = claim.clone();
        travel(&self.world, self.process, move |service, now| match service {
            Service::Lease(service) => Effect::of(service.renew(now, claim.id), claim.id),
            Service::Document(_) => unreachable!("a schedule has one store"),
        })
        .await
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        let claim = claim.clone();
        travel(&self.world, self.process, move |service, now| match service {
            Service::Lease(service) => Effect::of(service.release(now, claim.id), claim.id),
            Service::Document(_) => unreachable!("a schedule has one store"),
        })
        .await
    }
}

/// A document behind the same network; what is built on it is the product's own.
#[derive(Debug)]
struct DocumentClient {
    world: Arc<World>,
    process: usize,
}

impl DocumentClient {
    /// A write that was carried out may be answered as refused.
    async fn write(
        &self,
        serve: impl Fn(&mut super::store::DocumentService) -> Effect<Written> + Send + Sync + 'static,
    ) -> Result<Written> {
        let written = travel(&self.world, self.process, move |service, _| match service {
            Service::Document(service) => serve(service),
            Service::Lease(_) => unreachable!("a schedule has one store"),
        })
        .await?;
        let mut state = self.world.state();
        if matches!(written, Written::Done(_)) && state.network.is_phantom() {
            state.monitor.log.count("phantom conflict");
            return Ok(Written::Conflict);
        }
        Ok(written)
    }
}

#[async_trait]
impl DocumentStore for DocumentClient {
    type Rest = ();

    async fn read(&self) -> Result<Option<Stored<()>>> {
        travel(&self.world, self.process, |service, now| match service {
            Service::Document(service) => service.read(now),
            Service::Lease(_) => unreachable!("a schedule has one store"),
        })
        .await
    }

    async fn create(&self, record: &Record) -> Result<Written> {
        let record = record.clone();
        self.write(move |service| service.create(&record)).await
    }

    async fn replace(&self, seen: &Stored<()>, record: &Record) -> Result<Written> {
        let (version, record) = (seen.version.clone(), record.clone());
        self.write(move |service| service.replace(&version, &record)).await
    }
}
