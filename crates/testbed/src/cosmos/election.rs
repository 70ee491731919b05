//! One election on the emulator, and how a host behaves in it.

use std::time::Duration;

use azure_core::credentials::Secret;
use azure_leader_election::{
    Acquire, AcquireRequest, Claim, CosmosAddress, CosmosDistributedMutex, DistributedMutex, Error, Grant, HolderId,
    Renew, Result,
};

use super::{Emulator, EmulatorOptions, KEY};

pub const DATABASE: &str = "workers";
pub const CONTAINER: &str = "leaders";
pub const ELECTION: &str = "nightly";

/// An account with the container that the elections are held in.
pub fn emulator(options: EmulatorOptions) -> Emulator {
    let emulator = Emulator::start(options);
    emulator.create_container(DATABASE, CONTAINER);
    emulator
}

/// The container that the elections are held in.
pub fn address(emulator: &Emulator) -> CosmosAddress {
    CosmosAddress::new(&emulator.endpoint(), DATABASE, CONTAINER).expect("valid")
}

/// A mutex with a connection of its own, as from another process.
pub fn mutex(emulator: &Emulator) -> CosmosDistributedMutex {
    CosmosDistributedMutex::with_key(address(emulator), ELECTION, Secret::new(KEY)).expect("valid")
}

pub fn claim(holder: &str) -> Claim {
    Claim::new(HolderId::new(holder).expect("valid"), Duration::from_secs(60))
}

/// Repeats an acquire as a host does: transient failures make the claim unsettled.
pub async fn acquire(mutex: &CosmosDistributedMutex, claim: &Claim) -> Grant {
    let mut unsettled = false;
    loop {
        match mutex.try_acquire(AcquireRequest::new(claim).with_unsettled(unsettled)).await {
            Ok(Acquire::Granted(grant)) => return grant,
            Ok(Acquire::Held(_)) => {}
            Err(error) => {
                assert!(error.is_transient(), "contention and faults are no refusal: {error}");
                unsettled = true;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Repeats a release until it has an answer.
pub async fn release(mutex: &CosmosDistributedMutex, claim: &Claim) {
    while let Err(error) = mutex.release(claim).await {
        assert!(error.is_transient(), "{error}");
    }
}

/// Repeats a renewal until it has an answer.
pub async fn renew(mutex: &CosmosDistributedMutex, claim: &Claim) -> Renew {
    loop {
        match mutex.renew(claim).await {
            Ok(answer) => return answer,
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
    }
}

/// Repeats a request until it is refused: on a busy machine any may be without an answer.
pub async fn refused<T: std::fmt::Debug>(mut request: impl AsyncFnMut() -> Result<T>) -> Error {
    loop {
        match request().await {
            Err(error) if error.is_transient() => {}
            other => return other.expect_err("refused"),
        }
    }
}
