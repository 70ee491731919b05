//! Redis servers, in Azure and elsewhere.

use std::fmt;
use std::sync::Arc;

use leader_election::{DistributedMutex, Result};

use super::StoreOptions;
use super::address::{FromUrl, Place};
use super::given::Given;

/// A server, as far as its URL says.
pub(super) struct Server {
    #[cfg(feature = "redis")]
    server: leader_election_redis::RedisServer,
    /// Without a query and a user.
    shown: String,
}

impl FromUrl for Server {
    const EXAMPLE: &'static str = "rediss://HOST:10000";

    fn read(given: &Given<'_>) -> Result<Option<Self>> {
        if !matches!(given.scheme.as_str(), "redis" | "rediss") {
            return Ok(None);
        }
        Self::of(given).map(Some)
    }
}

impl Server {
    #[cfg(feature = "redis")]
    fn of(given: &Given<'_>) -> Result<Self> {
        let server = leader_election_redis::RedisServer::new(&format!("{}:{}", given.scheme, given.rest))?;
        let shown = server.to_string();
        Ok(Self { server, shown })
    }

    /// Enough to say that it was left out.
    #[cfg(not(feature = "redis"))]
    #[allow(clippy::unnecessary_wraps, reason = "as with the feature")]
    fn of(given: &Given<'_>) -> Result<Self> {
        Ok(Self { shown: format!("{}://...", given.scheme) })
    }

    /// A token is for Azure's own servers, and is shown to no other.
    #[cfg(feature = "redis")]
    fn takes_tokens(&self) -> bool {
        const AZURE: [&str; 5] = [
            ".redis.azure.net",
            ".redis.cache.windows.net",
            ".redisenterprise.cache.azure.net",
            ".redis.cache.usgovcloudapi.net",
            ".redis.cache.chinacloudapi.cn",
        ];
        let authority = self.shown.strip_prefix("rediss://").unwrap_or_default();
        let host = authority.split([':', '/']).next().unwrap_or_default();
        AZURE.iter().any(|suffix| host.ends_with(suffix))
    }

    #[cfg(feature = "redis")]
    fn signed_in(&self, options: StoreOptions) -> Result<leader_election_redis::RedisServer> {
        use leader_election::Error;

        let server = self.server.clone();
        Ok(match (options.redis_password, options.credential) {
            // Secret stores like to end it with a line of its own.
            (Some(password), _) => server.with_password(password.secret().trim_end_matches(['\r', '\n'])),
            (None, _) if !self.takes_tokens() => server,
            (None, Some(credential)) => server.with_secret(credential.for_redis()),
            (None, None) => {
                return Err(Error::setting(format!(
                    "{self} takes a credential or an access key: set `StoreOptions::credential` or `StoreOptions::redis_password`"
                )));
            }
        })
    }
}

impl Place for Server {
    #[cfg(feature = "redis")]
    fn needs_credential(&self, options: &StoreOptions) -> bool {
        self.takes_tokens() && options.redis_password.is_none()
    }

    #[cfg(feature = "redis")]
    fn open(&self, election: &str, options: StoreOptions) -> Result<Arc<dyn DistributedMutex>> {
        let server = self.signed_in(options)?;
        Ok(Arc::new(leader_election_redis::RedisDistributedMutex::new(server, election)?))
    }

    #[cfg(feature = "redis")]
    fn probes(&self, options: &StoreOptions) -> Result<Option<Box<dyn crate::check::Probes>>> {
        let server = self.signed_in(options.clone())?;
        Ok(Some(Box::new(crate::check::redis::RedisProbes::new(server)?)))
    }

    #[cfg(not(feature = "redis"))]
    fn open(&self, _: &str, _: StoreOptions) -> Result<Arc<dyn DistributedMutex>> {
        Err(super::address::built_without("redis", self))
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use leader_election::ErrorKind;

    use crate::{Store, StoreOptions, StoreUrl};

    #[cfg(feature = "redis")]
    #[test]
    fn a_server_in_azure_takes_a_credential_or_a_password_and_no_other_is_shown_a_token() {
        let azure = "rediss://a.westeurope.redis.azure.net";
        let password = StoreOptions { redis_password: Some("hunter2\n".into()), ..StoreOptions::default() };
        for (url, needs) in [
            (azure, true),
            ("rediss://a.redis.cache.windows.net:6380", true),
            ("rediss://a.redis.azure.net.example.com", false),
            ("rediss://cache.internal:6380", false),
            ("redis://127.0.0.1:7000/3", false),
            ("redis://a.westeurope.redis.azure.net?insecure", false),
        ] {
            let place: StoreUrl = url.parse().expect(url);
            assert_eq!(place.needs_credential(&StoreOptions::default()), needs, "{url}");
            assert!(!place.needs_credential(&password), "{url}");
            let opened = Store::from_url(url, "nightly", password.clone()).expect(url);
            assert!(!format!("{opened:?} {opened}").contains("hunter2"));
        }
        let refused = Store::from_url(azure, "nightly", StoreOptions::default()).expect_err("no credential");
        assert!(refused.to_string().contains("StoreOptions::redis_password"), "{refused}");
        assert!(Store::from_url(azure, "night{ly", password).is_err());
    }

    #[cfg(not(feature = "redis"))]
    #[test]
    fn left_out_it_is_named_with_its_feature() {
        let url = "rediss://me:SECRET@cache.internal";
        let refused = Store::from_url(url, "nightly", StoreOptions::default()).expect_err("left out");
        assert_eq!(refused.kind(), ErrorKind::InvalidSetting);
        assert!(
            refused.to_string().contains("feature `redis`") && !refused.to_string().contains("SECRET"),
            "{refused}"
        );
    }

    #[cfg(feature = "redis")]
    #[test]
    fn a_password_in_the_url_is_refused_and_not_shown() {
        let refused = "rediss://me:SECRET@cache.internal".parse::<StoreUrl>().expect_err("a password");
        assert_eq!(refused.kind(), ErrorKind::InvalidSetting);
        assert!(refused.to_string().contains("apart") && !refused.to_string().contains("SECRET"), "{refused}");
    }
}
