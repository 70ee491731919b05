//! Queues of Service Bus, in Azure and in an emulator.

use std::fmt;
use std::sync::Arc;

use leader_election::{DistributedMutex, Error, Result};

use super::StoreOptions;
use super::address::{FromUrl, Place};
use super::given::Given;

#[derive(PartialEq, Eq)]
pub(super) struct Sessions {
    /// Without credentials, which the scheme keeps out.
    pub(super) url: String,
}

impl FromUrl for Sessions {
    const EXAMPLE: &'static str = "sb://NAMESPACE.servicebus.windows.net/QUEUE";

    fn read(given: &Given<'_>) -> Result<Option<Self>> {
        if given.scheme != "sb" {
            return Ok(None);
        }
        let (authority, queue) =
            given.rest.strip_prefix("//").and_then(|rest| rest.split_once('/')).unwrap_or_default();
        let queue = queue.trim_end_matches('/');
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:[]".contains(&byte);
        if authority.is_empty() || queue.is_empty() || !given.rest.bytes().all(allowed) {
            return Err(Error::setting(
                "a store on Service Bus is sb://NAMESPACE.servicebus.windows.net/QUEUE, and no more: a connection string is given apart (to the \
                 command `leader` by SERVICEBUS_CONNECTION_STRING, to the library by `StoreOptions::service_bus_connection_string`)",
            ));
        }
        Ok(Some(Self { url: format!("sb://{}/{queue}", authority.to_ascii_lowercase()) }))
    }
}

impl Place for Sessions {
    #[cfg(feature = "service-bus")]
    fn needs_credential(&self, options: &StoreOptions) -> bool {
        let queue = crate::service_bus::ServiceBusQueue::new(&self.url);
        options.service_bus_connection_string.is_none() && !queue.is_ok_and(|queue| queue.is_on_loopback())
    }

    #[cfg(feature = "service-bus")]
    fn open(&self, election: &str, options: StoreOptions) -> Result<Arc<dyn DistributedMutex>> {
        use crate::service_bus::{ServiceBusDistributedMutex, ServiceBusQueue};

        let queue = ServiceBusQueue::new(&self.url)?;
        let mutex = match (options.service_bus_connection_string, options.credential) {
            (Some(key), _) => ServiceBusDistributedMutex::with_connection_string(queue, election, key)?,
            (None, _) if queue.is_on_loopback() => ServiceBusDistributedMutex::for_emulator(queue, election)?,
            (None, Some(credential)) => ServiceBusDistributedMutex::new(queue, election, credential)?,
            (None, None) => {
                return Err(Error::setting(format!(
                    "{self} takes a credential or a connection string: set `StoreOptions::credential` or \
                     `StoreOptions::service_bus_connection_string`"
                )));
            }
        };
        Ok(Arc::new(mutex))
    }

    #[cfg(not(feature = "service-bus"))]
    fn open(&self, _: &str, _: StoreOptions) -> Result<Arc<dyn DistributedMutex>> {
        Err(super::address::built_without("service-bus", self))
    }
}

impl fmt::Display for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}
