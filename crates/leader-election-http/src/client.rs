//! A client for the requests of one store.

use std::fmt;
use std::time::Duration;

use leader_election::kit::redact::scrubbed;
use leader_election::{Error, ErrorKind, Result};
use reqwest::redirect::Policy;
use reqwest::{Certificate, ClientBuilder, Identity};

use crate::tls;

/// How a store's requests are sent.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether plain HTTP is allowed: for a server on loopback.
    pub plain: bool,
    /// Whether the machine's proxy is used. A server on loopback or in the same cluster is not behind it.
    pub proxy: bool,
    /// For how long a request may take, its answer included. `None`: the caller bounds it.
    pub timeout: Option<Duration>,
    /// For how long a connection is kept without a request. Servers close idle connections too, and one that was closed under a renewal
    /// costs an attempt. `None`: it is not kept.
    pub idle: Option<Duration>,
    /// Which servers are trusted, and as whom the client shows itself to them.
    pub trust: Trust,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            plain: false,
            proxy: true,
            timeout: Some(Duration::from_secs(30)),
            idle: Some(Duration::from_secs(3)),
            trust: Trust::default(),
        }
    }
}

/// Certificates of a client. `Debug` shows only which there are.
#[derive(Clone, Default)]
pub struct Trust {
    /// The authorities to trust, and no others, in PEM. Default: those that the machine trusts.
    pub authorities: Option<Vec<u8>>,
    /// The client's own certificate with its key, in PEM. Default: none.
    pub identity: Option<Vec<u8>>,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("authorities", &self.authorities.is_some())
            .field("identity", &self.identity.is_some())
            .finish()
    }
}

/// A client with a pool of connections of its own, which follows no redirects, retries nothing and connects within 5 s.
///
/// # Errors
/// [`InvalidSetting`](ErrorKind::InvalidSetting) when this machine has no certificate authorities, and for certificates that are none.
pub fn client(settings: &Settings) -> Result<reqwest::Client> {
    let Trust { authorities, identity } = &settings.trust;
    if authorities.is_none() && identity.is_none() {
        return tls::client(|| builder(settings));
    }
    let mut builder = builder(settings);
    if let Some(pem) = authorities {
        builder = builder.tls_certs_only(read_authorities(pem)?);
    }
    if let Some(pem) = identity {
        let identity = Identity::from_pem(pem).map_err(|error| {
            Error::setting("the client's certificate and key are not PEM that the TLS library reads: give the certificate, its chain, and then its key in PKCS #8, PKCS #1 or SEC1")
                .with_source(scrubbed(&error))
        })?;
        builder = builder.identity(identity);
    }
    builder.build().map_err(|error| {
        Error::new(ErrorKind::InvalidSetting, "no TLS client can be built of these certificates")
            .with_source(scrubbed(&error))
    })
}

fn read_authorities(pem: &[u8]) -> Result<Vec<Certificate>> {
    let read = Certificate::from_pem_bundle(pem).unwrap_or_default();
    if read.is_empty() {
        return Err(Error::setting(
            "the certificate authority to trust is not PEM: it begins with -----BEGIN CERTIFICATE-----",
        ));
    }
    Ok(read)
}

fn builder(settings: &Settings) -> ClientBuilder {
    let builder = reqwest::Client::builder()
        .redirect(Policy::none())
        // A request that is dropped takes its connection along, and with it one that has died without a word. Over HTTP/2 it would stay.
        .http1_only()
        .https_only(!settings.plain)
        .connect_timeout(Duration::from_secs(5))
        .pool_idle_timeout(settings.idle);
    let builder = if settings.idle.is_none() { builder.pool_max_idle_per_host(0) } else { builder };
    let builder = if settings.plain || !settings.proxy { builder.no_proxy() } else { builder };
    match settings.timeout {
        Some(timeout) => builder.timeout(timeout),
        None => builder,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_that_are_none_are_refused_and_not_quoted() {
        let trusts = [
            Trust { authorities: Some(b"SECRET".to_vec()), identity: None },
            Trust { authorities: None, identity: Some(b"SECRET".to_vec()) },
        ];
        for trust in trusts {
            let settings = Settings { trust, ..Settings::default() };
            assert!(!format!("{settings:?}").contains("SECRET"));
            let refusal = client(&settings).expect_err("no certificate");
            assert_eq!(refusal.kind(), ErrorKind::InvalidSetting);
            assert!(!format!("{refusal:?}").contains("SECRET"), "{refusal:?}");
        }
    }
}
