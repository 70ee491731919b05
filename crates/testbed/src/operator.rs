//! What an operator, or a stranger, does to the lease blob behind the store's back.

use azure_core::http::{ClientOptions, Url};
use azure_storage_blob::models::BlobClientBreakLeaseOptions;
use azure_storage_blob::{BlobClient, BlobContainerClient, BlobContainerClientOptions};

use super::azurite::Azurite;
use super::{sas, transport};

/// A client with all rights, by account signature.
pub fn container_client(azurite: &Azurite, container: &str) -> BlobContainerClient {
    let url = format!("{}?{}", azurite.container_url(container), sas::account_sas(1));
    let transport = url.starts_with("https").then(|| transport::https_transport(azurite));
    let client_options = ClientOptions { transport, ..ClientOptions::default() };
    let options = BlobContainerClientOptions { client_options, ..BlobContainerClientOptions::default() };
    BlobContainerClient::new(Url::parse(&url).expect("a URL"), None, Some(options)).expect("a client")
}

/// The lease blob, with all rights.
pub fn blob_client(azurite: &Azurite, container: &str, blob: &str) -> BlobClient {
    container_client(azurite, container).blob_client(blob)
}

/// Breaks the lease at once.
pub async fn break_lease(azurite: &Azurite, container: &str, blob: &str) {
    let options = BlobClientBreakLeaseOptions { break_period: Some(0), ..Default::default() };
    blob_client(azurite, container, blob).break_lease(Some(options)).await.expect("broken");
}
