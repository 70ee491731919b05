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
        members(&whole).for_each(|member| names.extend(names_in(member)));
        names.retain(|(name, _)| name.len() > 2);
        Self(names)
    }

    /// What kind of URL it is, without any of them.
    #[must_use]
    pub fn form(url: &StoreUrl) -> String {
        let whole = url.to_string();
        let forms: Vec<_> = members(&whole).map(form).collect();
        let is_quorum = whole.starts_with(QUORUM);
        format!("{}{}", if is_quorum { QUORUM } else { "" }, forms.join(","))
    }

    /// The text without them.
    #[must_use]
    pub fn hidden_in(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, by)| text.replace(name, by))
    }
}

const QUORUM: &str = "quorum:";

/// Of a quorum; or the one store that it is.
fn members(whole: &str) -> impl Iterator<Item = &str> {
    let (rest, separator) = match whole.strip_prefix(QUORUM) {
        Some(rest) => (rest, ","),
        None => (whole, "\n"),
    };
    rest.split(separator)
}

/// From the longest to the shortest.
fn names_in(url: &str) -> Vec<(String, &'static str)> {
    let mut names = vec![(url.to_owned(), "STORE")];
    let Some((_, rest)) = url.split_once("://") else {
        let (scheme, place) = url.split_once(':').unwrap_or_default();
        names.push((place.to_owned(), if scheme == "file" { "DIRECTORY" } else { "PLACE" }));
        return names;
    };
    // Several, where a URL names all members of a cluster.
    for authority in rest.split('/').next().unwrap_or_default().split(';') {
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        names.push((authority.to_owned(), "HOST"));
        names.push((host.to_owned(), "HOST"));
        if let Some((account, _)) = host.split_once('.').filter(|(label, _)| label.parse::<u8>().is_err()) {
            names.push((account.to_owned(), "ACCOUNT"));
        }
    }
    names
}

fn form(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return format!("{}:...", url.split(':').next().unwrap_or_default());
    };
    let accounts = names_in(url).into_iter().filter(|(_, by)| *by == "ACCOUNT");
    let authority = rest.split('/').next().unwrap_or_default().to_owned();
    let shown = accounts.fold(authority, |shown, (name, by)| shown.replace(&name, by));
    format!("{scheme}://{shown}/...")
}

#[cfg(test)]
#[cfg(all(feature = "blob", feature = "cosmos"))]
mod tests {
    use super::*;

    fn hidden(url: &str, text: &str) -> String {
        Names::of(&url.parse().expect("a store")).hidden_in(text)
    }

    fn form(url: &str) -> String {
        Names::form(&url.parse().expect("a store"))
    }

    #[test]
    fn neither_account_nor_host_nor_directory_is_left_in_a_text() {
        let url = "https://contoso.blob.core.windows.net/leases?sv=1&sig=SECRET";
        let text = "reading https://contoso.blob.core.windows.net/leases/nightly failed; \"contoso.blob.core.windows.net\" of contoso";
        assert_eq!(hidden(url, text), "reading STORE/nightly failed; \"HOST\" of ACCOUNT");
        let url = "https://contoso.documents.azure.com:443/workers/leaders";
        assert!(!hidden(url, "no answer of contoso.documents.azure.com, contoso").contains("contoso"));
        assert_eq!(hidden("file:/srv/leases", "in /srv/leases/a.json"), "in DIRECTORY/a.json");
        assert_eq!(hidden("http://127.0.0.1:10000/devstoreaccount1/leases", "127.0.0.1:10000"), "HOST");
        let quorum = "quorum:file:/srv/a,https://contoso.blob.core.windows.net/leases,file:/srv/b";
        assert_eq!(hidden(quorum, "/srv/a, contoso, /srv/b"), "DIRECTORY, ACCOUNT, DIRECTORY");
    }

    #[test]
    fn the_form_of_a_url_names_nothing() {
        assert_eq!(form("https://contoso.blob.core.windows.net/leases"), "https://ACCOUNT.blob.core.windows.net/...");
        assert_eq!(form("file:/srv/leases"), "file:...");
        assert_eq!(form("http://127.0.0.1:10000/devstoreaccount1/leases"), "http://127.0.0.1:10000/...");
        let quorum = "quorum:file:/srv/a,https://contoso.blob.core.windows.net/leases,file:/srv/b";
        assert_eq!(form(quorum), "quorum:file:...,https://ACCOUNT.blob.core.windows.net/...,file:...");
    }
}
