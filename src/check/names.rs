//! What a finding may not show to strangers.

use crate::store::StoreUrl;

/// The names by which a store can be told: of its account, its host, its directory.
pub struct Names(Vec<(String, &'static str)>);

impl Names {
    /// Those in the URL of a store.
    #[must_use]
    pub fn of(url: &StoreUrl) -> Self {
        let whole = url.to_string();
        let mut names = vec![(whole.clone(), "STORE")];
        if !whole.contains("://") {
            let (scheme, place) = whole.split_once(':').unwrap_or_default();
            names.push((place.to_owned(), if scheme == "file" { "DIRECTORY" } else { "PLACE" }));
        }
        // Several, where a URL names all members of a cluster.
        for authority in whole.split(['/', ';', ',']).filter(|part| is_authority(part)) {
            let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
            names.push((authority.to_owned(), "HOST"));
            names.push((host.to_owned(), "HOST"));
            if let Some((account, _)) = host.split_once('.').filter(|(label, _)| label.parse::<u8>().is_err()) {
                names.push((account.to_owned(), "ACCOUNT"));
            }
        }
        names.retain(|(name, _)| name.len() > 2);
        Self(names)
    }

    /// What kind of URL it is, without any of them.
    #[must_use]
    pub fn form(url: &StoreUrl) -> String {
        let whole = url.to_string();
        let Some((scheme, rest)) = whole.split_once("://") else {
            return format!("{}:...", whole.split(':').next().unwrap_or_default());
        };
        let accounts = Self::of(url).0.into_iter().filter(|(_, by)| *by == "ACCOUNT");
        let authority = rest.split('/').next().unwrap_or_default().to_owned();
        let shown = accounts.fold(authority, |shown, (name, by)| shown.replace(&name, by));
        format!("{scheme}://{shown}/...")
    }

    /// The text without them.
    #[must_use]
    pub fn hidden_in(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, by)| text.replace(name, by))
    }
}

/// A host, as far as a part of a URL tells.
fn is_authority(part: &str) -> bool {
    !part.ends_with(':') && (part.contains('.') || part.contains(':'))
}

#[cfg(all(test, feature = "blob", feature = "cosmos"))]
mod tests {
    use super::*;

    fn hidden(url: &str, text: &str) -> String {
        Names::of(&url.parse().expect("a store")).hidden_in(text)
    }

    #[test]
    fn neither_account_nor_host_nor_directory_is_left_in_a_text() {
        let url = "https://contoso.blob.core.windows.net/leases?sv=1&sig=SECRET";
        let text = "reading https://contoso.blob.core.windows.net/leases/nightly failed; \"contoso.blob.core.windows.net\" of contoso";
        assert_eq!(hidden(url, text), "reading STORE/nightly failed; \"HOST\" of ACCOUNT");
        let url = "https://contoso.documents.azure.com:443/workers/leaders";
        assert!(!hidden(url, "no answer of contoso.documents.azure.com, contoso").contains("contoso"));
        assert_eq!(hidden("file:/srv/leases", "in /srv/leases/a.json"), "in DIRECTORY/a.json");
        let form = |url: &str| Names::form(&url.parse().expect("a store"));
        assert_eq!(form("https://contoso.blob.core.windows.net/leases"), "https://ACCOUNT.blob.core.windows.net/...");
        assert_eq!(form("file:/srv/leases"), "file:...");
        assert_eq!(form("http://127.0.0.1:10000/devstoreaccount1/leases"), "http://127.0.0.1:10000/...");
        #[cfg(feature = "etcd")]
        assert_eq!(
            hidden("etcd://etcd-0.internal:2379;etcd-1.internal:2379", "etcd-1.internal:2379 is down"),
            "HOST is down"
        );
        assert_eq!(hidden("http://127.0.0.1:10000/devstoreaccount1/leases", "127.0.0.1:10000"), "HOST");
    }
}
