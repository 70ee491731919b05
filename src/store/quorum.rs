//! A majority of other stores.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use leader_election::{DistributedMutex, Error, QuorumMutex, Result};

use super::address::{FromUrl, Place};
use super::given::Given;
use super::{StoreOptions, StoreUrl};
use crate::check::Probes;

/// In the order in which they were given.
pub(super) struct Members(Vec<StoreUrl>);

impl FromUrl for Members {
    const EXAMPLE: &'static str = "quorum:URL,URL,URL";

    fn read(given: &Given<'_>) -> Result<Option<Self>> {
        if given.scheme != "quorum" {
            return Ok(None);
        }
        let mut members: Vec<StoreUrl> = vec![];
        for (place, text) in given.rest.split(',').enumerate() {
            let place = place + 1;
            let member = read_member(text).map_err(|error| {
                Error::new(
                    error.kind(),
                    format!(
                        "the member {place} of the quorum (a comma separates them, and is %2C within one): {error}"
                    ),
                )
            })?;
            if members.iter().any(|other| other.identity() == member.identity()) {
                return Err(Error::setting(format!(
                    "the member {place} of the quorum is there already: a store that fails would fail twice, and vote twice"
                )));
            }
            members.push(member);
        }
        if members.len() < 3 || members.len().is_multiple_of(2) {
            return Err(Error::setting(format!(
                "a quorum has an odd number of members, 3 at the least, and not {}: write {}",
                members.len(),
                Self::EXAMPLE
            )));
        }
        Ok(Some(Self(members)))
    }
}

fn read_member(text: &str) -> Result<StoreUrl> {
    let text = text.trim();
    if text.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("quorum:")) {
        return Err(Error::setting("a quorum is no member of another one"));
    }
    text.parse()
}

impl Place for Members {
    /// The same members are the same place in whatever order.
    fn identity(&self) -> String {
        let mut members: Vec<String> = self.0.iter().map(StoreUrl::identity).collect();
        members.sort_unstable();
        format!("quorum:{}", members.join(","))
    }

    fn needs_credential(&self, options: &StoreOptions) -> bool {
        self.0.iter().any(|member| member.needs_credential(options))
    }

    fn open(&self, election: &str, options: StoreOptions) -> Result<Arc<dyn DistributedMutex>> {
        let mut members: Vec<(String, Arc<dyn DistributedMutex>)> = vec![];
        for member in &self.0 {
            members.push((member.to_string(), Arc::new(member.open(election, options.clone())?)));
        }
        Ok(Arc::new(QuorumMutex::with_names(members)?))
    }

    fn probes(&self, options: &StoreOptions) -> Result<Option<Box<dyn Probes>>> {
        let members: Option<Vec<_>> = self.0.iter().map(|member| member.probes(options)).collect::<Result<_>>()?;
        Ok(members.map(|members| Box::new(OfMembers(members)) as _))
    }
}

/// That nothing is left on any member. What each of them does beside is shown by a check of its own.
struct OfMembers(Vec<Box<dyn Probes>>);

#[async_trait]
impl Probes for OfMembers {
    async fn remove(&self, election: &str) -> Result<()> {
        let mut outcome = Ok(());
        for member in &self.0 {
            let removed = member.remove(election).await;
            outcome = outcome.and(removed);
        }
        outcome
    }
}

impl fmt::Display for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members: Vec<String> = self.0.iter().map(StoreUrl::to_string).collect();
        write!(f, "quorum:{}", members.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str) -> String {
        let refusal = url.parse::<StoreUrl>().expect_err(url);
        assert_eq!(refusal.kind(), crate::ErrorKind::InvalidSetting, "{url}");
        refusal.to_string()
    }

    #[test]
    fn it_shows_its_members_without_their_secrets_and_is_the_same_place_in_any_order() {
        let blob = "https://acct.blob.core.windows.net/leases?sv=1&sig=SECRET";
        let read = |text: String| text.parse::<StoreUrl>().expect("valid");
        let one = read(format!("quorum:file:/a,{blob}, file:/b"));
        assert_eq!(one.to_string(), "quorum:file:/a,https://acct.blob.core.windows.net/leases,file:/b");
        assert!(!format!("{one:?} {}", one.identity()).contains("SECRET"));
        assert_eq!(one.identity(), read(format!("QUORUM:file:/b,file:/a,{blob}")).identity());
        assert_ne!(one.identity(), read(format!("quorum:file:/c,file:/a,{blob}")).identity());
    }

    #[test]
    fn it_takes_a_credential_if_one_of_its_members_does() {
        let needs = |url: &str| url.parse::<StoreUrl>().expect("valid").needs_credential(&StoreOptions::default());
        assert!(!needs("quorum:file:/a,file:/b,file:/c"));
        #[cfg(feature = "blob")]
        assert!(needs("quorum:file:/a,file:/b,https://acct.blob.core.windows.net/leases"));
    }

    #[test]
    fn it_is_opened_with_all_that_its_members_take() {
        let store = crate::Store::from_url("quorum:file:/a,file:/b,file:/c", "nightly", StoreOptions::default())
            .expect("valid");
        assert_eq!(store.election(), "nightly");
        assert!(store.operator().is_some(), "as each of its members has one");
        assert!(format!("{store:?}").contains("file:/b"), "{store:?}");
    }

    #[test]
    fn too_few_an_even_number_twice_the_same_and_one_within_another_are_refused() {
        for (url, step) in [
            ("quorum:", "member 1"),
            ("quorum:file:/a", "odd number"),
            ("quorum:file:/a,file:/b", "odd number"),
            ("quorum:file:/a,file:/b,file:/c,file:/d", "not 4"),
            ("quorum:file:/a,file:/b,file:/a", "member 3 of the quorum is there already"),
            ("quorum:file:/a,quorum:file:/b,file:/c", "no member of another"),
            ("quorum:file:/a,SECRET,file:/c", "member 2"),
            ("quorum:file:/a,https://acct.blob.core.windows.net/leases?sv=1&sig=a,SECRET,file:/c", "%2C"),
        ] {
            let refusal = refusal(url);
            assert!(refusal.contains(step) && !refusal.contains("SECRET"), "{url}: {refusal}");
        }
    }
}
