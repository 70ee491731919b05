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
        if let Some((scheme, rest)) = whole.split_once("://") {
            let authority = rest.split('/').next().unwrap_or_default();
            let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
            names.push((format!("{scheme}://{authority}"), "ENDPOINT"));
            names.push((authority.to_owned(), "HOST"));
            names.push((host.to_owned(), "HOST"));
            if let Some((account, _)) = host.split_once('.').filter(|(label, _)| label.parse::<u8>().is_err()) {
                names.push((account.to_owned(), "ACCOUNT"));
            }
        } else if let Some((_, path)) = whole.split_once(':') {
            names.push((path.to_owned(), "DIRECTORY"));
        }
        names.retain(|(name, _)| name.len() > 2);
        Self(names)
    }

    /// What kind of URL it is, without any of them.
    #[must_use]
    pub fn form(url: &StoreUrl) -> String {
        let whole = url.to_string();
        match whole.split_once("://") {
            Some((scheme, rest)) => {
                let authority = rest.split('/').next().unwrap_or_default();
                let names = Self::of(url).0;
                let account = names.into_iter().find(|(_, by)| *by == "ACCOUNT");
                let host = account.map_or(authority.to_owned(), |(name, by)| authority.replacen(&name, by, 1));
                format!("{scheme}://{host}/...")
            }
            None => format!("{}:...", whole.split(':').next().unwrap_or_default()),
        }
    }

    /// The text without them.
    #[must_use]
    pub fn hidden_in(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, by)| text.replace(name, by))
    }
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
        assert_eq!(hidden("http://127.0.0.1:10000/devstoreaccount1/leases", "127.0.0.1:10000"), "HOST");
    }
}
