//! A Redis server, and by what right it is used.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use leader_election::Result;
use leader_election::kit::credential::{Secret, SharedSecret};
use rustls::ClientConfig;

use crate::address::Address;
use crate::tls;

/// A Redis server, and how to sign in to it.
///
/// Clones share the sign-in, not connections: each [`RedisDistributedMutex`](crate::RedisDistributedMutex) and each
/// [`FencedKeys`](crate::FencedKeys) has one of its own, so that no election waits for another's answer. `Debug` and `Display` show
/// scheme, host, port and database.
///
/// | URL | Server |
/// |---|---|
/// | `redis://HOST[:6379][/DB]` | in plain text: on loopback, or with `?insecure` |
/// | `rediss://HOST[:10000][/DB]` | by TLS; the default port is that of Azure Managed Redis |
///
/// `rediss://USER@HOST` names the user of an access control list; a password never stands in the URL.
///
/// ```
/// use leader_election_redis::RedisServer;
///
/// let server = RedisServer::new("rediss://mycache.westeurope.redis.azure.net")?.with_password("hunter2");
/// assert_eq!(server.to_string(), "rediss://mycache.westeurope.redis.azure.net:10000");
/// assert!(!format!("{server:?}").contains("hunter2"));
/// # Ok::<(), leader_election::Error>(())
/// ```
#[derive(Clone)]
pub struct RedisServer {
    pub(crate) address: Address,
    access: Access,
    /// `None`: the authorities that this machine trusts.
    trust: Option<Arc<ClientConfig>>,
}

#[derive(Clone)]
enum Access {
    Open,
    Fixed(Secret),
    Shared(SharedSecret),
}

impl RedisServer {
    /// The server at this URL, without a password. Nothing is sent yet.
    ///
    /// # Errors
    /// [`InvalidSetting`](leader_election::ErrorKind::InvalidSetting) for a URL that is none of [those above](Self). It is not quoted, as
    /// a password may stand in it.
    pub fn new(url: &str) -> Result<Self> {
        Ok(Self { address: Address::read(url)?, access: Access::Open, trust: None })
    }

    /// Signs in by this password: that of `requirepass`, an access key of Azure Managed Redis, or that of the user in the URL.
    #[must_use]
    pub fn with_password(self, password: impl AsRef<str>) -> Self {
        let secret = Secret::new(password).with_user(self.address.user.clone());
        Self { access: Access::Fixed(secret), ..self }
    }

    /// Signs in as this user of the server's access control list.
    #[must_use]
    pub fn with_user(self, user: impl Into<String>, password: impl AsRef<str>) -> Self {
        Self { access: Access::Fixed(Secret::new(password).with_user(Some(user.into()))), ..self }
    }

    /// Signs in by a secret that changes: a mounted file, or a token of Entra ID, whose [user](Secret::user) is the identity's object id. A secret
    /// without a user is for the user in the URL.
    ///
    /// Once a secret has less than five minutes left, the next request opens a new connection by the one that was fetched meanwhile.
    #[must_use]
    pub fn with_secret(self, secret: SharedSecret) -> Self {
        Self { access: Access::Shared(secret), ..self }
    }

    /// Trusts these authorities and no others; `pem` holds their certificates. For `rediss://`. Default: those that this machine trusts.
    ///
    /// # Errors
    /// [`InvalidSetting`](leader_election::ErrorKind::InvalidSetting) when there is no certificate in it.
    pub fn with_authorities(self, pem: &[u8]) -> Result<Self> {
        Ok(Self { trust: Some(tls::trusting(pem)?), ..self })
    }

    /// What to sign in with; `None` on a server that asks for nothing.
    pub(crate) async fn secret(&self, patience: Duration) -> Result<Option<Secret>> {
        match &self.access {
            Access::Open => Ok(None),
            Access::Fixed(secret) => Ok(Some(secret.clone())),
            Access::Shared(shared) => {
                let secret = shared.get(patience).await?;
                let user = secret.user.clone().or_else(|| self.address.user.clone());
                Ok(Some(secret.with_user(user)))
            }
        }
    }

    pub(crate) fn tls(&self) -> Result<Arc<ClientConfig>> {
        match &self.trust {
            Some(trust) => Ok(Arc::clone(trust)),
            None => tls::trusting_as_this_machine(),
        }
    }

    /// Makes what takes long before the first request, whose thread must not wait; that one tells of a failure.
    pub(crate) fn prepare(&self) {
        if self.address.tls {
            let _ = self.tls();
        }
    }
}

impl FromStr for RedisServer {
    type Err = leader_election::Error;

    fn from_str(url: &str) -> Result<Self> {
        Self::new(url)
    }
}

impl fmt::Display for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisServer({})", self.address)
    }
}
