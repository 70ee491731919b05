//! Where the lease blob is, checked before anything is sent.

use std::fmt;
use std::net::IpAddr;

use azure_core::http::Url;

use leader_election::{Error, Result, SideName};

/// The URL of a container and the name of a blob in it. Displays without the URL's query, where a signature may stand.
#[derive(Clone)]
pub(crate) struct Address {
    container_url: Url,
    blob_name: String,
    emulator: bool,
}

impl Address {
    /// A container in Azure, or in an emulator that speaks HTTPS.
    pub(crate) fn azure(container_url: &str, blob_name: &str, signed: bool) -> Result<Self> {
        let url = parse(container_url)?;
        if url.scheme() != "https" {
            return Err(Error::setting(
                "the container URL must begin with https://; plain http is for an emulator on this machine: see \
                 BlobDistributedMutex::for_emulator",
            ));
        }
        check_signature(&url)?;
        match (signed, url.query().is_some()) {
            (true, false) => {
                return Err(Error::setting(
                    "the container URL carries no shared access signature (no sig= in its query)",
                ));
            }
            (false, true) => {
                return Err(Error::setting(
                    "the container URL carries a shared access signature: use BlobDistributedMutex::from_sas_url",
                ));
            }
            _ => {}
        }
        Self::new(url, blob_name, false)
    }

    pub(crate) fn emulator(container_url: &str, blob_name: &str) -> Result<Self> {
        let url = parse(container_url)?;
        if !matches!(url.scheme(), "http" | "https") || !is_loopback(&url) {
            return Err(Error::setting(
                "an emulator's URL must be http:// or https:// on this machine (127.0.0.1, [::1] or localhost)",
            ));
        }
        check_signature(&url)?;
        Self::new(url, blob_name, true)
    }

    /// An emulator on another host, such as another container's.
    pub(super) fn emulator_elsewhere(container_url: &str, blob_name: &str) -> Result<Self> {
        let url = parse(container_url)?;
        let account = url.path_segments().and_then(|mut segments| segments.next());
        if !matches!(url.scheme(), "http" | "https") || account != Some("devstoreaccount1") {
            return Err(Error::setting("an emulator's URL must be http://HOST:PORT/devstoreaccount1/<container>"));
        }
        Self::new(url, blob_name, true)
    }

    pub(crate) fn of_client(container_url: &Url, blob_name: &str) -> Result<Self> {
        let emulator = is_loopback(container_url);
        if container_url.scheme() != "https" && !emulator {
            return Err(Error::setting(
                "the container client's URL must begin with https://: plain http is for an emulator on \
                                       this machine",
            ));
        }
        Self::new(container_url.clone(), blob_name, emulator)
    }

    fn new(url: Url, blob_name: &str, emulator: bool) -> Result<Self> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::setting("the container URL must not hold a user name or password"));
        }
        if url.fragment().is_some() {
            return Err(Error::setting("the container URL must not have a fragment (#...)"));
        }
        check_host(&url)?;
        check_container(&url)?;
        check_blob(blob_name)?;
        Ok(Self { container_url: url, blob_name: blob_name.to_owned(), emulator })
    }

    /// The record of that name beside the one whose blob this is.
    pub(super) fn beside(&self, side: SideName) -> Result<Self> {
        let blob_name = format!("{}.{side}", self.blob_name);
        check_blob(&blob_name)?;
        Ok(Self { blob_name, ..self.clone() })
    }

    pub(super) fn container_url(&self) -> &Url {
        &self.container_url
    }

    pub(crate) fn container(&self) -> &str {
        container_of(&self.container_url).unwrap_or_default()
    }

    pub(super) fn host(&self) -> &str {
        self.container_url.host_str().unwrap_or_default()
    }

    /// The host, and the port where it is not that of the scheme.
    pub(super) fn authority(&self) -> String {
        let port = self.container_url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{port}", self.host())
    }

    pub(crate) fn blob_name(&self) -> &str {
        &self.blob_name
    }

    pub(crate) fn has_query(&self) -> bool {
        self.container_url.query().is_some()
    }

    pub(crate) fn is_emulator(&self) -> bool {
        self.emulator
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (url, host) = (&self.container_url, self.host());
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        write!(f, "{}://{host}{port}{}/{}", url.scheme(), url.path(), self.blob_name)
    }
}

/// Without the slash that some tools put at the end. What does not parse is not quoted, as it may be a key.
fn parse(url: &str) -> Result<Url> {
    if is_connection_string(url) {
        return Err(Error::setting(
            "the container URL must be a URL, not a connection string: https://<account>.blob.core.windows.net/<container>",
        ));
    }
    let mut url =
        Url::parse(url).map_err(|error| Error::setting(format!("the container URL is no valid URL: {error}")))?;
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty();
    }
    Ok(url)
}

/// As the portal and the tools of Azure write it, an account's or a signature's.
fn is_connection_string(text: &str) -> bool {
    ["AccountKey=", "AccountName=", "SharedAccessSignature=", "UseDevelopmentStorage=", "BlobEndpoint="]
        .iter()
        .any(|part| text.contains(part))
}

/// A query is a signature, and one that was cut off is none.
fn check_signature(url: &Url) -> Result<()> {
    if url.query().is_some() && !url.query_pairs().any(|(name, value)| name == "sig" && !value.is_empty()) {
        return Err(Error::setting(
            "the container URL has a query without a signature (no sig=): was the URL quoted? A shell cuts an unquoted one at its \
             first &",
        ));
    }
    Ok(())
}

/// Azure's hosts that are not the one of the account's blobs.
fn check_host(url: &Url) -> Result<()> {
    let host = url.host_str().unwrap_or_default();
    if !host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']')) {
        return Err(Error::setting("the container URL has a host name with characters that no host has"));
    }
    let labels: Vec<_> = host.split('.').collect();
    // The account, in newer accounts a zone, the service, and the cloud's domain.
    let service = labels.iter().skip(1).take(2).find(|label| SERVICES.contains(label));
    let (Some(service), [account, ..]) = (service, labels.as_slice()) else { return Ok(()) };
    if *service != "blob" {
        let blobs = host.replacen(&format!(".{service}."), ".blob.", 1);
        return Err(Error::setting(format!(
            "the container URL must name the account's host for blobs, https://{blobs}/<container>, not the one for {service}"
        )));
    }
    if let Some(primary) = account.strip_suffix("-secondary") {
        return Err(Error::setting(format!(
            "the container URL names the account's secondary host, which takes no writes: name the primary one, \
             {primary}.{}",
            labels[1..].join(".")
        )));
    }
    Ok(())
}

const SERVICES: [&str; 6] = ["blob", "dfs", "file", "queue", "table", "web"];

/// The last segment of the path: Azure has the container alone there, an emulator the account before it.
fn container_of(url: &Url) -> Option<&str> {
    let segments: Vec<_> = url.path_segments()?.collect();
    let expected = if has_account_in_path(url) { 2 } else { 1 };
    (segments.len() == expected).then(|| segments[expected - 1])
}

/// See [Naming containers](https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata).
fn check_container(url: &Url) -> Result<()> {
    let Some(name) = container_of(url) else {
        let form = if has_account_in_path(url) {
            "http://127.0.0.1:10000/devstoreaccount1/<container>"
        } else {
            "https://<account>.blob.core.windows.net/<container>"
        };
        return Err(Error::setting(format!("the container URL must name one container and nothing below it: {form}")));
    };
    let allowed = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let hyphens = name.starts_with('-') || name.ends_with('-') || name.contains("--");
    if !(3..=63).contains(&name.len()) || !allowed || hyphens {
        // Not quoted: with `&` in place of `?` a signature stands here.
        return Err(Error::setting(
            "the container name, which the container URL ends with, must be 3 to 63 lower-case letters, digits and single hyphens \
             between them",
        ));
    }
    Ok(())
}

/// See the same page.
fn check_blob(name: &str) -> Result<()> {
    let length = name.chars().count();
    let bad_end = name.ends_with('.') || name.ends_with('/');
    // Some servers take a backslash for a slash: two names would be one blob, and two elections one lease.
    if !(1..=1024).contains(&length) || bad_end || name.chars().any(|c| c.is_control() || c == '\\') {
        return Err(Error::setting(
            "the blob name must be 1 to 1,024 characters without backslashes and control characters, and not end with a dot or a \
             slash",
        ));
    }
    Ok(())
}

/// Whether a blob of this name can be an election's.
pub(super) fn is_blob_name(name: &str) -> bool {
    check_blob(name).is_ok()
}

fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => ip(host).is_some_and(|ip| ip.is_loopback()),
        None => false,
    }
}

/// Under a host without the account's name, which a container of Azure never has in its path.
fn has_account_in_path(url: &Url) -> bool {
    url.host_str().is_some_and(|host| host == "localhost" || ip(host).is_some())
        || url.path().starts_with("/devstoreaccount1/")
}

fn ip(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str, blob: &str) -> String {
        Address::azure(url, blob, false).err().expect("must be refused").to_string()
    }

    #[test]
    fn accepts_what_azure_accepts() {
        for url in [
            "https://acct.blob.core.windows.net/leases",
            "https://acct.blob.core.usgovcloudapi.net/a-1",
            "https://127.0.0.1:10000/devstoreaccount1/leases",
        ] {
            for blob in ["nightly", "a/b c", "Größe?#%", &"x".repeat(1024)] {
                Address::azure(url, blob, false).expect("valid");
            }
        }
    }

    #[test]
    fn each_refusal_names_the_setting() {
        assert!(refusal("http://acct.blob.core.windows.net/leases", "b").contains("https://"));
        assert!(refusal("https://acct.blob.core.windows.net/", "b").contains("container"));
        assert!(refusal("https://acct.blob.core.windows.net/a/b", "b").contains("one container"));
        assert!(refusal("https://u:p@acct.blob.core.windows.net/leases", "b").contains("user name"));
        assert!(refusal("no url", "b").contains("container URL"));
        for container in ["ab", "UPPER", "a--b", "-ab", "ab-", "a_b", &"x".repeat(64)] {
            let url = format!("https://acct.blob.core.windows.net/{container}");
            assert!(refusal(&url, "b").contains("container name"), "{container}");
        }
        for blob in ["", "dot.", "slash/", "back\\slash", ".", "..", "new\nline", &"x".repeat(1025)] {
            assert!(refusal("https://acct.blob.core.windows.net/leases", blob).contains("blob name"), "{blob:?}");
        }
    }

    #[test]
    fn a_slash_at_the_end_is_the_same_container() {
        let address = Address::azure("https://acct.blob.core.windows.net/leases/", "b", false).expect("valid");
        assert_eq!(address.to_string(), "https://acct.blob.core.windows.net/leases/b");
        let signed = Address::azure("https://acct.blob.core.windows.net/leases/?sig=x", "b", true).expect("valid");
        assert_eq!(signed.container_url().as_str(), "https://acct.blob.core.windows.net/leases?sig=x");
        assert_eq!(
            Address::emulator("http://127.0.0.1:10000/devstoreaccount1/leases/", "b").expect("valid").container(),
            "leases"
        );
        assert!(refusal("https://acct.blob.core.windows.net/leases//", "b").contains("one container"));
    }

    #[test]
    fn another_host_of_the_account_is_refused_and_the_right_one_named() {
        for (host, named) in [
            ("acct.dfs.core.windows.net", "https://acct.blob.core.windows.net/"),
            ("acct.file.core.usgovcloudapi.net", "https://acct.blob.core.usgovcloudapi.net/"),
            ("acct.z13.web.core.windows.net", "https://acct.z13.blob.core.windows.net/"),
            ("acct-secondary.blob.core.windows.net", "acct.blob.core.windows.net"),
            ("acct-secondary.z01.blob.storage.azure.net", "acct.z01.blob.storage.azure.net"),
        ] {
            let said = refusal(&format!("https://{host}/leases"), "b");
            assert!(said.contains(named) && said.contains("container URL"), "{host}: {said}");
        }
        for host in ["files.example.com", "my-secondary.example.com", "acct.z01.blob.storage.azure.net"] {
            Address::azure(&format!("https://{host}/leases"), "b", false).expect("valid");
        }
    }

    #[test]
    fn a_query_without_a_signature_asks_whether_the_url_was_quoted() {
        for query in ["sp=rcw", "sv=2025-01-01&sig=", "sv"] {
            let url = format!("https://acct.blob.core.windows.net/leases?{query}");
            assert!(refusal(&url, "b").contains("quoted?"), "{query}");
            let signed = Address::azure(&url, "b", true).err().expect("refused").to_string();
            assert!(signed.contains("quoted?"), "{query}");
            let emulator = format!("http://127.0.0.1:10000/devstoreaccount1/leases?{query}");
            assert!(Address::emulator(&emulator, "b").err().expect("refused").to_string().contains("quoted?"));
        }
    }

    #[test]
    fn what_is_refused_is_not_quoted() {
        for url in [
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=SECRET==;EndpointSuffix=core.windows.net",
            "BlobEndpoint=https://acct.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=SECRET",
            "https://acct.blob.core.windows.net/SECRET",
            "https://acct.blob.core.windows.net/leases;AccountKey=SECRET==",
            "SECRET://acct.blob.core.windows.net/leases",
            "https://SECRET=/leases",
        ] {
            for refused in
                [Address::azure(url, "b", false), Address::azure(url, "b", true), Address::emulator(url, "b")]
            {
                let said = refused.err().expect("refused").to_string();
                assert!(!said.to_lowercase().contains("secret="), "{said}");
                assert!(!said.contains("SECRET") && !said.contains("secret"), "{said}");
            }
        }
        assert!(!refusal("https://acct.blob.core.windows.net/leases", "x\\?sig=SECRET").contains("SECRET"));
    }

    #[test]
    fn plain_http_is_for_an_emulator_on_this_machine_only() {
        assert!(Address::emulator("http://127.0.0.1:10000/devstoreaccount1/leases", "b").is_ok());
        assert!(Address::emulator("http://localhost:10000/devstoreaccount1/leases", "b").is_ok());
        assert!(Address::emulator("http://10.0.0.1:10000/devstoreaccount1/leases", "b").is_err());
        assert!(Address::emulator("http://127.0.0.1.evil.example/devstoreaccount1/leases", "b").is_err());
        assert!(Address::emulator("https://acct.blob.core.windows.net/leases", "b").is_err());
    }

    #[test]
    fn a_signature_is_never_displayed() {
        let signed = "https://acct.blob.core.windows.net/leases?sv=2025-01-01&sig=SECRET";
        let address = Address::azure(signed, "b", true).expect("valid");
        assert_eq!(address.to_string(), "https://acct.blob.core.windows.net/leases/b");
        assert!(!refusal(signed, "b").contains("SECRET"));
        assert!(Address::azure("https://acct.blob.core.windows.net/leases", "b", true).is_err());
    }
}
