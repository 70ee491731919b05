//! The way of a fenced blob's requests to the service.

use std::sync::Arc;
use std::time::Duration;

use azure_storage_blob::{BlobClient, BlobContainerClient};
use tokio::sync::OnceCell;

use super::errors;
use crate::blob::address::Address;
use crate::blob::transport::{self, Access};
use crate::shared_credential::SharedCredential;
use crate::signed_in::SignIn;
use leader_election::{Error, ErrorKind, Result};

/// How long an operation waits for its access token at most, however long it may take itself.
const SIGNING_IN: Duration = Duration::from_secs(14);

pub(super) struct Way {
    address: Address,
    /// Of a client that was made here. What a client of the caller's waits for is not known.
    own: Option<Own>,
}

struct Own {
    access: Access,
    container: Arc<BlobContainerClient>,
    /// Of an emulator the container is created, which nobody deploys there.
    created: OnceCell<()>,
}

impl Way {
    pub(super) fn of_client(container: &BlobContainerClient, name: &str) -> Result<(Arc<Self>, BlobClient)> {
        let address = Address::of_client(container.url(), name)?;
        Ok((Arc::new(Self { address, own: None }), container.blob_client(name)))
    }

    pub(super) fn by_credential(
        container_url: &str,
        name: &str,
        credential: SharedCredential,
    ) -> Result<(Arc<Self>, BlobClient)> {
        Self::made(Address::azure(container_url, name, false)?, Access::Credential(credential))
    }

    pub(super) fn to_emulator(container_url: &str, name: &str) -> Result<(Arc<Self>, BlobClient)> {
        let address = Address::emulator(container_url, name)?;
        let access = Access::of_emulator(&address);
        Self::made(address, access)
    }

    fn made(address: Address, access: Access) -> Result<(Arc<Self>, BlobClient)> {
        let container = access.client_with_retries(&address, transport::patient(&address)?)?;
        let blob = container.blob_client(address.blob_name());
        let own = Some(Own { access, container, created: OnceCell::new() });
        Ok((Arc::new(Self { address, own }), blob))
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Carries out an operation, and bounds it.
    pub(super) async fn within<T>(&self, limit: Duration, operation: impl Future<Output = Result<T>>) -> Result<T> {
        let opened = async {
            self.open(limit).await?;
            operation.await
        };
        tokio::time::timeout(limit, opened).await.unwrap_or_else(|_| {
            Err(Error::new(
                ErrorKind::Timeout,
                format!(
                    "the blob was not written or read within {limit:?}; whether a write was carried out is not known"
                ),
            ))
        })
    }

    /// Signs in, which is told apart from a blob service that does not answer.
    async fn open(&self, limit: Duration) -> Result<()> {
        let Some(own) = &self.own else { return Ok(()) };
        own.access.signed_in(SIGNING_IN.min(limit * 3 / 4)).await.map_err(|error| {
            let message = format!("nothing was sent to {}: {error}", self.address);
            Error::new(error.kind(), message).with_retry_after(error.retry_after()).with_source(error)
        })?;
        if self.address.is_emulator() {
            own.created.get_or_try_init(|| self.create(&own.container)).await?;
        }
        Ok(())
    }

    async fn create(&self, container: &BlobContainerClient) -> Result<()> {
        match container.create(None).await {
            Err(error) if !errors::is_container_there(&error) => {
                Err(errors::explain("creating the container of", &self.address, &error))
            }
            _ => Ok(()),
        }
    }
}
