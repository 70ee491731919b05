//! Where the leader document is, checked before anything is sent.

use std::fmt;

use azure_core::http::Url;

use leader_election::{Error, Result};

/// An account, a database, a container and a document.
#[derive(Clone)]
pub(super) struct Address {
    endpoint: Url,
    pub(super) database: String,
    pub(super) container: String,
    pub(super) election: String,
}

impl Address {
    pub(super) fn new(endpoint: &str, database: &str, container: &str, election: &str) -> Result<Self> {
        if ["AccountKey=", "AccountEndpoint="].iter().any(|part| endpoint.contains(part)) {
            return Err(Error::setting(
                "the Cosmos DB endpoint must be a URL, not a connection string: https://<account>.documents.azure.com/",
            ));
        }
        // The parser's error shows nothing of the text, in which somebody may have put a key.
        let endpoint = Url::parse(endpoint)
            .map_err(|error| Error::setting(format!("the Cosmos DB endpoint is no valid URL: {error}")))?;
        let host = endpoint.host_str().unwrap_or_default();
        if !host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']')) {
            return Err(Error::setting("the Cosmos DB endpoint has a host name with characters that no host has"));
        }
        let loopback = matches!(endpoint.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if endpoint.scheme() != "https" && !(endpoint.scheme() == "http" && loopback) {
            return Err(Error::setting(
                "the Cosmos DB endpoint must begin with https://; plain http is for an emulator on this machine",
            ));
        }
        let bare = endpoint.path() == "/" && endpoint.query().is_none() && endpoint.fragment().is_none();
        if !bare || !endpoint.username().is_empty() || endpoint.password().is_some() {
            return Err(Error::setting(
                "the Cosmos DB endpoint must name the account alone: https://<account>.documents.azure.com/",
            ));
        }
        for (what, name) in [("database", database), ("container", container), ("election", election)] {
            check_name(what, name)?;
        }
        Ok(Self {
            endpoint,
            database: database.to_owned(),
            container: container.to_owned(),
            election: election.to_owned(),
        })
    }

    pub(super) fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    pub(super) fn host(&self) -> &str {
        self.endpoint.host_str().unwrap_or_default()
    }

    /// The host, and the port where it is not that of the scheme.
    pub(super) fn authority(&self) -> String {
        let port = self.endpoint.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{port}", self.host())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}/{}/{}", self.endpoint, self.database, self.container, self.election)
    }
}

/// See [Azure Cosmos DB limits](https://learn.microsoft.com/azure/cosmos-db/concepts-limits): ids of up to 255 characters
/// without slashes, question marks and hashes.
fn check_name(what: &str, name: &str) -> Result<()> {
    let length = name.chars().count();
    let forbidden = |c: char| c.is_control() || matches!(c, '/' | '\\' | '?' | '#');
    // A URL takes one dot or two for a place.
    let place = name == "." || name == "..";
    if !(1..=255).contains(&length) || name.chars().any(forbidden) || name.trim() != name || place {
        // Not quoted: somebody may have put a connection string there.
        return Err(Error::setting(format!(
            "the {what} name must be 1 to 255 characters without / \\ ? # and control characters, no space at either end, and \
             not . or .."
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(endpoint: &str, database: &str, container: &str, election: &str) -> String {
        Address::new(endpoint, database, container, election).err().expect("must be refused").to_string()
    }

    #[test]
    fn accepts_what_cosmos_accepts() {
        for endpoint in
            ["https://acct.documents.azure.com/", "https://acct.documents.azure.com:443", "http://127.0.0.1:8081"]
        {
            Address::new(endpoint, "workers", "leaders", "a name: größer").expect("valid");
        }
    }

    #[test]
    fn each_refusal_names_the_setting() {
        let fine = "https://acct.documents.azure.com/";
        assert!(refusal("no url", "d", "c", "e").contains("endpoint"));
        assert!(refusal("http://acct.documents.azure.com/", "d", "c", "e").contains("https://"));
        assert!(refusal("https://acct.documents.azure.com/dbs/x", "d", "c", "e").contains("account alone"));
        assert!(refusal("https://acct.documents.azure.com/?key=SECRET", "d", "c", "e").contains("account alone"));
        assert!(!refusal("https://acct.documents.azure.com/?key=SECRET", "d", "c", "e").contains("SECRET"));
        assert!(refusal(fine, "", "c", "e").contains("database name"));
        assert!(refusal(fine, "d", "a/b", "e").contains("container name"));
        for election in ["", "a/b", "a?", "a#", "a\\b", "two\nlines", " a", &"x".repeat(256)] {
            assert!(refusal(fine, "d", "c", election).contains("election name"), "{election:?}");
        }
    }
}
