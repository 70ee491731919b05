//! Where a check writes: elections of random names, all of which are remembered.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::store::{Store, StoreOptions, StoreUrl};
use leader_election::{
    Acquire, AcquireRequest, Claim, DistributedMutex, Error, ErrorKind, Grant, HolderId, Result, Sources, Timing,
};

/// For one request.
const LIMIT: Duration = Duration::from_secs(20);

#[derive(Clone)]
pub(crate) struct Ground {
    url: StoreUrl,
    options: StoreOptions,
    timing: Timing,
    prefix: Arc<str>,
    names: Arc<Mutex<BTreeSet<String>>>,
    /// Between a step and the store, where a test has something there.
    #[cfg(test)]
    pub(super) between: Option<fn(Store) -> Store>,
}

impl Ground {
    pub(super) fn new(url: StoreUrl, mut options: StoreOptions, timing: Timing) -> Self {
        let random = Sources::system().uuid().simple().to_string();
        let prefix = format!("leader-check-{}", &random[..8]).into();
        // It is a look at what others have: nothing is created but the elections themselves.
        options.create = false;
        Self {
            url,
            options,
            timing,
            prefix,
            names: Arc::default(),
            #[cfg(test)]
            between: None,
        }
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn timing(&self) -> &Timing {
        &self.timing
    }

    /// An election for the step of this number, which is removed at the end.
    pub(crate) fn name(&self, number: &str) -> String {
        let name = format!("{}-{}", self.prefix, number.to_lowercase());
        self.names.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
        name
    }

    pub(super) fn names(&self) -> BTreeSet<String> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same, opened.
    pub(crate) fn election(&self, number: &str) -> Result<Store> {
        let store = self.url.open(&self.name(number), self.options.clone())?;
        #[cfg(test)]
        let store = self.between.map_or_else(|| store.clone(), |between| between(store.clone()));
        Ok(store)
    }

    /// An election that is not written to.
    pub(super) fn unused(&self) -> Result<Store> {
        self.url.open(&format!("{}-look", self.prefix), self.options.clone())
    }

    pub(super) async fn look(&self) -> Result<()> {
        within(self.unused()?.observe()).await.map(drop)
    }

    /// The shortest lease that the store grants, which is the quickest to run out.
    pub(super) fn shortest_lease(&self, store: &Store) -> Duration {
        let mut lengths = [1, 2, 5, 10, 15].map(Duration::from_secs).into_iter();
        lengths.find(|lease| store.check_lease(*lease).is_ok()).unwrap_or(self.timing.lease())
    }
}

/// A candidate for that lease.
pub(super) fn claim(holder: &str, lease: Duration) -> Result<Claim> {
    Ok(Claim::new(HolderId::new(holder)?, lease))
}

/// Takes a lease that nobody else wants.
pub(super) async fn take(store: &Store, claim: &Claim) -> Result<Grant> {
    match within(store.try_acquire(AcquireRequest::new(claim))).await? {
        Acquire::Granted(grant) => Ok(grant),
        Acquire::Held(_) => Err(Error::new(ErrorKind::Refused, "held, although nobody else knows of this election")),
    }
}

/// Gives up a request that has no answer.
pub(crate) async fn within<T>(request: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(LIMIT, request).await.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Timeout, format!("the store gave no answer within {} s", LIMIT.as_secs())))
    })
}
