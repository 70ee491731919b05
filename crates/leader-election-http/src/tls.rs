//! One TLS configuration for all clients of the process.
//!
//! To make one reads and parses the machine's certificate authorities, which takes a hundred times as long as the rest of a
//! client. It also keeps the sessions by which a later connection to the same server needs half a handshake.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

use leader_election::kit::redact::scrubbed;
use leader_election::{Error, ErrorKind, Result};

use crate::Trust;

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

/// A configuration for a protocol that is not HTTP, on the same authorities as all clients, or on those that are named.
///
/// # Errors
/// [`InvalidSetting`](ErrorKind::InvalidSetting) when this machine has no certificate authorities, and for certificates that are none.
pub fn connector(trust: &Trust) -> Result<Arc<ClientConfig>> {
    let mut configuration = match &trust.authorities {
        None => configuration()?,
        Some(pem) => trusting(pem)?,
    };
    configuration.alpn_protocols.clear();
    Ok(Arc::new(configuration))
}

fn trusting(pem: &[u8]) -> Result<ClientConfig> {
    let refused =
        || Error::setting("the certificate authority to trust is not PEM: it begins with -----BEGIN CERTIFICATE-----");
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(pem) {
        roots.add(authority.map_err(|_| refused())?).map_err(|_| refused())?;
    }
    if roots.is_empty() {
        return Err(refused());
    }
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    Ok(builder.map_err(|error| failed(&error))?.with_root_certificates(roots).with_no_client_auth())
}

/// What the program has installed as its cryptography.
fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(aws_lc_rs::default_provider()))
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
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
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
    fn an_authority_that_is_none_is_refused_and_not_quoted() {
        let trust = Trust { authorities: Some(b"SECRET".to_vec()), identity: None };
        let refusal = connector(&trust).expect_err("no certificate");
        assert!(!format!("{refusal:?}").contains("SECRET"), "{refusal:?}");
        assert!(connector(&Trust::default()).expect("made").alpn_protocols.is_empty());
    }

    #[test]
    fn the_http_client_takes_the_configuration_and_all_clients_share_it() {
        let builder = reqwest::Client::builder().tls_backend_preconfigured(configuration().expect("made"));
        builder.build().expect("the same version of the TLS library as the HTTP client's");
        let (one, other) = (configuration().expect("made"), configuration().expect("made"));
        assert!(Arc::ptr_eq(one.crypto_provider(), other.crypto_provider()));
    }
}
