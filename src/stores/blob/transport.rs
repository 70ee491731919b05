//! How requests reach the service: the client, its transport, and who vouches for them.

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_core::http::policies::Policy;
use azure_core::http::{ClientOptions, RetryOptions, Transport};
use azure_storage_blob::{BlobContainerClient, BlobContainerClientOptions};

use super::address::Address;
use super::fresh::Fresh;
use super::shared_key::EmulatorKey;
use crate::error::{Error, ErrorKind, Result};
use crate::stores::cause::scrubbed;

/// By what right requests are sent.
#[derive(Clone)]
pub(super) enum Access {
    Credential(Arc<dyn TokenCredential>),
    /// A shared access signature in the URL.
    Url,
    EmulatorKey,
    /// The caller's own client.
    Client(Arc<BlobContainerClient>),
}

impl Access {
    pub(super) fn container_client(
        &self,
        address: &Address,
        transport: Option<Transport>,
    ) -> Result<Arc<BlobContainerClient>> {
        let (credential, policies) = match self {
            Self::Client(client) => return Ok(Arc::clone(client)),
            Self::Credential(credential) => (Some(Arc::clone(credential)), Vec::new()),
            Self::Url => (None, Vec::new()),
            Self::EmulatorKey => (None, vec![Arc::new(EmulatorKey) as Arc<dyn Policy>]),
        };
        let client_options = ClientOptions {
            per_call_policies: vec![Arc::new(Fresh)],
            per_try_policies: policies,
            // The SDK's own retries outlive a lease. The election repeats what is worth repeating.
            retry: RetryOptions::none(),
            transport,
            ..ClientOptions::default()
        };
        let options = BlobContainerClientOptions { client_options, ..BlobContainerClientOptions::default() };
        BlobContainerClient::new(address.container_url().clone(), credential, Some(options)).map(Arc::new).map_err(
            |error| Error::setting(format!("the client of {address} cannot be built")).with_source(scrubbed(&error)),
        )
    }
}

/// A connection pool of our own: nobody else's traffic, and no connection that another runtime opened.
pub(super) fn own(address: &Address) -> Result<Transport> {
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .https_only(!address.is_emulator())
        .connect_timeout(Duration::from_secs(5))
        // The host bounds each attempt far below this; it is for those who call the store themselves.
        .timeout(Duration::from_secs(30))
        // Servers close idle connections too; one that was closed under a renewal costs an attempt.
        .pool_idle_timeout(Duration::from_secs(3));
    if address.is_emulator() {
        builder = builder.no_proxy();
    }
    let client = builder.build().map_err(|error| {
        Error::new(
            ErrorKind::InvalidSetting,
            "no TLS client can be built: does this machine or image have CA certificates (package ca-certificates)?",
        )
        .with_source(scrubbed(&error))
    })?;
    Ok(Transport::new(Arc::new(client)))
}
