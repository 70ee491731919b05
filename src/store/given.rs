//! A store's URL as somebody gave it, in its parts.

use std::net::IpAddr;

use leader_election::{Error, Result};

use super::advice;

/// What stands before and behind the first colon. A refusal quotes neither.
pub(super) struct Given<'a> {
    /// In lower case.
    pub(super) scheme: String,
    pub(super) rest: &'a str,
}

impl<'a> Given<'a> {
    /// `None` of a text without a scheme.
    pub(super) fn cut(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        Some(Self { scheme: scheme.to_ascii_lowercase(), rest })
    }
}

/// A URL over HTTP.
pub(super) struct Http<'a> {
    /// What stands before the scheme and a `+`, and says what the URL itself does not; else nothing.
    pub(super) prefix: String,
    /// `https` or `http`.
    pub(super) scheme: &'static str,
    /// In lower case.
    pub(super) authority: String,
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
}

impl<'a> Http<'a> {
    /// `None` of a URL with another scheme.
    pub(super) fn read(given: &Given<'a>) -> Result<Option<Self>> {
        let (prefix, scheme) = given.scheme.rsplit_once('+').unwrap_or(("", &given.scheme));
        let scheme = ["https", "http"].into_iter().find(|known| *known == scheme);
        let (Some(scheme), Some(rest)) = (scheme, given.rest.strip_prefix("//")) else { return Ok(None) };
        if rest.contains('#') {
            return Err(Error::setting("the store's URL must not have a fragment (#...)"));
        }
        let (before, query) = rest.split_once('?').map_or((rest, None), |(before, query)| (before, Some(query)));
        let (authority, path) = before.split_once('/').unwrap_or((before, ""));
        if authority.contains('@') {
            return Err(Error::setting(
                "the store's URL must not hold a user name or password: leave away what stands before the @",
            ));
        }
        let authority = authority.to_ascii_lowercase();
        advice::refuse_other_endpoints(&authority)?;
        Ok(Some(Self { prefix: prefix.to_owned(), scheme, authority, path: path.trim_end_matches('/'), query }))
    }

    pub(super) fn host(&self) -> &str {
        self.host_and_port().0
    }

    /// Empty if there is none.
    pub(super) fn port(&self) -> &str {
        self.host_and_port().1
    }

    pub(super) fn is_on_loopback(&self) -> bool {
        let host = self.host();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// Whether its path begins with the account that emulators of blobs have.
    pub(super) fn has_emulator_account(&self) -> bool {
        self.path.split('/').next() == Some("devstoreaccount1")
    }

    fn host_and_port(&self) -> (&str, &str) {
        match self.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host, port),
            _ => (&self.authority, ""),
        }
    }
}
