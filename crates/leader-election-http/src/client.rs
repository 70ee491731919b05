//! A client for the requests of one store.

use std::time::Duration;

use leader_election::Result;
use reqwest::redirect::Policy;

use crate::tls;

/// How a store's requests are sent.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Whether plain HTTP is allowed, and no proxy used: for an emulator on loopback.
    pub plain: bool,
    /// For how long a request may take, its answer included. `None`: the caller bounds it.
    pub timeout: Option<Duration>,
    /// For how long a connection is kept without a request. Servers close idle connections too, and one that was closed under a renewal
    /// costs an attempt. `None`: it is not kept.
    pub idle: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { plain: false, timeout: Some(Duration::from_secs(30)), idle: Some(Duration::from_secs(3)) }
    }
}

/// A client with a pool of connections of its own, which follows no redirects, retries nothing and connects within 5 s.
///
/// # Errors
/// [`InvalidSetting`](leader_election::ErrorKind::InvalidSetting) when this machine has no certificate authorities.
pub fn client(settings: Settings) -> Result<reqwest::Client> {
    tls::client(|| {
        let builder = reqwest::Client::builder()
            .redirect(Policy::none())
            .https_only(!settings.plain)
            .connect_timeout(Duration::from_secs(5))
            .pool_idle_timeout(settings.idle);
        let builder = if settings.idle.is_none() { builder.pool_max_idle_per_host(0) } else { builder };
        let builder = if settings.plain { builder.no_proxy() } else { builder };
        match settings.timeout {
            Some(timeout) => builder.timeout(timeout),
            None => builder,
        }
    })
}
