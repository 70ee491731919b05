//! The store of an election, opened.

use std::fmt;
use std::time::Duration;

use azure_leader_election::check::Check;
use azure_leader_election::{DistributedMutex, Error, ErrorKind, Observation, Store, StoreOptions, StoreUrl, Timing};

use crate::arguments::{Where, Which};
use crate::environment::environment;
use crate::exit::{Failure, USAGE};
use crate::output::words;
use crate::sign_in::{etcd_sign_in, kube_sign_in, sign_in};

/// What the store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To contend: what is absent is created, where that takes no further right.
    Contend,
    /// To look: nothing is created.
    Look,
}

/// A place where elections are kept, and by what right it is opened.
#[derive(Debug, Clone)]
pub struct Place {
    url: StoreUrl,
    options: StoreOptions,
}

impl Place {
    /// Signs in where that is needed; nothing is sent yet.
    pub fn read(place: &Where, purpose: Purpose) -> Result<Self, Failure> {
        let url: StoreUrl = place.store.parse().map_err(|refusal: Error| Failure::new(USAGE, refusal.to_string()))?;
        let mut options = StoreOptions {
            cosmos_key: environment("COSMOS_KEY").map(Into::into),
            redis_password: environment("REDIS_PASSWORD").map(Into::into),
            service_bus_connection_string: environment("SERVICEBUS_CONNECTION_STRING").map(Into::into),
            create: purpose == Purpose::Contend,
            ..StoreOptions::default()
        };
        // Files are read for a store that asks for them, and for no other.
        if url.to_string().contains("etcd://") {
            options.etcd = etcd_sign_in()?;
        }
        if url.to_string().starts_with("kube:") {
            options.kube = kube_sign_in()?;
        }
        if url.needs_credential(&options) {
            options.credential = Some(sign_in(place.credential)?);
        }
        Ok(Self { url, options })
    }

    /// The election of this name; nothing is sent yet.
    pub fn election(&self, name: &str) -> Result<Opened, Failure> {
        let store = self.url.open(name, self.options.clone())?;
        Ok(Opened { store, election: name.to_owned() })
    }

    /// A check of this place, for workers of this timing; nothing is sent yet.
    pub fn check(&self, timing: Timing) -> Result<Check, Failure> {
        Ok(Check::new(&self.url, self.options.clone(), timing)?)
    }

    pub fn url(&self) -> &StoreUrl {
        &self.url
    }

    /// The names of all elections, in order.
    pub async fn elections(&self, limit: Duration) -> Result<Vec<String>, Failure> {
        Ok(within(limit, &self.url, self.url.elections(self.options.clone())).await?)
    }
}

/// The URL, without its query.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

/// An election in its store.
#[derive(Debug, Clone)]
pub struct Opened {
    pub store: Store,
    pub election: String,
}

impl Opened {
    /// Nothing is sent yet.
    pub fn open(which: &Which, purpose: Purpose) -> Result<Self, Failure> {
        Place::read(&which.place, purpose)?.election(&which.election)
    }

    /// Looks, without contending.
    pub async fn look(&self, limit: Duration) -> azure_leader_election::Result<Observation> {
        self.within(limit, self.store.observe()).await
    }

    /// Gives up a request after that time.
    pub async fn within<T>(
        &self,
        limit: Duration,
        request: impl Future<Output = azure_leader_election::Result<T>>,
    ) -> azure_leader_election::Result<T> {
        within(limit, self.store.url(), request).await
    }
}

async fn within<T>(
    limit: Duration,
    place: &StoreUrl,
    request: impl Future<Output = azure_leader_election::Result<T>>,
) -> azure_leader_election::Result<T> {
    tokio::time::timeout(limit, request).await.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Timeout, format!("{place} gave no answer within {}", words(limit))))
    })
}
