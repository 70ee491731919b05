//! One TLS configuration for all clients of the process.
//!
//! To make one reads and parses the machine's certificate authorities, which takes a hundred times as long as the rest of a
//! client. It also keeps the sessions by which a later connection to the same server needs half a handshake.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::ClientConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls_platform_verifier::BuilderVerifierExt;

use leader_election::kit::redact::scrubbed;
use leader_election::{Error, ErrorKind, Result};

/// Builds a client with the process's TLS configuration.
pub fn client(builder: impl Fn() -> reqwest::ClientBuilder) -> Result<reqwest::Client> {
    let shared = builder().tls_backend_preconfigured(configuration()?).build();
    // It is refused where the HTTP client was built with another version of the TLS library: then each client has its own.
    shared.or_else(|_| builder().build()).map_err(|error| failed(&error))
}

/// Makes what takes long, before it is needed on a thread that must not wait.
///
/// # Errors
/// As [`client`].
pub fn prepare() -> Result<()> {
    configuration().map(drop)
}

/// What could not be made is tried again: a container can get its certificates late.
fn configuration() -> Result<ClientConfig> {
    static MADE: Mutex<Option<ClientConfig>> = Mutex::new(None);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(configuration) = &*made {
        return Ok(configuration.clone());
    }
    let configuration = make().map_err(|error| failed(&error))?;
    Ok(made.insert(configuration).clone())
}

/// As the HTTP client makes its own: what the program has installed as its cryptography, all versions of TLS that are safe, and
/// the authorities that the machine trusts.
fn make() -> std::result::Result<ClientConfig, rustls::Error> {
    let provider = CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(aws_lc_rs::default_provider()));
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut configuration = builder.with_platform_verifier()?.with_no_client_auth();
    // Neither the blob service nor Cosmos DB's gateway speaks anything newer that we would use.
    configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(configuration)
}

fn failed(error: &(dyn std::error::Error + 'static)) -> Error {
    Error::new(
        ErrorKind::InvalidSetting,
        "no TLS client can be built: does this machine or image have CA certificates (package ca-certificates)?",
    )
    .with_source(scrubbed(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_http_client_takes_the_configuration_and_all_clients_share_it() {
        let builder = reqwest::Client::builder().tls_backend_preconfigured(configuration().expect("made"));
        builder.build().expect("the same version of the TLS library as the HTTP client's");
        let (one, other) = (configuration().expect("made"), configuration().expect("made"));
        assert!(Arc::ptr_eq(one.crypto_provider(), other.crypto_provider()));
    }
}
