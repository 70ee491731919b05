//! Where an election is kept, by URL.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// What a store's URL says. The store itself checks the rest of it.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// A directory.
    File(PathBuf),
    /// A container of blobs; in an emulator on this machine, or in Azure.
    Blob { container_url: String, emulator: bool },
    /// A container of Cosmos DB.
    Cosmos { endpoint: String, database: String, container: String },
}

impl FromStr for Place {
    type Err = String;

    /// The error never shows the URL's query, where a signature may stand.
    fn from_str(url: &str) -> Result<Self, String> {
        if let Some(path) = url.strip_prefix("file:") {
            return file(path);
        }
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(format!("{} is no store. {KNOWN}", shown(url)));
        };
        match scheme {
            "blob+https" | "blob+http" => Ok(blob(&scheme[5..], rest)),
            "cosmos+https" | "cosmos+http" => cosmos(&scheme[7..], rest),
            "https" | "http" => match kind(rest) {
                Some(Kind::Blob) => Ok(blob(scheme, rest)),
                Some(Kind::Cosmos) => cosmos(scheme, rest),
                None => Err(format!(
                    "{} does not tell whether it is a blob container or a Cosmos DB container: write blob+{scheme}://... or \
                     cosmos+{scheme}://...",
                    shown(url)
                )),
            },
            _ => Err(format!("there is no store {scheme}://. {KNOWN}")),
        }
    }
}

/// Without the query, and without what could be a user's password.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(directory) => write!(f, "file:{}", directory.display()),
            Self::Blob { container_url, .. } => f.write_str(&shown(container_url)),
            Self::Cosmos { endpoint, database, container } => write!(f, "{}/{database}/{container}", shown(endpoint)),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({self})")
    }
}

const KNOWN: &str = "Write file:/directory, https://ACCOUNT.blob.core.windows.net/CONTAINER, \
                     https://ACCOUNT.documents.azure.com/DATABASE/CONTAINER, or the URL of an emulator";

enum Kind {
    Blob,
    Cosmos,
}

fn kind(rest: &str) -> Option<Kind> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = split_port(authority);
    let host = host.to_ascii_lowercase();
    if is_loopback(&host) {
        return match port {
            _ if path.split('/').next() == Some("devstoreaccount1") => Some(Kind::Blob),
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

fn split_port(authority: &str) -> (&str, &str) {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host, port),
        _ => (authority, ""),
    }
}

fn is_loopback(host: &str) -> bool {
    matches!(host, "127.0.0.1" | "localhost" | "[::1]")
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

fn blob(scheme: &str, rest: &str) -> Place {
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let emulator = scheme == "http" || is_loopback(split_port(authority).0);
    Place::Blob { container_url: format!("{scheme}://{rest}"), emulator }
}

fn cosmos(scheme: &str, rest: &str) -> Result<Place, String> {
    let names: Vec<_> = rest.trim_end_matches('/').split('/').collect();
    match names[..] {
        // The second form is that of Cosmos DB's own links, as the worker for Container Apps has it in LEADER_STORE_URL.
        [authority, database, container] | [authority, "dbs", database, "colls", container]
            if !authority.is_empty() && !rest.contains(['?', '#']) =>
        {
            Ok(Place::Cosmos {
                endpoint: format!("{scheme}://{authority}"),
                database: database.to_owned(),
                container: container.to_owned(),
            })
        }
        _ => {
            Err("a store in Cosmos DB is https://ACCOUNT.documents.azure.com/DATABASE/CONTAINER, and no more: its key \
                  belongs into the environment variable COSMOS_KEY"
                .to_owned())
        }
    }
}

fn shown(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match url.split_once("://") {
        // Whatever stands before an @ is for nobody's eyes.
        Some((scheme, rest)) => format!("{scheme}://{}", rest.rsplit('@').next().unwrap_or_default()),
        None => url.rsplit('@').next().unwrap_or_default().to_owned(),
    }
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
            assert_eq!(place(url), Place::Blob { container_url: url.to_owned(), emulator: false });
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
        let blob = |url: &str| matches!(place(url), Place::Blob { emulator: true, .. });
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
    fn no_signature_or_key_is_shown() {
        let signed = place("https://acct.blob.core.windows.net/leases?sv=1&sig=SECRET");
        assert_eq!(signed.to_string(), "https://acct.blob.core.windows.net/leases");
        assert!(!format!("{signed:?}").contains("SECRET"));
        for url in [
            "https://example.com/leases?sig=SECRET",
            "https://acct.documents.azure.com/a/b?key=SECRET",
            "acct.blob.core.windows.net/leases?sig=SECRET",
            "https://user:SECRET@example.com/leases",
        ] {
            assert!(!refusal(url).contains("SECRET"), "{url}");
        }
    }
}
