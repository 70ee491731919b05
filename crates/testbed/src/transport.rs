//! The HTTP client for an Azurite that serves https.

use std::sync::Arc;
use std::time::Duration;

use azure_core::http::Transport;

use super::azurite::Azurite;

/// Trusts that server's certificate authority and no other; panics for a server without https.
pub fn https_transport(azurite: &Azurite) -> Transport {
    let ca = reqwest::Certificate::from_pem(azurite.ca_pem().as_bytes()).expect("a certificate");
    let client = reqwest::Client::builder()
        .tls_certs_only([ca])
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        // Shorter than the 5 s after which Azurite closes a connection: never send on one that is closing.
        .pool_idle_timeout(Duration::from_secs(3))
        .build()
        .expect("an HTTP client");
    Transport::new(Arc::new(client))
}
