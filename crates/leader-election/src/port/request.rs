//! What a candidate asks for.

use std::fmt;
use std::sync::Arc;

use super::Version;
use crate::claim::Claim;
use crate::error::{Error, Result};
use crate::token::FencingToken;

/// One attempt to take the lease, with all that a store needs to know of it.
///
/// ```
/// use leader_election::{AcquireRequest, Claim, HolderId, LeaderData};
/// use std::time::Duration;
///
/// let claim = Claim::new(HolderId::new("worker-7")?, Duration::from_secs(15));
/// let data = LeaderData::new("http://10.0.0.7:8080")?;
/// let request = AcquireRequest::new(&claim).with_data(Some(&data));
/// assert_eq!(request.data, Some(&data));
/// assert!(request.lapsed.is_none() && request.floor.is_none() && !request.unsettled);
/// # Ok::<(), leader_election::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AcquireRequest<'a> {
    /// Who asks.
    pub claim: &'a Claim,
    /// A version that the caller has seen unchanged for its whole lease: a document store may replace it.
    pub lapsed: Option<&'a Version>,
    /// An earlier attempt of this claim had no known outcome, so the lease may already be its own. A store that looks before it
    /// acquires must then acquire even where it sees the lease held.
    pub unsettled: bool,
    /// The token that is granted must be above this one: the caller knows of a leader that this store does not. It is the next above
    /// this one and the one on record, whatever the store's clock shows, as the members of a [quorum](crate::quorum) have to agree.
    pub floor: Option<FencingToken>,
    /// What the leader tells others while it leads. It comes back in [`Leader::data`](super::Leader::data).
    pub data: Option<&'a LeaderData>,
}

impl<'a> AcquireRequest<'a> {
    /// The first attempt of this claim, over no lapsed version, with no floor and no data.
    #[must_use]
    pub fn new(claim: &'a Claim) -> Self {
        Self { claim, lapsed: None, unsettled: false, floor: None, data: None }
    }

    /// Replaces [`lapsed`](Self::lapsed).
    #[must_use]
    pub fn with_lapsed(self, lapsed: Option<&'a Version>) -> Self {
        Self { lapsed, ..self }
    }

    /// Replaces [`unsettled`](Self::unsettled).
    #[must_use]
    pub fn with_unsettled(self, unsettled: bool) -> Self {
        Self { unsettled, ..self }
    }

    /// Replaces [`floor`](Self::floor).
    #[must_use]
    pub fn with_floor(self, floor: Option<FencingToken>) -> Self {
        Self { floor, ..self }
    }

    /// For stores: whether this token is one that may be granted.
    #[must_use]
    pub fn is_above_floor(&self, token: FencingToken) -> bool {
        self.floor.is_none_or(|floor| token > floor)
    }

    /// Replaces [`data`](Self::data).
    #[must_use]
    pub fn with_data(self, data: Option<&'a LeaderData>) -> Self {
        Self { data, ..self }
    }
}

impl<'a> From<&'a Claim> for AcquireRequest<'a> {
    fn from(claim: &'a Claim) -> Self {
        Self::new(claim)
    }
}

/// What a leader tells all others while it leads, such as the address at which it takes requests: 1 to 4,096 bytes of text.
///
/// Every store keeps it beside the leader's name. Whoever may read the record can read it, so it must not be a secret; and whoever may
/// write the record can write it, so do not believe it without a check.
///
/// ```
/// use leader_election::LeaderData;
///
/// let data = LeaderData::new("http://10.0.0.7:8080")?;
/// assert_eq!(data.as_str(), "http://10.0.0.7:8080");
/// assert!(LeaderData::new("").is_err() && LeaderData::new("x".repeat(4_097)).is_err());
/// # Ok::<(), leader_election::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LeaderData(Arc<str>);

impl LeaderData {
    /// The most bytes that there may be: 4,096.
    pub const MAX: usize = 4_096;

    /// Data of this text.
    ///
    /// # Errors
    /// [`InvalidSetting`](crate::ErrorKind::InvalidSetting) when it is empty or longer than [`MAX`](Self::MAX) bytes.
    pub fn new(text: impl AsRef<str>) -> Result<Self> {
        let text = text.as_ref();
        match text.len() {
            1..=Self::MAX => Ok(Self(text.into())),
            length => Err(Error::setting(format!("a leader's data must have 1 to 4,096 bytes, not {length}"))),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for LeaderData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LeaderData").field(&self.0).finish()
    }
}
