//! Whom to trust. The cryptography is named here, so nothing hangs on what the process has installed.

use std::sync::{Arc, Mutex, PoisonError};

use leader_election::kit::redact::{advice, scrubbed};
use leader_election::{Error, ErrorKind, Result};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{AlertDescription, ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

/// To read the machine's authorities takes long; it is done once. What could not be made is tried again: a container can get its
/// certificates late.
pub(crate) fn trusting_as_this_machine() -> Result<Arc<ClientConfig>> {
    static MADE: Mutex<Option<Arc<ClientConfig>>> = Mutex::new(None);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(configuration) = &*made {
        return Ok(Arc::clone(configuration));
    }
    let configuration = builder().and_then(BuilderVerifierExt::with_platform_verifier).map_err(|error| {
        let message =
            "no TLS client can be built: does this machine or image have CA certificates (package ca-certificates)?";
        Error::setting(message).with_source(scrubbed(&error))
    })?;
    Ok(Arc::clone(made.insert(Arc::new(configuration.with_no_client_auth()))))
}

pub(crate) fn trusting(pem: &[u8]) -> Result<Arc<ClientConfig>> {
    let wrong = |what: &str| Error::setting(format!("the certificates of the authorities {what}"));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| wrong("are no PEM"))?;
        roots.add(certificate).map_err(|_| wrong("hold one that cannot be used"))?;
    }
    if roots.is_empty() {
        return Err(wrong("hold none: give them in PEM, with the lines -----BEGIN CERTIFICATE-----"));
    }
    let builder = builder().map_err(|error| wrong("cannot be used").with_source(scrubbed(&error)))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>;

fn builder() -> std::result::Result<Builder, rustls::Error> {
    let provider = CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(aws_lc_rs::default_provider()));
    ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
}

/// What TLS itself says is wrong, where that is for a human: a certificate, or a server that speaks none. To a host an error of the
/// connection would look like one that passes.
pub(crate) fn refusal(server: &dyn std::fmt::Display, error: &std::io::Error) -> Option<Error> {
    let tls = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let cause = scrubbed(tls);
    let why = match tls {
        rustls::Error::InvalidCertificate(_) => match advice("invalid peer certificate") {
            Some(advice) => format!("{}; {advice}, or give it by `RedisServer::with_authorities`", cause.root()),
            None => cause.root(),
        },
        rustls::Error::InvalidMessage(_) => "it speaks no TLS on this port: write redis:// for plain text".to_owned(),
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired | AlertDescription::BadCertificate) => {
            "it asks for a client's certificate, which this store does not have: turn `tls-auth-clients` off".to_owned()
        }
        rustls::Error::PeerIncompatible(_) | rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            format!("it speaks no version of TLS that is safe ({})", cause.root())
        }
        _ => return None,
    };
    Some(Error::new(ErrorKind::InvalidSetting, format!("connecting to {server} failed: {why}")).with_source(cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_no_authority_is_refused() {
        for pem in [&b""[..], b"SECRET", b"-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"] {
            let refused = trusting(pem).expect_err("no certificate");
            assert_eq!(refused.kind(), ErrorKind::InvalidSetting);
            assert!(!refused.to_string().contains("SECRET"));
        }
        trusting(testservers::Authority::new().pem().as_bytes()).expect("one authority");
    }
}
