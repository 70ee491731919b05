//! The API server of a cluster, and by what right it is asked.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use leader_election::{Error, Result};
use leader_election_http::{Settings, Trust, client};

use crate::names;
use crate::token::KubernetesToken;

/// A cluster's API server, with what it takes to ask it. Clones share connections and the token: make one for all elections of a process.
///
/// ```no_run
/// use leader_election_kube::{KubernetesAccess, KubernetesCluster, KubernetesToken};
///
/// # fn main() -> leader_election::Result<()> {
/// // In a pod:
/// let cluster = KubernetesCluster::of_this_pod()?;
/// // From elsewhere:
/// let access = KubernetesAccess {
///     authorities: Some(std::fs::read("ca.crt").expect("readable")),
///     token: Some(KubernetesToken::file("token")),
/// };
/// let cluster = KubernetesCluster::new("https://10.0.0.1:6443", access)?;
/// # let _ = cluster;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct KubernetesCluster(Arc<Inner>);

struct Inner {
    url: String,
    /// The pod's own.
    namespace: Option<String>,
    token: Option<KubernetesToken>,
    requests: reqwest::Client,
    /// Apart from the requests: a watch that hangs must hold no connection that a renewal would take.
    watches: reqwest::Client,
}

/// How a [`KubernetesCluster`] trusts and is trusted. `Debug` shows no token.
///
/// ```
/// use leader_election_kube::{KubernetesAccess, KubernetesCluster};
///
/// // What `kubectl proxy` listens at signs in by itself.
/// let desk = KubernetesCluster::new("http://127.0.0.1:8001", KubernetesAccess::default())?;
/// # let _ = desk;
/// # Ok::<(), leader_election::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct KubernetesAccess {
    /// The cluster's certificate authority in PEM; then no other one is trusted. Default: those that the machine trusts.
    pub authorities: Option<Vec<u8>>,
    /// Default: none, for a server that signs in by itself.
    pub token: Option<KubernetesToken>,
}

impl fmt::Debug for KubernetesAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubernetesAccess")
            .field("authorities", &self.authorities.is_some())
            .field("token", &self.token)
            .finish()
    }
}

/// For who calls outside of a host, which bounds its attempts itself. An API server without its etcd hangs for longer than half a minute.
const LIMIT: Duration = Duration::from_secs(10);
/// Where Kubernetes puts a pod's token, authority and namespace. See
/// <https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/>.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

impl KubernetesCluster {
    /// The cluster that this pod runs in, by the pod's service account. Reads the files that Kubernetes mounts into each pod, and the
    /// variables `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT` that the kubelet sets in each container: they hold an address that
    /// needs no DNS, and an election must not end with the cluster's DNS. A proxy is not used.
    ///
    /// # Errors
    /// [`InvalidSetting`](leader_election::ErrorKind::InvalidSetting), with what is missing, where this is no pod with a service account.
    pub fn of_this_pod() -> Result<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (Some(host), Some(port)) = (variable("KUBERNETES_SERVICE_HOST"), variable("KUBERNETES_SERVICE_PORT"))
        else {
            return Err(Error::setting(
                "this is no pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set. Outside of a cluster give the API \
                 server's URL, authority and token (to the command `leader` by KUBE_URL, KUBE_CA and KUBE_TOKEN, to the library by \
                 `KubernetesCluster::new`)",
            ));
        };
        Self::of_pod(&host, &port, Path::new(SERVICE_ACCOUNT))
    }

    fn of_pod(host: &str, port: &str, mounted: &Path) -> Result<Self> {
        let read = |name: &str| {
            std::fs::read(mounted.join(name)).map_err(|error| {
                Error::setting(format!(
                    "this pod has no service account to elect by: {} cannot be read ({error}). Is automountServiceAccountToken off?",
                    mounted.join(name).display()
                ))
            })
        };
        let authorities = read("ca.crt")?;
        let namespace = String::from_utf8_lossy(&read("namespace")?).trim().to_owned();
        names::check_namespace(&namespace)?;
        let host = if host.parse::<std::net::Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() };
        let token = KubernetesToken::file(mounted.join("token"));
        let access = KubernetesAccess { authorities: Some(authorities), token: Some(token) };
        Self::open(&format!("https://{host}:{port}"), access, Some(namespace))
    }

    /// The API server at this URL: `https://HOST:PORT`, or `http://` on loopback, where `kubectl proxy` listens. A proxy is not used.
    ///
    /// # Errors
    /// [`InvalidSetting`](leader_election::ErrorKind::InvalidSetting) for another URL, and for an authority that is no PEM.
    pub fn new(url: &str, access: KubernetesAccess) -> Result<Self> {
        Self::open(url, access, None)
    }

    fn open(url: &str, access: KubernetesAccess, namespace: Option<String>) -> Result<Self> {
        let (url, plain) = check_url(url)?;
        let trust = Trust { authorities: access.authorities, identity: None };
        let requests = Settings { plain, proxy: false, timeout: Some(LIMIT), trust, ..Settings::default() };
        // A watch bounds itself, and its connection is used once.
        let watches = Settings { timeout: None, idle: None, ..requests.clone() };
        Ok(Self(Arc::new(Inner {
            url,
            namespace,
            token: access.token,
            requests: client(&requests)?,
            watches: client(&watches)?,
        })))
    }

    /// The namespace of this pod; `None` of a cluster that was named by its URL.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.0.namespace.as_deref()
    }

    pub(crate) fn url(&self) -> &str {
        &self.0.url
    }

    pub(crate) fn token(&self) -> Option<&KubernetesToken> {
        self.0.token.as_ref()
    }

    pub(crate) fn requests(&self) -> &reqwest::Client {
        &self.0.requests
    }

    pub(crate) fn watches(&self) -> &reqwest::Client {
        &self.0.watches
    }

    /// In the words of an error.
    pub(crate) fn what(&self) -> String {
        format!("the API server at {}", self.0.url)
    }
}

impl fmt::Debug for KubernetesCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubernetesCluster")
            .field("url", &self.0.url)
            .field("namespace", &self.0.namespace)
            .finish_non_exhaustive()
    }
}

/// The URL without a slash at its end, and whether it is plain. It is not quoted where it is refused, as a secret may stand in it.
fn check_url(url: &str) -> Result<(String, bool)> {
    let refused = || {
        Error::setting(
            "the API server's URL must be https://HOST:PORT, or http://127.0.0.1:PORT where `kubectl proxy` listens, without user, \
             query and fragment",
        )
    };
    let url = url.trim().trim_end_matches('/');
    let (scheme, rest) = url.split_once("://").ok_or_else(refused)?;
    let plain = match scheme {
        "https" => false,
        "http" if is_on_loopback(rest) => true,
        _ => return Err(refused()),
    };
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']' | b'/');
    if rest.is_empty() || rest.starts_with('/') || !rest.bytes().all(allowed) {
        return Err(refused());
    }
    Ok((url.to_owned(), plain))
}

fn is_on_loopback(rest: &str) -> bool {
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_checked_and_never_quoted() {
        for url in [
            "https://10.0.0.1:6443",
            "https://api.example/",
            "https://[fd00::1]:443",
            "http://127.0.0.1:8001",
            "http://[::1]:1",
        ] {
            KubernetesCluster::new(url, KubernetesAccess::default()).expect(url);
        }
        for url in
            ["", "10.0.0.1", "http://10.0.0.1", "https://u:SECRET@h", "https://h?SECRET", "ftp://h", "https:///x"]
        {
            let error = KubernetesCluster::new(url, KubernetesAccess::default()).expect_err(url);
            assert!(!error.to_string().contains("SECRET"), "{error}");
        }
    }

    #[test]
    fn a_pod_is_known_by_the_files_that_are_mounted_into_it() {
        let mounted = tempfile::tempdir().expect("a directory");
        let authority = testservers::Authority::new();
        std::fs::write(mounted.path().join("ca.crt"), authority.pem()).expect("written");
        let open = || KubernetesCluster::of_pod("fd00::1", "443", mounted.path());
        assert!(open().expect_err("half a pod").to_string().contains("namespace"));
        std::fs::write(mounted.path().join("namespace"), "prod").expect("written");
        std::fs::write(mounted.path().join("token"), "SECRET").expect("written");
        let cluster = open().expect("a pod");
        assert_eq!((cluster.url(), cluster.namespace()), ("https://[fd00::1]:443", Some("prod")));
        assert!(!format!("{cluster:?}").contains("SECRET"));
    }
}
