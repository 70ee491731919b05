//! Where a cluster is reached, and under which keys its elections are.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use leader_election::{Error, Result};

/// An etcd cluster by its URL: `etcd://HOST:PORT;HOST:PORT[/PREFIX]`.
///
/// Name all members, set off by `;`, so that elections go on without any one of them. A port that is left out is 2379. Elections are kept under the keys
/// `PREFIX/ELECTION`; without a prefix under `elections/ELECTION`. Requests go over TLS, but for members on loopback. `?insecure` behind the URL
/// sends them in plain text everywhere: whoever sees that traffic reads the password, and can lead.
///
/// No user and no password stand in it: see [`EtcdOptions`](crate::EtcdOptions).
///
/// ```
/// use leader_election_etcd::EtcdAddress;
///
/// let address = EtcdAddress::new("etcd://etcd-0.etcd:2379;etcd-1.etcd:2379;etcd-2.etcd:2379/billing")?;
/// assert_eq!(address.to_string(), "etcd://etcd-0.etcd:2379;etcd-1.etcd:2379;etcd-2.etcd:2379/billing");
///
/// let refused = EtcdAddress::new("etcd://root:hunter2@etcd-0.etcd").unwrap_err();
/// assert!(refused.to_string().contains("apart") && !refused.to_string().contains("hunter2"));
/// # Ok::<(), leader_election::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct EtcdAddress {
    members: Vec<Member>,
    /// Without slashes at its ends; empty where none was given.
    prefix: String,
    insecure: bool,
}

/// One member of the cluster, as clients reach it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// In lower case, with the port.
    authority: String,
    is_on_loopback: bool,
}

const DEFAULT_PORT: u16 = 2379;
const DEFAULT_PREFIX: &str = "elections";
/// More than any cluster has: etcd's own advice is seven at the most.
const MEMBERS: usize = 16;

impl EtcdAddress {
    /// Reads a URL. Nothing is sent.
    ///
    /// # Errors
    /// [`InvalidSetting`](leader_election::ErrorKind::InvalidSetting), with what to write instead. The text is not quoted, as a secret may stand in
    /// it.
    pub fn new(url: &str) -> Result<Self> {
        let (scheme, rest) = url.trim().split_once("://").unwrap_or_default();
        if !scheme.eq_ignore_ascii_case("etcd") {
            return Err(wrong("the URL of an etcd cluster begins with etcd://"));
        }
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        if query.is_some_and(|query| query != "insecure") {
            return Err(wrong("the URL of an etcd cluster has no query but `?insecure`"));
        }
        let (members, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if members.contains('@') {
            return Err(wrong(
                "the URL of an etcd cluster holds no user and no password: they are given apart (to the command `leader` by ETCD_USER \
                 and ETCD_PASSWORD, to the library by `EtcdOptions`)",
            ));
        }
        if members.contains(',') {
            return Err(wrong(
                "the members of an etcd cluster are set off by `;`, as a comma sets off the members of a quorum",
            ));
        }
        let members = members.split(';').map(Member::read).collect::<Result<Vec<_>>>()?;
        if members.len() > MEMBERS {
            return Err(wrong("an etcd cluster is named by 16 members at the most"));
        }
        Ok(Self { members, prefix: check_prefix(prefix)?, insecure: query.is_some() })
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Whether plain HTTP is spoken with this member, given whether there are certificates for the TLS connection.
    pub(crate) fn is_plain(&self, member: &Member, has_certificates: bool) -> bool {
        self.insecure || member.is_on_loopback && !has_certificates
    }

    /// What all keys of its elections begin with.
    pub(crate) fn prefix(&self) -> String {
        format!("{}/", if self.prefix.is_empty() { DEFAULT_PREFIX } else { &self.prefix })
    }
}

impl Member {
    fn read(text: &str) -> Result<Self> {
        let text = text.to_ascii_lowercase();
        let (host, port) = match text.rsplit_once(':') {
            // The last colon of `[::1]` sets off no port.
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok().filter(|port| *port > 0)),
            _ => (text.as_str(), Some(DEFAULT_PORT)),
        };
        let ip = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_name =
            |host: &str| !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        let is_host = ip.map_or(is_name(host), |ip| ip.parse::<std::net::Ipv6Addr>().is_ok());
        let Some(port) = port.filter(|_| is_host && host.len() <= 253) else {
            return Err(wrong("a member of an etcd cluster is named HOST:PORT, by its port for clients (2379)"));
        };
        let address = ip.unwrap_or(host).parse::<IpAddr>();
        let is_on_loopback = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
        Ok(Self { authority: format!("{host}:{port}"), is_on_loopback })
    }

    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }
}

fn check_prefix(prefix: &str) -> Result<String> {
    let prefix = prefix.trim_end_matches('/');
    let is_part =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    if prefix.len() > 256 || !prefix.is_empty() && !prefix.split('/').all(is_part) {
        return Err(wrong(
            "the prefix of an etcd cluster's elections must be 256 ASCII letters, digits, dots, hyphens, underscores and single slashes \
             between them at the most",
        ));
    }
    Ok(prefix.to_owned())
}

fn wrong(what: &'static str) -> Error {
    Error::setting(format!("{what}: write etcd://HOST:PORT;HOST:PORT/PREFIX"))
}

impl fmt::Display for EtcdAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members: Vec<_> = self.members.iter().map(Member::authority).collect();
        write!(f, "etcd://{}", members.join(";"))?;
        if !self.prefix.is_empty() {
            write!(f, "/{}", self.prefix)?;
        }
        if self.insecure { f.write_str("?insecure") } else { Ok(()) }
    }
}

impl fmt::Debug for EtcdAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EtcdAddress({self})")
    }
}

impl FromStr for EtcdAddress {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        Self::new(url)
    }
}

#[cfg(test)]
mod tests {
    use leader_election::ErrorKind;

    use super::*;

    #[test]
    fn members_and_prefix_are_read_and_shown_as_they_are_used() {
        for (url, shown, prefix) in [
            ("etcd://127.0.0.1:2379", "etcd://127.0.0.1:2379", "elections/"),
            (" ETCD://Etcd-0;etcd-1:4001/a/b/ ", "etcd://etcd-0:2379;etcd-1:4001/a/b", "a/b/"),
            ("etcd://[::1]:2379;[fd00::7]/x", "etcd://[::1]:2379;[fd00::7]:2379/x", "x/"),
            ("etcd://etcd:2379?insecure", "etcd://etcd:2379?insecure", "elections/"),
        ] {
            let address = EtcdAddress::new(url).expect(url);
            assert_eq!((address.to_string().as_str(), address.prefix().as_str()), (shown, prefix));
            assert_eq!(EtcdAddress::new(shown).expect("its own text"), address);
        }
    }

    #[test]
    fn plain_text_is_for_loopback_and_for_those_who_ask_for_it() {
        let plain = |url: &str, has_certificates| {
            let address = EtcdAddress::new(url).expect(url);
            address.members().iter().map(|member| address.is_plain(member, has_certificates)).collect::<Vec<_>>()
        };
        assert_eq!(
            plain("etcd://127.0.0.1;localhost;[::1];etcd-0;127.0.0.1.nip.io", false),
            [true, true, true, false, false]
        );
        assert_eq!(plain("etcd://127.0.0.1;etcd-0", true), [false, false]);
        assert_eq!(plain("etcd://etcd-0?insecure", true), [true]);
    }

    #[test]
    fn what_is_no_cluster_is_refused_and_not_quoted() {
        for url in [
            "",
            "etcd",
            "etcd:",
            "etcd://",
            "https://SECRET:2379",
            "etcd://root:SECRET@etcd:2379",
            "etcd://etcd:2379,SECRET:2379",
            "etcd://etcd:2379;",
            "etcd://etcd:0",
            "etcd://etcd:99999",
            "etcd://etcd:SECRET",
            "etcd://[::1",
            "etcd://[SECRET]:2379",
            "etcd://a b:2379",
            "etcd://etcd:2379/a//SECRET",
            "etcd://etcd:2379/a b",
            "etcd://etcd:2379/gr\u{f6}\u{df}e",
            "etcd://etcd:2379?password=SECRET",
            "etcd://etcd:2379/a?SECRET",
            &format!("etcd://{}", ["etcd"; 17].join(";")),
        ] {
            let refused = EtcdAddress::new(url).expect_err(url);
            assert_eq!(refused.kind(), ErrorKind::InvalidSetting, "{url}");
            assert!(
                !refused.to_string().contains("SECRET") && refused.to_string().contains("etcd://HOST:PORT"),
                "{refused}"
            );
        }
    }
}
