//! How requests reach the service: the client, its transport, and who vouches for them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use azure_core::http::policies::Policy;
use azure_core::http::{ClientOptions, RetryOptions, Transport};
use azure_storage_blob::{BlobContainerClient, BlobContainerClientOptions};

use super::address::Address;
use super::emulator_key::EmulatorKey;
use super::fresh::Fresh;
use crate::shared_credential::SharedCredential;
use crate::signed_in::SignIn;
use leader_election::{Error, Result, kit::redact::scrubbed};
use leader_election_http::{Settings, client};

/// What the SDK asks a token for.
pub(super) const SCOPE: &str = "https://storage.azure.com/.default";

/// By what right requests are sent.
#[derive(Clone)]
pub(crate) enum Access {
    Credential(SharedCredential),
    /// A shared access signature in the URL.
    Url,
    EmulatorKey,
    /// The caller's own client.
    Client(Arc<BlobContainerClient>),
}

impl Access {
    pub(crate) fn of_emulator(address: &Address) -> Self {
        if address.has_query() { Self::Url } else { Self::EmulatorKey }
    }

    /// The SDK's own retries outlive a lease. The election repeats what is worth repeating.
    pub(super) fn container_client(
        &self,
        address: &Address,
        transport: Option<Transport>,
    ) -> Result<Arc<BlobContainerClient>> {
        self.client(address, transport, RetryOptions::none())
    }

    /// For whoever is not in a hurry.
    pub(crate) fn client_with_retries(
        &self,
        address: &Address,
        transport: Transport,
    ) -> Result<Arc<BlobContainerClient>> {
        self.client(address, Some(transport), RetryOptions::default())
    }

    fn client(
        &self,
        address: &Address,
        transport: Option<Transport>,
        retry: RetryOptions,
    ) -> Result<Arc<BlobContainerClient>> {
        let (credential, policies) = match self {
            Self::Client(client) => return Ok(Arc::clone(client)),
            Self::Credential(credential) => {
                (Some(Arc::new(credential.clone()) as Arc<dyn TokenCredential>), Vec::new())
            }
            Self::Url => (None, Vec::new()),
            Self::EmulatorKey => (None, vec![Arc::new(EmulatorKey) as Arc<dyn Policy>]),
        };
        let client_options = ClientOptions {
            per_call_policies: vec![Arc::new(Fresh)],
            per_try_policies: policies,
            retry,
            transport,
            ..ClientOptions::default()
        };
        let options = BlobContainerClientOptions { client_options, ..BlobContainerClientOptions::default() };
        BlobContainerClient::new(address.container_url().clone(), credential, Some(options)).map(Arc::new).map_err(
            |error| Error::setting(format!("the client of {address} cannot be built")).with_source(scrubbed(&error)),
        )
    }
}

#[async_trait]
impl SignIn for Access {
    async fn signed_in(&self, patience: Duration) -> Result<()> {
        match self {
            Self::Credential(credential) => credential.token(&[SCOPE], patience).await.map(drop),
            Self::Url | Self::EmulatorKey | Self::Client(_) => Ok(()),
        }
    }
}

/// A connection pool of its own: nobody else's traffic, and no connection that another runtime opened. The host bounds each attempt
/// far below the client's limit; that is for those who call the store themselves.
pub(super) fn own(address: &Address) -> Result<Transport> {
    pool(address, Settings::default())
}

/// The same for content of any size, whose writer bounds the whole operation.
pub(crate) fn patient(address: &Address) -> Result<Transport> {
    pool(address, Settings { timeout: None, ..Settings::default() })
}

fn pool(address: &Address, settings: Settings) -> Result<Transport> {
    let client = client(&Settings { plain: address.is_emulator(), ..settings })?;
    Ok(Transport::new(Arc::new(client)))
}
