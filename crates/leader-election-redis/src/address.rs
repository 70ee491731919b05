//! Where a Redis server is: what its URL says.

use std::fmt;
use std::net::IpAddr;

use leader_election::{Error, Result};

/// The parts of a server's URL. None is a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// Without the brackets of an IPv6 address, in lower case.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: bool,
    pub(crate) database: u32,
    pub(crate) user: Option<String>,
    insecure: bool,
}

const PLAIN_PORT: u16 = 6379;
/// That of Azure Managed Redis.
const TLS_PORT: u16 = 10_000;

impl Address {
    pub(crate) fn read(url: &str) -> Result<Self> {
        let (tls, rest) = match url.trim().split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("rediss") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("redis") => (false, rest),
            _ => {
                return Err(Error::setting("a Redis server is redis://HOST[:6379][/DB] or rediss://HOST[:10000][/DB]"));
            }
        };
        let (rest, insecure) = match rest.split_once('?') {
            None => (rest, false),
            Some((rest, "insecure")) if !tls => (rest, true),
            Some((_, "insecure")) => {
                return Err(Error::setting(
                    "rediss:// always checks the server's certificate: name its authority by `RedisServer::with_authorities`, or in \
                     SSL_CERT_FILE",
                ));
            }
            Some(_) => return Err(Error::setting("the URL of a Redis server takes no query but ?insecure")),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, authority) = match authority.rsplit_once('@') {
            None => (None, authority),
            Some((user, authority)) => (Some(user_of(user)?), authority),
        };
        let (host, port) = host_and_port(authority)?;
        let database = match path.trim_end_matches('/') {
            "" => 0,
            number if digits(number) && number.len() <= 5 => number.parse().unwrap_or_default(),
            _ => {
                return Err(Error::setting(
                    "what follows the host in a Redis server's URL is the number of its database",
                ));
            }
        };
        let address = Self {
            host: host.to_ascii_lowercase(),
            port: port.unwrap_or(if tls { TLS_PORT } else { PLAIN_PORT }),
            tls,
            database,
            user,
            insecure,
        };
        address.check()?;
        Ok(address)
    }

    /// Whoever is on the way could read the password, and elect itself.
    fn check(&self) -> Result<()> {
        if self.tls || self.insecure || self.is_on_loopback() {
            return Ok(());
        }
        Err(Error::setting(
            "redis:// sends all in plain text, which is for a server on this machine: write rediss://, or add ?insecure if the network \
             between is your own",
        ))
    }

    fn is_on_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// As it is shown, with the port in any case, as which one is the default differs from client to client.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "rediss" } else { "redis" };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port)?,
            false => write!(f, "{scheme}://{}:{}", self.host, self.port)?,
        }
        if self.database == 0 { Ok(()) } else { write!(f, "/{}", self.database) }
    }
}

fn user_of(text: &str) -> Result<String> {
    if text.contains(':') {
        return Err(Error::setting(
            "a Redis server's URL must not hold a password: give it apart (to the command `leader` by REDIS_PASSWORD, to the library \
             by `StoreOptions::redis_password` or `RedisServer::with_password`)",
        ));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if text.is_empty() || text.len() > 128 || !text.bytes().all(allowed) {
        return Err(Error::setting(
            "the user in a Redis server's URL must be 1 to 128 ASCII letters, digits, `.`, `-` and `_`: give any other by \
             `RedisServer::with_user`",
        ));
    }
    Ok(text.to_owned())
}

fn host_and_port(authority: &str) -> Result<(&str, Option<u16>)> {
    let wrong =
        || Error::setting("a Redis server's URL needs a host, and a port from 1 to 65535 if any: redis://HOST:PORT");
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or_else(wrong)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| wrong())?;
            let port = if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or_else(wrong)?) };
            (host, port)
        }
        None => {
            let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
            if host.is_empty() || host.len() > 253 || !host.bytes().all(allowed) {
                return Err(wrong());
            }
            (host, port)
        }
    };
    let port = match port {
        None => None,
        Some(port) if digits(port) => Some(port.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(wrong)?),
        Some(_) => return Err(wrong()),
    };
    Ok((host, port))
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use leader_election::ErrorKind;

    #[test]
    fn a_url_is_read_with_the_defaults_of_its_scheme() {
        for (url, shown) in [
            ("redis://localhost", "redis://localhost:6379"),
            ("redis://127.0.0.1:7000/3", "redis://127.0.0.1:7000/3"),
            ("redis://[::1]:7000/", "redis://[::1]:7000"),
            ("redis://cache.internal?insecure", "redis://cache.internal:6379"),
            ("rediss://Name.westeurope.redis.azure.net", "rediss://name.westeurope.redis.azure.net:10000"),
            ("rediss://alice@10.1.2.3:6380/1", "rediss://10.1.2.3:6380/1"),
        ] {
            assert_eq!(Address::read(url).expect(url).to_string(), shown);
        }
        assert_eq!(Address::read("rediss://alice@h").expect("valid").user.as_deref(), Some("alice"));
    }

    #[test]
    fn what_cannot_be_is_refused_and_never_quoted() {
        for (url, says) in [
            ("SECRET", "redis://HOST"),
            ("http://SECRET", "redis://HOST"),
            ("redis://SECRET", "plain text"),
            ("redis://10.0.0.1", "plain text"),
            ("redis://:SECRET@localhost", "password"),
            ("rediss://me:SECRET@h", "password"),
            ("rediss://SECRET$@h", "user"),
            ("rediss://h?insecure", "certificate"),
            ("rediss://h?SECRET", "query"),
            ("rediss://h:SECRET", "port"),
            ("rediss://h:0", "port"),
            ("rediss://h:65536", "port"),
            ("rediss://h:+1", "port"),
            ("rediss://", "host"),
            ("rediss://[h]:1", "host"),
            ("rediss://[::1", "host"),
            ("rediss://[::1]SECRET", "host"),
            ("rediss://h;SECRET", "host"),
            ("rediss://h/SECRET", "database"),
            ("rediss://h/-1", "database"),
            ("rediss://h/999999", "database"),
        ] {
            let refused = Address::read(url).expect_err(url);
            assert_eq!(refused.kind(), ErrorKind::InvalidSetting);
            assert!(refused.to_string().contains(says), "{url}: {refused}");
            assert!(!refused.to_string().contains("SECRET"), "{refused}");
        }
    }
}
