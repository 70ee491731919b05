//! Who asks for the lease, and under which id.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::error::{Error, Result};
use crate::sources::Sources;

/// Everything a store needs to know about one candidacy.
///
/// The id is minted anew for every term and never shared. An attempt whose answer was lost is repeated with the same
/// id, so that a store can tell "this is mine already" from "somebody else holds it".
///
/// ```
/// use leader_election::{Claim, HolderId};
/// use std::time::Duration;
///
/// let claim = Claim::new(HolderId::new("worker-7")?, Duration::from_secs(15));
/// assert_eq!(claim.renew_every, Duration::from_secs(5));
/// # Ok::<(), leader_election::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Claim {
    /// The id of this candidacy; a blob store uses it as the lease id.
    pub id: ClaimId,
    /// Who asks; for people to read, never compared.
    pub holder: HolderId,
    /// How long a grant or a renewal is to last.
    pub lease: Duration,
    /// How often the holder means to renew; for people to read.
    pub renew_every: Duration,
}

impl Claim {
    /// A new claim with an id of its own, to be renewed three times a lease.
    #[must_use]
    pub fn new(holder: HolderId, lease: Duration) -> Self {
        Self { id: ClaimId::random(), holder, lease, renew_every: lease / 3 }
    }
}

/// The unique id of one claim, a random UUID.
///
/// Whoever knows it can renew or release the lease, so neither `Debug` nor any record shows it: `Debug` prints the
/// [`fingerprint`](Self::fingerprint)'s beginning.
///
/// ```
/// use leader_election::ClaimId;
///
/// let id = ClaimId::random();
/// assert!(!format!("{id:?}").contains(&id.expose()));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimId(Uuid);

impl ClaimId {
    /// A fresh id from the operating system's random source.
    #[must_use]
    pub fn random() -> Self {
        Self::random_from(&Sources::system())
    }

    /// A fresh id from these sources.
    ///
    /// ```
    /// use leader_election::{ClaimId, Sources};
    ///
    /// assert_eq!(ClaimId::random_from(&Sources::seeded(7)), ClaimId::random_from(&Sources::seeded(7)));
    /// ```
    #[must_use]
    pub fn random_from(sources: &Sources) -> Self {
        Self(sources.uuid())
    }

    /// An id of one's own making, for tests and models that need the same ids each time. It must be unique.
    #[must_use]
    pub const fn from_u128(id: u128) -> Self {
        Self(Uuid::from_u128(id))
    }

    /// The id as a lower-case, hyphenated UUID, for the store's request alone. A secret: do not log it.
    #[must_use]
    pub fn expose(&self) -> String {
        self.0.hyphenated().to_string()
    }

    /// A one-way name of this id that may be stored and shown: from it nobody can act on the lease.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        /// A name space of our own, so that a fingerprint equals no other UUID made of the same id.
        const NAMESPACE: Uuid = Uuid::from_u128(0x9d2f_4c1e_7a60_4b8a_93b5_5d0c_1f2e_6a77);
        Uuid::new_v5(&NAMESPACE, self.0.as_bytes()).simple().to_string()
    }
}

impl fmt::Debug for ClaimId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClaimId({}…)", &self.fingerprint()[..8])
    }
}

/// The name under which a worker leads: 1 to 128 printable ASCII characters, no space at either end.
///
/// It is for people: it stands in the store's record and in the log. Two workers with the same name do not both lead,
/// as leadership hangs on the [`ClaimId`]; but nobody could tell them apart, so let it be the pod's or replica's name
/// (`CONTAINER_APP_REPLICA_NAME` in Azure Container Apps).
///
/// ```
/// use leader_election::HolderId;
///
/// assert_eq!(HolderId::new("billing--abc123-0")?.as_str(), "billing--abc123-0");
/// assert!(HolderId::new("").is_err());
/// # Ok::<(), leader_election::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HolderId(Arc<str>);

impl HolderId {
    /// Checks the name.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidSetting`](crate::ErrorKind::InvalidSetting) when it is empty, too long, or has other
    /// characters.
    pub fn new(name: impl AsRef<str>) -> Result<Self> {
        let name = name.as_ref();
        let printable = name.bytes().all(|b| (0x20..=0x7e).contains(&b));
        if name.is_empty() || name.len() > 128 || !printable || name.trim() != name {
            // Not quoted: somebody may have put a secret there.
            return Err(Error::setting(
                "the holder id must be 1 to 128 printable ASCII characters without a space at either end",
            ));
        }
        Ok(Self(name.into()))
    }

    /// A name made of the machine's, the process id and a random part, such as `web-7f9c-pid17-d4bc3a3d`.
    ///
    /// In a container the machine's name is the pod's or the replica's. No environment variable is read. Where the system tells no
    /// name, it begins with `pid`.
    #[must_use]
    pub fn generate() -> Self {
        Self::generate_from(&Sources::system())
    }

    /// As [`generate`](Self::generate), with the random part from these sources.
    #[must_use]
    pub fn generate_from(sources: &Sources) -> Self {
        let machine = machine().map(|machine| format!("{machine}-")).unwrap_or_default();
        let random = sources.uuid().simple().to_string();
        Self(format!("{machine}pid{}-{}", std::process::id(), &random[..8]).into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// By which people find the machine again.
fn machine() -> Option<String> {
    legible(&gethostname::gethostname().to_string_lossy())
}

/// What can stand in a name, and leaves room for the rest.
fn legible(name: &str) -> Option<String> {
    let name: String = name.trim().chars().filter(char::is_ascii_graphic).take(90).collect();
    (!name.is_empty()).then_some(name)
}

impl fmt::Display for HolderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HolderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HolderId({:?})", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_name_can_be_and_tells_the_process() {
        let (one, other) = (HolderId::generate(), HolderId::generate());
        assert_ne!(one, other);
        for name in [&one, &other] {
            assert_eq!(HolderId::new(name.as_str()).expect("valid"), *name);
            assert!(name.as_str().contains(&format!("pid{}-", std::process::id())), "{name}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_generated_name_tells_the_machine() {
        assert!(!HolderId::generate().as_str().starts_with("pid"), "a machine has a name");
    }

    #[test]
    fn whatever_a_machine_is_called_the_name_can_be() {
        for (called, name) in [
            ("web-7f9c\n", Some("web-7f9c")),
            ("  ", None),
            ("", None),
            ("größe", Some("gre")),
            ("a b", Some("ab")),
            (&*"x".repeat(300), Some(&*"x".repeat(90))),
        ] {
            assert_eq!(legible(called).as_deref(), name, "{called:?}");
        }
    }
}
