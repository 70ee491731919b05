//! The URLs of all stores.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use leader_election::{DistributedMutex, Error, ErrorKind, Result};

use super::blob::Container;
use super::cosmos::Documents;
use super::etcd::Cluster;
use super::file::Directory;
use super::given::Given;
use super::kube::Namespace;
use super::quorum::Members;
use super::redis::Server;
use super::service_bus::Sessions;
use super::{Store, StoreOptions, advice};
use crate::check::Probes;

/// All stores. A new one is a line here, and a file beside this one.
#[rustfmt::skip]
const STORES: &[Entry] = &[
    entry::<Directory>(),
    entry::<Container>(),
    entry::<Documents>(),
    entry::<Cluster>(),
    entry::<Namespace>(),
    entry::<Server>(),
    entry::<Sessions>(),
    entry::<Members>(),
];

/// A place where elections are kept: what a URL says, before anything is opened. `Display` shows it without a secret.
pub(super) trait Place: fmt::Display + Send + Sync {
    /// The same text for the same place, wherever a process runs.
    fn identity(&self) -> String {
        self.to_string()
    }

    /// Whether [`StoreOptions::credential`] is what it takes to open it.
    fn needs_credential(&self, options: &StoreOptions) -> bool {
        let _ = options;
        false
    }

    /// The election of this name; nothing is sent yet.
    fn open(&self, election: &str, options: StoreOptions) -> Result<Arc<dyn DistributedMutex>>;

    /// What it adds to a [`check`](crate::check). Default: nothing; then what a check writes there is left to be removed by hand.
    fn probes(&self, options: &StoreOptions) -> Result<Option<Box<dyn Probes>>> {
        let _ = options;
        Ok(None)
    }
}

/// A place that a URL can name.
pub(super) trait FromUrl: Place + Sized + 'static {
    /// What to write, for whoever wrote something else.
    const EXAMPLE: &'static str;

    /// `None` when the URL is one of another store.
    fn read(given: &Given<'_>) -> Result<Option<Self>>;
}

/// A store, as far as its URLs go.
struct Entry {
    example: &'static str,
    read: fn(&Given<'_>) -> Result<Option<StoreUrl>>,
}

const fn entry<P: FromUrl>() -> Entry {
    Entry { example: P::EXAMPLE, read: |given| Ok(P::read(given)?.map(|place| StoreUrl(Arc::new(place)))) }
}

/// Where elections are kept, by URL; [`Store`] has the forms.
///
/// Read it first where a wrong URL is to be told from another fault, or where several elections of one place are opened. `Debug` and
/// `Display` show it without its query, in which a signature may stand.
///
/// ```
/// use azure_leader_election::{StoreOptions, StoreUrl};
///
/// let url: StoreUrl = "https://myaccount.blob.core.windows.net/leases?sv=1&sig=SECRET".parse()?;
/// assert_eq!(url.to_string(), "https://myaccount.blob.core.windows.net/leases");
/// assert!(!url.needs_credential(&StoreOptions::default()), "the signature is enough");
///
/// let refusal = "https://myaccount.blob.core.windows.net/leases?sv=1".parse::<StoreUrl>().unwrap_err();
/// assert!(refusal.to_string().contains("no signature"));
/// # Ok::<(), azure_leader_election::Error>(())
/// ```
#[derive(Clone)]
pub struct StoreUrl(Arc<dyn Place>);

impl StoreUrl {
    /// The election of this name in this place. Nothing is sent yet.
    ///
    /// # Errors
    /// As [`Store::from_url`].
    pub fn open(&self, election: &str, options: StoreOptions) -> Result<Store> {
        Ok(Store { url: self.clone(), mutex: self.0.open(election, options)? })
    }

    /// The names of the elections in this place, in order. Nothing is created.
    ///
    /// # Errors
    /// [`Refused`](crate::ErrorKind::Refused) by a store that cannot list them; otherwise as [`Store::from_url`] and
    /// [`observe`](crate::DistributedMutex::observe). The caller has to bound it, as each request to a store.
    pub async fn elections(&self, mut options: StoreOptions) -> Result<Vec<String>> {
        /// An operator is reached through an election. Which one, and whether there is any of that name, does not matter.
        const ANY: &str = "any";
        options.create = false;
        let store = self.open(ANY, options)?;
        match store.operator() {
            Some(operator) => operator.elections().await,
            None => Err(Error::new(ErrorKind::Refused, format!("{self} cannot list its elections"))),
        }
    }

    /// Whether opening it takes [`StoreOptions::credential`], given all else that these options hold. So that a program signs in
    /// only where it has to.
    #[must_use]
    pub fn needs_credential(&self, options: &StoreOptions) -> bool {
        self.0.needs_credential(options)
    }

    pub(crate) fn probes(&self, options: &StoreOptions) -> Result<Option<Box<dyn Probes>>> {
        self.0.probes(options)
    }

    /// The same text for the same place, wherever a process of this machine runs: a directory is named by its whole path.
    #[must_use]
    pub fn identity(&self) -> String {
        self.0.identity()
    }
}

impl FromStr for StoreUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        advice::refuse_connection_string(text)?;
        let examples: Vec<_> = STORES.iter().map(|store| store.example).collect();
        let examples = examples.join(", ");
        let given = Given::cut(text).ok_or_else(|| advice::no_url(&examples))?;
        for store in STORES {
            if let Some(url) = (store.read)(&given)? {
                return Ok(url);
            }
        }
        Err(advice::no_store_of(&given, &examples))
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUrl({self})")
    }
}

/// For a place whose store is not part of this program.
#[cfg(not(all(
    feature = "blob",
    feature = "cosmos",
    feature = "etcd",
    feature = "kube",
    feature = "redis",
    feature = "service-bus"
)))]
pub(super) fn built_without(feature: &str, place: &impl Place) -> Error {
    Error::setting(format!(
        "this program was built without the store of {place}: build it with the feature `{feature}` of azure-leader-election"
    ))
}
