//! Stores whose side records are no records of their own.

use std::sync::{Arc, Mutex};

use leader_election::contract;
use leader_election::{
    Acquire, AcquireRequest, Claim, DistributedMutex, Error, MemoryMutex, Operator, Result, SideContent, SideName,
    SideRecord, Version, Written, async_trait,
};

use super::flaw::{Flaw, Flawless, Right, assert_found, documents, leases, verdict};

#[tokio::test(start_paused = true)]
async fn control_the_rules_of_side_records_pass_a_store_that_keeps_them() {
    for store in [leases(Flawless), documents(Flawless)] {
        assert_eq!(verdict(contract::a_side_record_is_created_once_and_replaced_by_its_version(&store)).await, None);
        assert_eq!(verdict(contract::of_many_that_replace_a_side_record_at_once_one_does(&store)).await, None);
        assert_eq!(verdict(contract::a_side_record_takes_8192_bytes_and_none_more(&store)).await, None);
        assert_eq!(verdict(contract::a_side_record_touches_neither_lease_nor_record(&store)).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_without_side_records_passes() {
    #[derive(Debug, Clone)]
    struct Alone;

    impl Flaw for Alone {
        fn side(&self, _: &Right, _: SideName) -> Option<Arc<dyn SideRecord>> {
            None
        }
    }

    let store = leases(Alone);
    assert_eq!(verdict(contract::a_side_record_is_created_once_and_replaced_by_its_version(&store)).await, None);
    assert_eq!(verdict(contract::a_side_record_touches_neither_lease_nor_record(&store)).await, None);
}

/// How a side record goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Askew {
    /// To create replaces what is there.
    CreateReplaces,
    /// To replace replaces any version.
    ReplacesAny,
    /// To replace creates what is absent.
    ReplaceCreates,
    /// All names are one record.
    OneForAll,
    /// Each mutex has records of its own.
    Private,
    /// What is too long is cut.
    Cuts,
    /// Half of the length is too long.
    Small,
    /// What is read is trimmed.
    Trims,
    /// The version never changes.
    OneVersion,
    /// The version goes with the text.
    VersionOfText,
    /// A write tells another version than a read.
    OtherVersion,
}

impl Flaw for Askew {
    fn side(&self, right: &Right, name: SideName) -> Option<Arc<dyn SideRecord>> {
        let right = match self {
            Self::OneForAll => right.side(SideName::new("same").expect("valid"))?,
            Self::Private => MemoryMutex::new().side(name)?,
            _ => right.side(name)?,
        };
        Some(Arc::new(AskewSide { right, askew: *self }))
    }
}

struct AskewSide {
    right: Arc<dyn SideRecord>,
    askew: Askew,
}

impl AskewSide {
    fn version(&self, content: &SideContent) -> Result<Version> {
        match self.askew {
            Askew::OneVersion => Version::new("1"),
            Askew::VersionOfText => Version::new(format!("v{}", content.text)),
            _ => Ok(content.version.clone()),
        }
    }

    /// Writes over this version, as the right store would.
    async fn put(&self, over: Option<&Version>, text: &str) -> Result<Written> {
        let written = match over {
            Some(over) => self.right.replace(over, text).await?,
            None => self.right.create(text).await?,
        };
        Ok(match written {
            Written::Done(version) if self.askew == Askew::OtherVersion => {
                Written::Done(Version::new(format!("{}-w", version.as_str()))?)
            }
            Written::Done(version) => Written::Done(self.version(&SideContent::new(version, text))?),
            Written::Conflict => Written::Conflict,
        })
    }

    fn taken<'a>(&self, text: &'a str) -> Result<&'a str> {
        match self.askew {
            Askew::Cuts => Ok(&text[..text.len().min(SideContent::MAX)]),
            Askew::Small if text.len() > SideContent::MAX / 2 => Err(Error::setting("too long")),
            _ => Ok(text),
        }
    }
}

#[async_trait]
impl SideRecord for AskewSide {
    async fn read(&self) -> Result<Option<SideContent>> {
        let Some(content) = self.right.read().await? else { return Ok(None) };
        let version = self.version(&content)?;
        let text = if self.askew == Askew::Trims { content.text.trim() } else { &content.text };
        Ok(Some(SideContent::new(version, text)))
    }

    async fn create(&self, text: &str) -> Result<Written> {
        let over = match self.askew {
            Askew::CreateReplaces => self.right.read().await?.map(|content| content.version),
            _ => None,
        };
        self.put(over.as_ref(), self.taken(text)?).await
    }

    async fn replace(&self, seen: &Version, text: &str) -> Result<Written> {
        let text = self.taken(text)?;
        match self.right.read().await? {
            None if self.askew == Askew::ReplaceCreates => self.put(None, text).await,
            Some(now) if self.askew == Askew::ReplacesAny || self.version(&now)? == *seen => {
                self.put(Some(&now.version), text).await
            }
            _ => Ok(Written::Conflict),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn side_records_that_are_no_compare_and_swap_are_found_out() {
    for (askew, words) in [
        (Askew::CreateReplaces, "there is one already"),
        (Askew::ReplacesAny, "another process has replaced that version"),
        (Askew::ReplaceCreates, "this one is absent"),
        (Askew::OneForAll, "two names are two records"),
        (Askew::Private, "another process has created it"),
        (Askew::Trims, "is read as it was written"),
        (Askew::OneVersion, "has another version"),
        (Askew::VersionOfText, "a text that comes again"),
        (Askew::OtherVersion, "tells the version that it made"),
    ] {
        let found = verdict(contract::a_side_record_is_created_once_and_replaced_by_its_version(&leases(askew))).await;
        assert_found(found, "rule 16", words);
    }
    let found =
        verdict(contract::of_many_that_replace_a_side_record_at_once_one_does(&leases(Askew::ReplacesAny))).await;
    assert_found(found, "rule 16", "one does");
}

#[tokio::test(start_paused = true)]
async fn side_records_that_are_too_short_or_cut_what_is_too_long_are_found_out() {
    for (askew, words) in [(Askew::Cuts, "8,193 bytes"), (Askew::Small, "of this length can be written")] {
        let found = verdict(contract::a_side_record_takes_8192_bytes_and_none_more(&leases(askew))).await;
        assert_found(found, "rule 16", words);
    }
}

/// A write beside the record renews the lease of whoever led last.
#[derive(Debug, Clone, Default)]
struct SignOfLife {
    beside: MemoryMutex,
    leader: Arc<Mutex<Option<Claim>>>,
}

struct LivelySide {
    side: Arc<dyn SideRecord>,
    election: Right,
    leader: Arc<Mutex<Option<Claim>>>,
}

impl LivelySide {
    async fn renew(&self) -> Result<()> {
        let leader = self.leader.lock().expect("not poisoned").clone();
        if let Some(claim) = leader {
            self.election.renew(&claim).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl SideRecord for LivelySide {
    async fn read(&self) -> Result<Option<SideContent>> {
        self.side.read().await
    }

    async fn create(&self, text: &str) -> Result<Written> {
        self.renew().await?;
        self.side.create(text).await
    }

    async fn replace(&self, seen: &Version, text: &str) -> Result<Written> {
        self.renew().await?;
        self.side.replace(seen, text).await
    }
}

#[async_trait]
impl Flaw for SignOfLife {
    async fn try_acquire(&self, right: &Right, request: AcquireRequest<'_>) -> Result<Acquire> {
        let outcome = right.try_acquire(request).await?;
        if matches!(outcome, Acquire::Granted(_)) {
            *self.leader.lock().expect("not poisoned") = Some(request.claim.clone());
        }
        Ok(outcome)
    }

    fn side(&self, right: &Right, name: SideName) -> Option<Arc<dyn SideRecord>> {
        let (election, leader) = (Arc::clone(right), Arc::clone(&self.leader));
        Some(Arc::new(LivelySide { side: self.beside.side(name)?, election, leader }))
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_to_a_side_record_that_counts_as_a_sign_of_life_is_found_out() {
    let found = verdict(contract::a_side_record_touches_neither_lease_nor_record(&leases(SignOfLife::default()))).await;
    assert_found(found, "rule 16", "prolongs no lease");
    let store = documents(SignOfLife::default());
    let found = verdict(contract::a_side_record_touches_neither_lease_nor_record(&store)).await;
    assert_found(found, "rule 16", "touches the election's record, or its version");
}

#[tokio::test(start_paused = true)]
async fn a_side_record_that_is_listed_as_an_election_is_found_out() {
    #[derive(Debug, Clone)]
    struct Lists;

    #[async_trait]
    impl Operator for Lists {
        async fn break_lease(&self, _: Option<std::time::Duration>) -> Result<std::time::Duration> {
            Ok(std::time::Duration::ZERO)
        }

        async fn elections(&self) -> Result<Vec<String>> {
            Ok(vec!["nightly".to_owned(), "nightly.contractone".to_owned()])
        }
    }

    impl Flaw for Lists {
        fn operator(&self, _: &Right) -> Option<Arc<dyn Operator>> {
            Some(Arc::new(Lists))
        }
    }

    let found = verdict(contract::a_side_record_touches_neither_lease_nor_record(&leases(Lists))).await;
    assert_found(found, "rule 16", "is no election");
}
