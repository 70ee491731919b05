//! Where the documents are, checked before anything is sent.

use std::fmt;

use azure_core::http::Url;

use leader_election::{Error, Result, SideName};

/// A container in an Azure Cosmos DB account: where elections are held.
///
/// It shows no secret: the endpoint can have none.
///
/// ```
/// use azure_leader_election::CosmosAddress;
///
/// let leaders = CosmosAddress::new("https://myaccount.documents.azure.com/", "workers", "leaders")?;
/// assert_eq!(leaders.to_string(), "https://myaccount.documents.azure.com/workers/leaders");
/// # Ok::<(), azure_leader_election::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CosmosAddress {
    endpoint: Url,
    database: String,
    container: String,
}

impl CosmosAddress {
    /// The container of that name in the database of that name, in the account at `endpoint`
    /// (`https://<account>.documents.azure.com/`). Plain HTTP is accepted on loopback, for an emulator.
    ///
    /// # Errors
    /// [`InvalidSetting`](crate::ErrorKind::InvalidSetting) for an endpoint or a name that cannot be. Nothing is sent.
    pub fn new(endpoint: &str, database: &str, container: &str) -> Result<Self> {
        let endpoint = parse_endpoint(endpoint)?;
        for (what, name) in [("database", database), ("container", container)] {
            check_name(what, name)?;
        }
        Ok(Self { endpoint, database: database.to_owned(), container: container.to_owned() })
    }

    /// The account's endpoint, with a slash at its end.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.endpoint.as_str()
    }

    /// The database's name.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The container's name.
    #[must_use]
    pub fn container(&self) -> &str {
        &self.container
    }

    pub(super) fn url(&self) -> &Url {
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

impl fmt::Display for CosmosAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}/{}", self.endpoint, self.database, self.container)
    }
}

impl fmt::Debug for CosmosAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CosmosAddress").field(&self.to_string()).finish()
    }
}

/// A document, as errors name it.
#[derive(Clone)]
pub(super) struct Address {
    /// `None` where a client of the caller's leads there: it does not tell where to.
    pub(super) container: Option<CosmosAddress>,
    pub(super) id: String,
}

impl Address {
    /// The leader document of an election.
    pub(super) fn of_election(container: Option<CosmosAddress>, election: &str) -> Result<Self> {
        check_name("election", election)?;
        SideName::check_election(election)?;
        Ok(Self { container, id: election.to_owned() })
    }

    /// The document beside it, unless its id would be longer than the service takes.
    pub(super) fn beside(&self, name: SideName) -> Option<Self> {
        let id = format!("{}.{name}", self.id);
        (id.len() <= LONGEST_ID).then(|| Self { container: self.container.clone(), id })
    }

    /// The server, for a sentence.
    pub(super) fn server(&self) -> String {
        self.container
            .as_ref()
            .map_or_else(|| "the account of your client".to_owned(), |at| format!("{:?}", at.authority()))
    }

    /// The container, for a sentence.
    pub(super) fn place(&self) -> String {
        self.container.as_ref().map_or_else(
            || "the container of your client".to_owned(),
            |at| format!("the container {:?} in the database {:?}", at.container, at.database),
        )
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.container {
            Some(container) => write!(f, "{container}/{}", self.id),
            None => write!(f, "{:?} in the container of your client", self.id),
        }
    }
}

/// In bytes.
const LONGEST_ID: usize = 1_023;

fn parse_endpoint(endpoint: &str) -> Result<Url> {
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
    Ok(endpoint)
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

    fn address(endpoint: &str, database: &str, container: &str, election: &str) -> Result<Address> {
        Address::of_election(Some(CosmosAddress::new(endpoint, database, container)?), election)
    }

    fn refusal(endpoint: &str, database: &str, container: &str, election: &str) -> String {
        address(endpoint, database, container, election).err().expect("must be refused").to_string()
    }

    #[test]
    fn accepts_what_cosmos_accepts() {
        for endpoint in
            ["https://acct.documents.azure.com/", "https://acct.documents.azure.com:443", "http://127.0.0.1:8081"]
        {
            address(endpoint, "workers", "leaders", "a name: größer").expect("valid");
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
        for election in ["", "a/b", "a?", "a#", "a\\b", "two\nlines", " a", "a.wish", &"x".repeat(256)] {
            assert!(refusal(fine, "d", "c", election).contains("election name"), "{election:?}");
        }
    }

    #[test]
    fn a_side_record_whose_id_the_service_would_not_take_is_none() {
        let wish = SideName::new("wish").expect("valid");
        let beside = |election: &str| {
            let leader = address("https://acct.documents.azure.com/", "d", "c", election).expect("valid");
            leader.beside(wish).map(|side| side.id)
        };
        assert_eq!(beside("nightly"), Some("nightly.wish".to_owned()));
        assert_eq!(beside(&"\u{1F600}".repeat(255)), None, "1,025 bytes");
    }
}
