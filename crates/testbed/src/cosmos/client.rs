//! The SDK's own client, as a user of it has one.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::{Secret, TokenCredential};
use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos::options::{BinaryEncodingOptions, ConnectionPoolOptions};
use azure_data_cosmos::{AccountReference, CosmosClient, CosmosRuntime, RoutingStrategy};

/// A client of a container of the account at that endpoint, with the SDK's own retries.
pub async fn container(
    endpoint: &str,
    key: Secret,
    database: &str,
    container: &str,
) -> Result<ContainerClient, Box<dyn Error + Send + Sync>> {
    open(AccountReference::with_authentication_key(endpoint.parse()?, key), database, container).await
}

/// The same, signed in by a credential.
pub async fn signed_in(
    endpoint: &str,
    credential: Arc<dyn TokenCredential>,
    database: &str,
    container: &str,
) -> Result<ContainerClient, Box<dyn Error + Send + Sync>> {
    open(AccountReference::with_credential(endpoint.parse()?, credential), database, container).await
}

async fn open(
    account: AccountReference,
    database: &str,
    container: &str,
) -> Result<ContainerClient, Box<dyn Error + Send + Sync>> {
    let pool = ConnectionPoolOptions::builder()
        // The served emulator speaks HTTP/1.
        .with_is_http2_allowed(false)
        .with_max_dataplane_request_timeout(Duration::from_secs(5))
        .build()?;
    let runtime = CosmosRuntime::builder().with_connection_pool(pool).build().await?;
    let client = CosmosClient::builder()
        .with_runtime(runtime)
        .with_binary_encoding_options(BinaryEncodingOptions::new().with_enabled(false))
        .build(account, RoutingStrategy::PreferredRegions(Vec::new()))
        .await?;
    Ok(client.database_client(database.to_owned()).container_client(container.to_owned(), None).await?)
}
