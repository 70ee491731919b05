//! Where an election is kept, by URL.
//!
//! A refusal never quotes what it refuses: a signature or a key may stand anywhere in a text that is no URL of a store.

mod advice;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

pub use advice::hides_nothing;

/// What a store's URL says. The store itself checks the rest of it.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// A directory.
    File(PathBuf),
    /// A container of blobs.
    Blob { container_url: String, server: Server },
    /// A container of Cosmos DB.
    Cosmos { endpoint: String, database: String, container: String },
}

/// Where a container of blobs is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    Azure,
    /// An emulator on this machine.
    Emulator,
    /// An emulator on another host, as was said explicitly.
    EmulatorElsewhere,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        advice::refuse_connection_string(text)?;
        if let Some(path) = text.split_at_checked(5).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("file:")) {
            return file(path.1);
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(|| format!("the store is no URL. {KNOWN}"))?;
        let (prefix, scheme) = split_scheme(&scheme.to_ascii_lowercase())?;
        let url = Url::read(scheme, rest)?;
        match prefix {
            Prefix::Blob => url.blob(),
            Prefix::Cosmos => url.cosmos(),
            Prefix::Emulator => url.emulator_elsewhere(),
            Prefix::None => match url.kind() {
                Some(Kind::Blob) => url.blob(),
                Some(Kind::Cosmos) => url.cosmos(),
                None => Err(format!(
                    "the store's URL does not tell whether it is a blob container or a Cosmos DB container: write \
                     blob+{scheme}://... or cosmos+{scheme}://..."
                )),
            },
        }
    }
}

/// Without the query.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(directory) => write!(f, "file:{}", directory.display()),
            Self::Blob { container_url, .. } => f.write_str(container_url.split('?').next().unwrap_or_default()),
            Self::Cosmos { endpoint, database, container } => write!(f, "{endpoint}/{database}/{container}"),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({self})")
    }
}

impl Place {
    /// The same text for the same place, wherever a process runs.
    pub fn identity(&self) -> String {
        match self {
            Self::File(directory) => {
                let path = directory.canonicalize().or_else(|_| std::path::absolute(directory));
                Self::File(path.unwrap_or_else(|_| directory.clone())).to_string()
            }
            _ => self.to_string(),
        }
    }
}

const KNOWN: &str = "Write file:/directory, https://ACCOUNT.blob.core.windows.net/CONTAINER, \
                     https://ACCOUNT.documents.azure.com/DATABASE/CONTAINER, or the URL of an emulator";

/// What stands before `https` or `http` where the URL itself does not tell.
enum Prefix {
    None,
    Blob,
    Cosmos,
    Emulator,
}

fn split_scheme(scheme: &str) -> Result<(Prefix, &'static str), String> {
    let (prefix, scheme) = match scheme.rsplit_once('+') {
        None => (Prefix::None, scheme),
        Some(("blob", scheme)) => (Prefix::Blob, scheme),
        Some(("cosmos", scheme)) => (Prefix::Cosmos, scheme),
        Some(("emulator", scheme)) => (Prefix::Emulator, scheme),
        Some(_) => (Prefix::None, ""),
    };
    let scheme = ["https", "http"].into_iter().find(|known| *known == scheme);
    scheme.map(|scheme| (prefix, scheme)).ok_or_else(|| format!("there is no store with that scheme. {KNOWN}"))
}

enum Kind {
    Blob,
    Cosmos,
}

/// The parts of a URL over HTTP.
struct Url<'a> {
    scheme: &'static str,
    /// In lower case.
    authority: String,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Url<'a> {
    fn read(scheme: &'static str, rest: &'a str) -> Result<Self, String> {
        if rest.contains('#') {
            return Err("the store's URL must not have a fragment (#...)".to_owned());
        }
        let (before, query) = rest.split_once('?').map_or((rest, None), |(before, query)| (before, Some(query)));
        let (authority, path) = before.split_once('/').unwrap_or((before, ""));
        if authority.contains('@') {
            return Err(
                "the store's URL must not hold a user name or password: leave away what stands before the @".to_owned()
            );
        }
        advice::refuse_other_endpoints(&authority.to_ascii_lowercase())?;
        Ok(Self { scheme, authority: authority.to_ascii_lowercase(), path: path.trim_end_matches('/'), query })
    }

    fn kind(&self) -> Option<Kind> {
        let (host, port) = self.host_and_port();
        if self.is_loopback() {
            return match port {
                _ if self.path.split('/').next() == Some("devstoreaccount1") => Some(Kind::Blob),
                "10000" => Some(Kind::Blob),
                "8081" => Some(Kind::Cosmos),
                _ => None,
            };
        }
        // Also in the clouds of governments, and behind private endpoints.
        if host.contains(".blob.") {
            Some(Kind::Blob)
        } else if host.contains(".documents.") {
            Some(Kind::Cosmos)
        } else {
            None
        }
    }

    fn host_and_port(&self) -> (&str, &str) {
        match self.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host, port),
            _ => (&self.authority, ""),
        }
    }

    fn is_loopback(&self) -> bool {
        let host = self.host_and_port().0;
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    fn blob(self) -> Result<Place, String> {
        let server = match self.is_loopback() {
            true => Server::Emulator,
            false if self.scheme == "http" => {
                return Err(
                    "plain http is for an emulator, and this one is not on this machine: if the way to it may be read \
                            and changed by others, write emulator+http://HOST:PORT/devstoreaccount1/CONTAINER"
                        .to_owned(),
                );
            }
            false => Server::Azure,
        };
        self.container_of_blobs(server)
    }

    fn emulator_elsewhere(self) -> Result<Place, String> {
        match self.path.split('/').next() {
            Some("devstoreaccount1") => self.container_of_blobs(Server::EmulatorElsewhere),
            _ => Err("an emulator's URL is emulator+http://HOST:PORT/devstoreaccount1/CONTAINER".to_owned()),
        }
    }

    fn container_of_blobs(self, server: Server) -> Result<Place, String> {
        advice::check_container(self.path)?;
        advice::check_signature(self.path, self.query)?;
        let Self { scheme, authority, path, query } = self;
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        Ok(Place::Blob { container_url: format!("{scheme}://{authority}/{path}{query}"), server })
    }

    fn cosmos(self) -> Result<Place, String> {
        let names: Vec<_> = self.path.split('/').collect();
        match names[..] {
            // The second form is that of Cosmos DB's own links, as the worker for Container Apps has it in LEADER_STORE_URL.
            [database, container] | ["dbs", database, "colls", container]
                if !self.authority.is_empty() && self.query.is_none() =>
            {
                Ok(Place::Cosmos {
                    endpoint: format!("{}://{}", self.scheme, self.authority),
                    database: database.to_owned(),
                    container: container.to_owned(),
                })
            }
            _ => Err(
                "a store in Cosmos DB is https://ACCOUNT.documents.azure.com/DATABASE/CONTAINER, and no more: its key \
                      belongs into the environment variable COSMOS_KEY"
                    .to_owned(),
            ),
        }
    }
}

fn file(path: &str) -> Result<Place, String> {
    let path = match path.strip_prefix("//") {
        None => path,
        Some(path) if path.starts_with('/') => path,
        Some(_) => {
            return Err(
                "a store of files must be on this machine: write file:/directory, or file:///directory".to_owned()
            );
        }
    };
    if path.is_empty() {
        return Err("file: names no directory: write file:/directory".to_owned());
    }
    Ok(Place::File(PathBuf::from(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> Place {
        url.parse().unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    fn refusal(url: &str) -> String {
        url.parse::<Place>().expect_err(url)
    }

    #[test]
    fn a_directory_is_named_with_one_slash_or_three() {
        for url in ["file:/var/lib/leases", "file:///var/lib/leases"] {
            assert_eq!(place(url), Place::File("/var/lib/leases".into()));
        }
        assert_eq!(place("file:leases"), Place::File("leases".into()));
        assert!(refusal("file://server/leases").contains("on this machine"));
        assert!(refusal("file:").contains("no directory"));
    }

    #[test]
    fn hosts_of_azure_tell_blobs_from_cosmos() {
        for url in ["https://acct.blob.core.windows.net/leases", "https://acct.blob.core.usgovcloudapi.net/leases"] {
            assert_eq!(place(url), Place::Blob { container_url: url.to_owned(), server: Server::Azure });
        }
        for path in ["workers/leaders/", "dbs/workers/colls/leaders"] {
            assert_eq!(
                place(&format!("https://acct.documents.azure.com:443/{path}")),
                Place::Cosmos {
                    endpoint: "https://acct.documents.azure.com:443".to_owned(),
                    database: "workers".to_owned(),
                    container: "leaders".to_owned(),
                }
            );
        }
    }

    #[test]
    fn emulators_are_told_by_account_or_port_and_else_by_the_scheme() {
        let blob = |url: &str| matches!(place(url), Place::Blob { server: Server::Emulator, .. });
        assert!(blob("http://127.0.0.1:10000/devstoreaccount1/leases"));
        assert!(blob("http://localhost:4711/devstoreaccount1/leases"));
        assert!(blob("blob+http://127.0.0.1:4711/another/leases"));
        assert!(blob("https://[::1]:10000/devstoreaccount1/leases"));
        assert!(matches!(place("http://127.0.0.1:8081/workers/leaders"), Place::Cosmos { .. }));
        assert!(matches!(place("cosmos+http://127.0.0.1:4711/workers/leaders"), Place::Cosmos { .. }));
        for url in ["http://127.0.0.1:4711/workers/leaders", "https://leases.example.com/a/b"] {
            let refusal = refusal(url);
            assert!(refusal.contains("blob+") && refusal.contains("cosmos+"), "{refusal}");
        }
    }

    #[test]
    fn anything_else_is_refused_in_a_sentence_that_names_what_would_do() {
        for url in ["", "leases", "/var/lib/leases", "redis://127.0.0.1/0", "ftp://a/b"] {
            assert!(refusal(url).contains("file:/directory"), "{url}");
        }
        let account = "https://acct.documents.azure.com";
        for url in [account.to_owned(), format!("{account}/a/b/c"), format!("{account}/dbs/a/colls/b/docs/c")] {
            let url = url.as_str();
            assert!(refusal(url).contains("DATABASE/CONTAINER"), "{url}");
        }
    }

    #[test]
    fn what_people_write_instead_is_taken_or_answered_with_the_next_step() {
        let plain = place("https://acct.blob.core.windows.net/leases");
        for url in ["HTTPS://acct.Blob.core.windows.net/leases", " https://acct.blob.core.windows.net/leases/ "] {
            assert_eq!(place(url), plain, "{url}");
        }
        let blob = "https://acct.blob.core.windows.net";
        for (url, step) in [
            (format!("{blob}/leases?sp=rcw"), "in quotes"),
            (format!("{blob}/leases?sp=rcw&sv=2025"), "sig="),
            (format!("{blob}/leases&sv=1&sig=SECRET"), "`?`"),
            (format!("{blob}/UPPER"), "lower-case"),
            ("https://acct-secondary.blob.core.windows.net/leases".to_owned(), "without -secondary"),
            ("https://acct-secondary.documents.azure.com/a/b".to_owned(), "without -secondary"),
            ("https://acct.dfs.core.windows.net/leases".to_owned(), ".blob."),
            ("blob+https://acct.dfs.core.windows.net/leases".to_owned(), ".blob."),
            ("https://acct.file.core.windows.net/leases".to_owned(), ".blob."),
            ("https://portal.azure.com/#@tenant/resource".to_owned(), "fragment"),
            ("https://portal.azure.com/leases".to_owned(), "portal"),
            ("http://azurite:10000/devstoreaccount1/leases".to_owned(), "blob+http"),
            ("blob+http://azurite:10000/devstoreaccount1/leases".to_owned(), "emulator+http://"),
            ("emulator+http://azurite:10000/leases".to_owned(), "devstoreaccount1"),
        ] {
            assert!(refusal(&url).contains(step), "{url}: {}", refusal(&url));
        }
        let elsewhere = place("emulator+http://azurite:10000/devstoreaccount1/leases");
        assert!(matches!(elsewhere, Place::Blob { server: Server::EmulatorElsewhere, .. }));
    }

    #[test]
    fn a_connection_string_is_recognised_and_never_shown() {
        for (text, step) in [
            (
                "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=SECRET==;EndpointSuffix=core.windows.net",
                "--credential",
            ),
            ("BlobEndpoint=https://a.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=SECRET", "CONTAINER?"),
            ("AccountEndpoint=https://a.documents.azure.com:443/;AccountKey=SECRET==;", "COSMOS_KEY"),
            ("UseDevelopmentStorage=true", "devstoreaccount1"),
            ("https://a.blob.core.windows.net/leases;accountkey=SECRET", "--credential"),
        ] {
            let refusal = refusal(text);
            assert!(refusal.contains(step) && refusal.contains("URL") && !refusal.contains("SECRET"), "{refusal}");
        }
    }

    #[test]
    fn no_signature_or_key_is_shown() {
        let signed = place("https://acct.blob.core.windows.net/leases?sv=1&sig=SECRET");
        assert_eq!(signed.to_string(), "https://acct.blob.core.windows.net/leases");
        assert!(!format!("{signed:?}").contains("SECRET"));
        for url in [
            "https://example.com/leases?sig=SECRET",
            "https://acct.documents.azure.com/a/b?key=SECRET",
            "acct.blob.core.windows.net/leases?sig=SECRET",
            "https://user:SECRET@example.com/leases",
            "SECRET://example.com/leases",
            "https://acct.blob.core.windows.net/leases#SECRET",
            "https://acct.blob.core.windows.net/SECRET+/=",
            "SECRET",
        ] {
            assert!(!refusal(url).contains("SECRET"), "{url}");
        }
    }
}
