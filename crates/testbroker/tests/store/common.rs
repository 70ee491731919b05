//! What the tests share: a broker each, elections on it, and claims.

use std::net::SocketAddr;
use std::time::Duration;

use azure_leader_election::{
    Acquire, AcquireRequest, Claim, DistributedMutex, FencingToken, Held, HolderId, ServiceBusDistributedMutex,
    ServiceBusQueue,
};
use testbroker::{Broker, Settings};

pub const QUEUE: &str = "elections";

pub fn broker(lock: Duration) -> Broker {
    Broker::start(Settings { lock, ..Settings::default() })
}

pub fn queue_at(address: SocketAddr, queue: &str) -> ServiceBusQueue {
    ServiceBusQueue::new(&format!("sb://{address}/{queue}")).expect("valid")
}

/// A mutex as of a process of its own.
pub fn mutex(broker: &Broker, election: &str) -> ServiceBusDistributedMutex {
    mutex_at(broker.address(), election)
}

pub fn mutex_at(address: SocketAddr, election: &str) -> ServiceBusDistributedMutex {
    let key = testbroker::connection_string(address).into();
    ServiceBusDistributedMutex::with_connection_string(queue_at(address, QUEUE), election, key).expect("valid")
}

pub fn claim(holder: &str, lease: Duration) -> Claim {
    Claim::new(HolderId::new(holder).expect("valid"), lease)
}

pub async fn granted(mutex: &impl DistributedMutex, request: impl Into<AcquireRequest<'_>>) -> FencingToken {
    match mutex.try_acquire(request.into()).await {
        Ok(Acquire::Granted(grant)) => grant.fencing_token,
        other => panic!("not granted: {other:?}"),
    }
}

pub async fn held(mutex: &impl DistributedMutex, request: impl Into<AcquireRequest<'_>>) -> Held {
    match mutex.try_acquire(request.into()).await {
        Ok(Acquire::Held(held)) => held,
        other => panic!("not held: {other:?}"),
    }
}

/// Asks until something has come about.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    for _ in 0..1_000 {
        if let Some(found) = ask().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came about: {what}");
}
