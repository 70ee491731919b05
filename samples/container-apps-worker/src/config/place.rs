//! A container of a store, or a namespace, by its URL.

use std::fmt;

/// What the workers elect their leader on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Blob,
    Cosmos,
    Kubernetes,
}

/// A container of blobs, one of Cosmos DB, or a namespace of the cluster that this pod runs in. No key or signature is part of it.
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

impl Kind {
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "blob" => Ok(Self::Blob),
            "cosmos" => Ok(Self::Cosmos),
            "kubernetes" => Ok(Self::Kubernetes),
            _ => Err(format!("must be blob, cosmos or kubernetes, not {text:?}")),
        }
    }

    pub fn example(self) -> &'static str {
        match self {
            Self::Blob => "the container of the lease, https://<account>.blob.core.windows.net/<container>",
            Self::Kubernetes => "the namespace of the Lease, kube:<namespace>, or kube: for the pod's own",
            Self::Cosmos => {
                "the container of the lease, https://<account>.documents.azure.com/dbs/<database>/colls/<container>"
            }
        }
    }
}

impl Place {
    /// The fault never shows the URL: it could hold a signature.
    pub fn parse(kind: Kind, url: &str) -> Result<Self, String> {
        // With `&` in place of `?` there would be no query, and still a signature.
        if url.contains(['?', '#', '@']) || url.contains("sig=") {
            return Err("must hold no key, signature or user: the worker signs in by its identity".to_owned());
        }
        if kind == Kind::Kubernetes {
            let namespace = url.strip_prefix("kube:").ok_or_else(|| format!("must be {}", kind.example()))?;
            return Ok(Self::Kubernetes { namespace: Some(namespace.to_owned()).filter(|name| !name.is_empty()) });
        }
        if !url.starts_with("https://") && !is_emulator(url) {
            return Err(format!("must begin with https://, or be on this machine: it is {}", kind.example()));
        }
        let url = url.trim_end_matches('/');
        match kind {
            Kind::Blob => Ok(Self::Blob { url: url.to_owned() }),
            // Kubernetes has no such URL, and was read above.
            Kind::Cosmos | Kind::Kubernetes => cosmos(url).ok_or_else(|| format!("must be {}", kind.example())),
        }
    }

    /// As the library reads it, which is told what the deployment has said by another variable.
    pub fn store_url(&self) -> String {
        match self {
            Self::Blob { .. } => format!("blob+{self}"),
            Self::Cosmos { .. } => format!("cosmos+{self}"),
            Self::Kubernetes { .. } => self.to_string(),
        }
    }

    /// Whether it is an emulator on this machine, which has a well-known key.
    pub fn is_emulator(&self) -> bool {
        match self {
            Self::Blob { url } => is_emulator(url),
            Self::Cosmos { endpoint, .. } => is_emulator(endpoint),
            Self::Kubernetes { .. } => false,
        }
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

fn is_emulator(url: &str) -> bool {
    ["http://127.0.0.1:", "http://localhost:"].iter().any(|emulator| url.starts_with(emulator))
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
    fn the_urls_that_infra_sets_are_understood_and_shown_again() {
        let urls = [
            (Kind::Blob, "https://acct.blob.core.windows.net/leases"),
            (Kind::Cosmos, "https://acct.documents.azure.com/dbs/workers/colls/leases"),
            (Kind::Blob, "http://127.0.0.1:10000/devstoreaccount1/leases"),
            (Kind::Cosmos, "http://localhost:8081/dbs/workers/colls/leases"),
        ];
        for (kind, url) in urls {
            let place = Place::parse(kind, url).unwrap();
            assert_eq!(place.to_string(), url);
            assert_eq!(place.is_emulator(), url.starts_with("http:"));
        }
    }

    #[test]
    fn a_namespace_is_named_or_the_pods_own() {
        for url in ["kube:prod", "kube:"] {
            assert_eq!(Place::parse(Kind::Kubernetes, url).unwrap().store_url(), url);
        }
        assert!(Place::parse(Kind::Kubernetes, "https://10.0.0.1").unwrap_err().contains("kube:"));
    }

    #[test]
    fn cosmos_is_named_with_its_database_and_container() {
        for url in [
            "https://acct.documents.azure.com",
            "https://acct.documents.azure.com/dbs/workers",
            "https://acct.documents.azure.com/dbs//colls/leases",
            "https://acct.documents.azure.com/dbs/workers/colls/leases/docs/x",
        ] {
            let fault = Place::parse(Kind::Cosmos, url).unwrap_err();
            assert!(fault.contains("/dbs/<database>/colls/<container>"), "{url}: {fault}");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        let fault = Place::parse(Kind::Blob, "http://acct.blob.core.windows.net/leases").unwrap_err();
        assert!(fault.starts_with("must begin with https://"), "{fault}");
    }

    #[test]
    fn a_signature_is_refused_and_not_repeated() {
        for url in [
            "https://acct.blob.core.windows.net/leases?sig=SECRET",
            "https://acct.blob.core.windows.net/leases&sig=SECRET",
            "https://me:SECRET@acct.example/leases",
        ] {
            let fault = Place::parse(Kind::Blob, url).unwrap_err();
            assert!(!fault.contains("SECRET") && fault.contains("identity"), "{fault}");
        }
    }
}
