//! How an election on a blob was opened: where it is, by what right, and with which options.

use std::fmt;

use azure_storage_blob::BlobContainerClient;
use std::sync::Arc;

use super::address::Address;
use super::lease::BlobMutexOptions;
use super::place::Place;
use super::transport::{self, Access};
use crate::shared_credential::SharedCredential;
use leader_election::{Error, Result, SideName};
use leader_election_http::tls;

#[derive(Clone)]
pub(super) struct Opened {
    pub(super) address: Address,
    pub(super) access: Access,
    options: BlobMutexOptions,
}

impl Opened {
    pub(super) fn azure(container_url: &str, name: &str, credential: SharedCredential) -> Result<Self> {
        Self::new(Address::azure(container_url, name, false)?, Access::Credential(credential))
    }

    pub(super) fn signed(container_sas_url: &str, name: &str) -> Result<Self> {
        Self::new(Address::azure(container_sas_url, name, true)?, Access::Url)
    }

    pub(super) fn emulator(container_url: &str, name: &str) -> Result<Self> {
        let address = Address::emulator(container_url, name)?;
        let access = Access::of_emulator(&address);
        Self::new(address, access)
    }

    pub(super) fn emulator_elsewhere(container_url: &str, name: &str) -> Result<Self> {
        let address = Address::emulator_elsewhere(container_url, name)?;
        let access = if address.has_query() { Access::Url } else { Access::EmulatorKey };
        Self::new(address, access)
    }

    pub(super) fn client(client: BlobContainerClient, name: &str) -> Result<Self> {
        let address = Address::of_client(client.url(), name)?;
        Self::new(address, Access::Client(Arc::new(client)))
    }

    fn new(address: Address, access: Access) -> Result<Self> {
        SideName::check_election(address.blob_name())?;
        // What takes long is done here, and not on the thread that renews; once for the process. Its failure is told by the
        // first request, unless a transport of the caller's stands in by then.
        if !matches!(access, Access::Client(_)) {
            let _ = tls::prepare();
        }
        Ok(Self { address, access, options: BlobMutexOptions::default() })
    }

    pub(super) fn with_options(self, options: BlobMutexOptions) -> Result<Self> {
        if options.transport.is_some() && matches!(self.access, Access::Client(_)) {
            return Err(Error::setting(
                "a container client of your own keeps its transport: set that where you make the client",
            ));
        }
        Ok(Self { options, ..self })
    }

    /// A transport or a client of the caller's may be bound to another runtime than that of the requests.
    pub(super) fn is_callers(&self) -> bool {
        self.options.transport.is_some() || matches!(self.access, Access::Client(_))
    }

    pub(super) fn place(&self) -> Result<Place> {
        let transport = match (&self.options.transport, &self.access) {
            (None, Access::Client(_)) => None,
            (None, _) => Some(transport::own(&self.address)?),
            (Some(own), _) => Some(own.clone()),
        };
        let container = self.access.container_client(&self.address, transport)?;
        let (address, access) = (self.address.clone(), self.access.clone());
        Ok(Place { container, address, access, create: self.options.create })
    }
}

impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}
