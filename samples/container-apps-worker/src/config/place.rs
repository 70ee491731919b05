//! Where things are kept, by URL. No key or signature is part of any of them.

use std::fmt;

use azure_leader_election::StoreUrl;

/// What leaders write to: a container of blobs, one of Cosmos DB, or a namespace of the cluster that this pod runs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Blob {
        url: String,
    },
    Cosmos {
        endpoint: String,
        database: String,
        container: String,
    },
    /// `None` is the pod's own.
    Kubernetes {
        namespace: Option<String>,
    },
}

/// What the workers elect their leader on: any store that the library knows. The fault never shows the URL.
pub fn store(url: &str) -> Result<StoreUrl, String> {
    refuse_secrets(url)?;
    url.parse().map_err(|fault: azure_leader_election::Error| format!("cannot be used: {fault}"))
}

/// Whether all of it is an emulator on this machine, which has a well-known key, and no deployment that creates its containers.
pub fn is_emulator(url: &str) -> bool {
    let of_this_machine = ["http://127.0.0.1:", "http://localhost:"];
    url.split(',').all(|member| of_this_machine.iter().any(|server| member.contains(server)))
}

/// A worker has no use for one, and would show it on its page. With `&` in place of `?` there would be no query, and still a signature.
fn refuse_secrets(url: &str) -> Result<(), String> {
    if url.contains(['?', '#', '@']) || url.contains("sig=") {
        return Err("must hold no key, signature or user: the worker signs in by its identity".to_owned());
    }
    Ok(())
}

impl Place {
    const EXAMPLE: &'static str = "a container, https://<account>.blob.core.windows.net/<container> or \
                                   https://<account>.documents.azure.com/dbs/<database>/colls/<container>, or a namespace, kube:<namespace>";

    /// The fault never shows the URL.
    pub fn parse(url: &str) -> Result<Self, String> {
        refuse_secrets(url)?;
        if let Some(namespace) = url.strip_prefix("kube:") {
            return Ok(Self::Kubernetes { namespace: Some(namespace.to_owned()).filter(|name| !name.is_empty()) });
        }
        let is_safe = url.starts_with("https://") || url.starts_with("http://") && is_emulator(url);
        if !is_safe {
            return Err(format!("must begin with https://, or be on this machine: it is {}", Self::EXAMPLE));
        }
        let url = url.trim_end_matches('/');
        if url.contains(".documents.") || url.contains("/dbs/") {
            return cosmos(url).ok_or_else(|| format!("must be {}", Self::EXAMPLE));
        }
        Ok(Self::Blob { url: url.to_owned() })
    }

    /// As the library reads it. On an emulator the host does not tell the one from the other.
    pub fn store_url(&self) -> String {
        match self {
            Self::Blob { .. } => format!("blob+{self}"),
            Self::Cosmos { .. } => format!("cosmos+{self}"),
            Self::Kubernetes { .. } => self.to_string(),
        }
    }

    pub fn is_emulator(&self) -> bool {
        is_emulator(&self.to_string())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blob { url } => f.write_str(url),
            Self::Kubernetes { namespace } => write!(f, "kube:{}", namespace.as_deref().unwrap_or_default()),
            Self::Cosmos { endpoint, database, container } => write!(f, "{endpoint}/dbs/{database}/colls/{container}"),
        }
    }
}

fn cosmos(url: &str) -> Option<Place> {
    let (endpoint, path) = url.split_once("/dbs/")?;
    let (database, container) = path.split_once("/colls/")?;
    let name = |text: &str| !text.is_empty() && !text.contains('/');
    (name(database) && name(container)).then(|| Place::Cosmos {
        endpoint: endpoint.to_owned(),
        database: database.to_owned(),
        container: container.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_urls_that_infra_sets_are_understood_and_shown_again() {
        for url in [
            "https://acct.blob.core.windows.net/state",
            "https://acct.documents.azure.com/dbs/workers/colls/state",
            "http://127.0.0.1:10000/devstoreaccount1/state",
            "http://localhost:8081/dbs/workers/colls/state",
        ] {
            let place = Place::parse(url).unwrap();
            assert_eq!(place.to_string(), url);
            assert_eq!(matches!(place, Place::Cosmos { .. }), url.contains("/dbs/"), "{url}");
            assert_eq!(place.is_emulator(), url.starts_with("http:"));
        }
    }

    #[test]
    fn a_namespace_is_named_or_the_pods_own() {
        for url in ["kube:prod", "kube:"] {
            assert_eq!(Place::parse(url).unwrap().store_url(), url);
        }
        assert!(Place::parse("http://10.0.0.1").unwrap_err().contains("kube:"));
    }

    #[test]
    fn cosmos_is_named_with_its_database_and_container() {
        for url in [
            "https://acct.documents.azure.com",
            "https://acct.documents.azure.com/dbs/workers",
            "https://acct.documents.azure.com/dbs//colls/state",
            "https://acct.documents.azure.com/dbs/workers/colls/state/docs/x",
        ] {
            let fault = Place::parse(url).unwrap_err();
            assert!(fault.contains("/dbs/<database>/colls/<container>"), "{url}: {fault}");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        let fault = Place::parse("http://acct.blob.core.windows.net/state").unwrap_err();
        assert!(fault.starts_with("must begin with https://"), "{fault}");
        assert!(store("http://acct.blob.core.windows.net/leases").unwrap_err().contains("plain http"));
    }

    #[test]
    fn the_store_is_whatever_the_library_can_open() {
        for url in [
            "https://acct.blob.core.windows.net/leases",
            "https://acct.documents.azure.com/dbs/workers/colls/leases",
            "http://127.0.0.1:10000/devstoreaccount1/leases",
            "rediss://redis-abc.westeurope.redis.azure.net:10000",
            "sb://sb-abc.servicebus.windows.net/elections",
            "quorum:https://a.blob.core.windows.net/leases,https://b.blob.core.windows.net/leases,https://c.blob.core.windows.net/leases",
            "file:/var/lib/leases",
        ] {
            store(url).unwrap_or_else(|fault| panic!("{url}: {fault}"));
        }
        assert!(store("nowhere").unwrap_err().starts_with("cannot be used: the store is no URL"));
    }

    #[test]
    fn a_quorum_is_on_this_machine_if_all_of_its_members_are() {
        let member = "http://127.0.0.1:10000/devstoreaccount1/leases";
        assert!(is_emulator(&format!("quorum:{member},blob+{member},{member}")));
        assert!(!is_emulator(&format!("quorum:{member},{member},https://acct.blob.core.windows.net/leases")));
    }

    #[test]
    fn a_signature_is_refused_and_not_repeated() {
        for url in [
            "https://acct.blob.core.windows.net/leases?sig=SECRET",
            "https://acct.blob.core.windows.net/leases&sig=SECRET",
            "https://me:SECRET@acct.example/leases",
            "rediss://:SECRET@cache.example:10000",
        ] {
            for fault in [Place::parse(url).unwrap_err(), store(url).unwrap_err()] {
                assert!(!fault.contains("SECRET") && fault.contains("identity"), "{fault}");
            }
        }
    }
}
