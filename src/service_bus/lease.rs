//! Electing on a session of a queue.

mod call;
mod cards;
mod election;
mod seat;
mod side;
mod waiting;

use std::fmt;
use std::sync::Arc;

use azure_core::credentials::Secret;

use super::access::Access;
use super::address::{Address, ServiceBusQueue};
use super::connection::Way;
use crate::shared_credential::SharedCredential;
use election::Election;
use leader_election::{
    Result,
    kit::{OnRequestThreads, delegate_mutex},
};
use leader_election_http::Trust;

/// Elects on a session of an Azure Service Bus queue.
///
/// The queue must have sessions (`requiresSession`), and each election is the session of its name. The worker that holds the session is
/// the only one that can write its state, where the leader record stands. **The session's lock is no lease**: it hangs on an AMQP link, and
/// when that falls the session is free at once, whatever time the lock had left. So the lock only puts the writers in order. Time comes
/// from waiting: who gets the session and finds a leader on record that has not released keeps the session for that leader's whole
/// lease, on its own clock and on that one link, and leads then. So failover takes a lease, and after a leader that stands still without
/// losing its connection the queue's `lockDuration` besides: let that be short, 10 s for a lease of 15 s, and above
/// [`renew_every`](crate::TimingOptions::renew_every) and [`poll_every`](crate::TimingOptions::poll_every). Leases take 1 s to an hour.
///
/// A message in the session, the *card*, names the leader to those who [observe](crate::DistributedMutex::observe); it is sent with each
/// term and each release, and older ones are completed. A leader that died stays on the card until another one leads: the observation
/// has no version by which one could tell.
///
/// With Entra ID the identity needs the roles *Azure Service Bus Data Receiver* and *Azure Service Bus Data Sender* on the queue; a
/// connection string needs Listen and Send. Namespaces of the tier Basic have no sessions. Let the queue not be partitioned. After a failover by
/// geo-disaster recovery, which copies no messages, and after a state was wiped, fencing tokens follow the service's clock.
///
/// It has no [operator](crate::DistributedMutex::operator): only who has the session can write the record, so nobody else can break a lease. To end
/// a term, stop its worker; another leads after a lease. Its [side records](crate::DistributedMutex::side) are the sessions `ELECTION.NAME`.
///
/// Requests are sent from threads of the crate's own, on a connection of this mutex' own; one that is dropped half-way is carried out or
/// given up within 6 s. No secret is in `Debug`, errors or traces.
///
/// ```no_run
/// use azure_identity::ManagedIdentityCredential;
/// use azure_leader_election::{ServiceBusDistributedMutex, ServiceBusQueue};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let elections = ServiceBusQueue::new("sb://mynamespace.servicebus.windows.net/elections")?;
/// let mutex = ServiceBusDistributedMutex::new(elections, "nightly-billing", ManagedIdentityCredential::new(None)?)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ServiceBusDistributedMutex {
    address: Address,
    access: Access,
    election: OnRequestThreads<Election>,
}

/// Settings of a [`ServiceBusDistributedMutex`] that are rarely needed.
///
/// ```
/// use azure_leader_election::{ServiceBusDistributedMutex, ServiceBusMutexOptions, ServiceBusQueue};
///
/// let queue = ServiceBusQueue::new("sb://mynamespace.servicebus.windows.net/nightly-billing")?;
/// let key = "Endpoint=sb://mynamespace.servicebus.windows.net/;SharedAccessKeyName=elect;SharedAccessKey=a2V5";
/// let mutex = ServiceBusDistributedMutex::with_connection_string(queue, "nightly-billing", key.into())?
///     .with_options(ServiceBusMutexOptions { push: true, ..ServiceBusMutexOptions::default() })?;
/// # Ok::<(), azure_leader_election::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct ServiceBusMutexOptions {
    /// Whether a standby waits at the service, which hands it the session as soon as that is free, rather than at its next poll. The
    /// service hands out whichever session is free, so **the queue must have no other election** and no side records. Default `false`.
    pub push: bool,
    /// The authorities to trust for the server's certificate, and no others, in PEM: for a test server. With them the connection is
    /// by TLS on loopback too. Default: those that the machine trusts.
    pub authorities: Option<Vec<u8>>,
}

impl fmt::Debug for ServiceBusMutexOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceBusMutexOptions")
            .field("push", &self.push)
            .field("authorities", &self.authorities.is_some())
            .finish()
    }
}

impl ServiceBusDistributedMutex {
    /// The session `election` of the queue, with an Entra ID credential.
    ///
    /// `credential` is any `Arc` of a `TokenCredential`, which this mutex then signs in by on a thread of its own, apart from
    /// its requests; or a [`SharedCredential`], which several elections share.
    ///
    /// # Errors
    /// [`InvalidSetting`](crate::ErrorKind::InvalidSetting) for a name that cannot be: 1 to 128 ASCII letters, digits, `.`, `-` and
    /// `_`, not beginning with a dot and not ending in `.wish`, `.runs` or `.terms`; and on a machine without certificate authorities. Nothing is sent yet.
    pub fn new(queue: ServiceBusQueue, election: &str, credential: impl Into<SharedCredential>) -> Result<Self> {
        Self::open(queue, election, Access::Credential(credential.into()))
    }

    /// As [`new`](Self::new), with a connection string: `Endpoint=sb://...;SharedAccessKeyName=...;SharedAccessKey=...`, of the namespace or
    /// of the queue. It is shown nowhere.
    ///
    /// # Errors
    /// As [`new`](Self::new), and for a text that is no connection string of this queue's namespace.
    pub fn with_connection_string(queue: ServiceBusQueue, election: &str, connection_string: Secret) -> Result<Self> {
        let access = Access::of_connection_string(&connection_string, &queue)?;
        Self::open(queue, election, access)
    }

    /// As [`new`](Self::new), on an emulator on this machine, by the key that Microsoft's has.
    ///
    /// # Errors
    /// As [`new`](Self::new), and for a queue that is not on loopback.
    pub fn for_emulator(queue: ServiceBusQueue, election: &str) -> Result<Self> {
        if !queue.is_on_loopback() {
            return Err(leader_election::Error::setting(format!(
                "{queue} is not on this machine: give a credential or a connection string"
            )));
        }
        Self::open(queue, election, Access::of_emulator())
    }

    /// Replaces the options.
    ///
    /// # Errors
    /// [`InvalidSetting`](crate::ErrorKind::InvalidSetting) for an authority that is no certificate.
    pub fn with_options(self, options: ServiceBusMutexOptions) -> Result<Self> {
        Self::made(self.address, self.access, options)
    }

    fn open(queue: ServiceBusQueue, election: &str, access: Access) -> Result<Self> {
        Self::made(Address::of_election(queue, election)?, access, ServiceBusMutexOptions::default())
    }

    fn made(address: Address, access: Access, options: ServiceBusMutexOptions) -> Result<Self> {
        let trust = Trust { authorities: options.authorities, identity: None };
        let way = Way::new(address.queue.clone(), access.clone(), &trust)?;
        let election = Election::new(Arc::new(way), address.clone(), options.push);
        Ok(Self { address, access, election: OnRequestThreads::new(election) })
    }
}

impl fmt::Debug for ServiceBusDistributedMutex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServiceBusDistributedMutex").field(&self.address.to_string()).finish()
    }
}

delegate_mutex!(ServiceBusDistributedMutex, election);
