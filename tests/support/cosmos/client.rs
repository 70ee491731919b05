//! The SDK's own client, as a user of it has one.

use std::time::Duration;

use azure_core::credentials::Secret;
use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos::options::{BinaryEncodingOptions, ConnectionPoolOptions};
use azure_data_cosmos::{AccountReference, CosmosClient, CosmosRuntime, RoutingStrategy};

use super::{Emulator, KEY};

/// A client of that container with the SDK's own retries.
pub async fn container(emulator: &Emulator, database: &str, container: &str) -> ContainerClient {
    at(&emulator.endpoint(), database, container).await
}

/// The same, by the account's endpoint.
pub async fn at(endpoint: &str, database: &str, container: &str) -> ContainerClient {
    let pool = ConnectionPoolOptions::builder()
        // The served emulator speaks HTTP/1.
        .with_is_http2_allowed(false)
        .with_max_dataplane_request_timeout(Duration::from_secs(5))
        .build()
        .expect("valid");
    let runtime = CosmosRuntime::builder().with_connection_pool(pool).build().await.expect("a runtime");
    let endpoint = endpoint.parse().expect("a URL");
    let account = AccountReference::with_authentication_key(endpoint, Secret::new(KEY));
    let client = CosmosClient::builder()
        .with_runtime(runtime)
        .with_binary_encoding_options(BinaryEncodingOptions::new().with_enabled(false))
        .build(account, RoutingStrategy::PreferredRegions(Vec::new()))
        .await
        .expect("connected");
    let database = client.database_client(database.to_owned());
    database.container_client(container.to_owned(), None).await.expect("opened")
}
