//! Each step of the port finds the store that breaks its rule, and no other one does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::{Check, Progress, Verdict};
use crate::store::{Store, StoreOptions};
use tokio::time::Instant;

use leader_election::{
    Acquire, AcquireRequest, Claim, DistributedMutex, FencingToken, Grant, Held, LeaseState, MemoryMutex, Observation,
    Operator, Renew, Result, SideContent, SideName, SideRecord, Timing, Version, Written,
};

/// What is wrong with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    GrantsToAll,
    NewTokenForARepetition,
    RenewsForAll,
    EachLookIsAnother,
    ReleasesNothing,
    IgnoresTheFloor,
    BreaksNothing,
    ListsNothing,
    WritesBesideWhateverTheVersion,
    TakenOverAtOnce,
}

/// A store of files with that flaw.
#[derive(Debug)]
struct Flawed {
    inner: Arc<dyn DistributedMutex>,
    flaw: Flaw,
    looks: AtomicU64,
}

#[async_trait]
impl DistributedMutex for Flawed {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        let request = match self.flaw {
            Flaw::IgnoresTheFloor => request.with_floor(None),
            _ => request,
        };
        let outcome = self.inner.try_acquire(request).await?;
        Ok(match (self.flaw, outcome) {
            (Flaw::GrantsToAll, Acquire::Held(held)) => {
                let token = held.leader.map(|leader| leader.fencing_token.get()).unwrap_or_default();
                Acquire::Granted(Grant::new(FencingToken::new(token + 1)?, request.claim.lease))
            }
            (Flaw::TakenOverAtOnce, Acquire::Held(_)) if self.looks.fetch_add(1, Ordering::Relaxed) > 0 => {
                Acquire::Granted(Grant::new(FencingToken::new(7)?, request.claim.lease))
            }
            (Flaw::NewTokenForARepetition, Acquire::Granted(grant)) if request.unsettled => {
                Acquire::Granted(Grant::new(FencingToken::new(grant.fencing_token.get() + 1)?, grant.lease))
            }
            (Flaw::ReleasesNothing, Acquire::Granted(_)) if self.looks.fetch_add(1, Ordering::Relaxed) > 0 => {
                Acquire::Held(Held::by_unknown())
            }
            (_, outcome) => outcome,
        })
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        let renewed = self.inner.renew(claim).await?;
        Ok(if self.flaw == Flaw::RenewsForAll { Renew::Renewed } else { renewed })
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        self.inner.release(claim).await
    }

    async fn observe(&self) -> Result<Observation> {
        let seen = self.inner.observe().await?;
        if self.flaw == Flaw::EachLookIsAnother && seen.state == LeaseState::Held {
            let look = self.looks.fetch_add(1, Ordering::Relaxed);
            return Ok(seen.with_version(Some(Version::new(look.to_string())?)));
        }
        Ok(seen)
    }

    fn election(&self) -> &str {
        self.inner.election()
    }

    fn check_lease(&self, lease: Duration) -> Result<()> {
        self.inner.check_lease(lease)
    }

    fn operator(&self) -> Option<Arc<dyn Operator>> {
        match self.flaw {
            Flaw::BreaksNothing | Flaw::ListsNothing => {
                Some(Arc::new(FlawedOperator { inner: self.inner.operator()?, flaw: self.flaw }))
            }
            _ => self.inner.operator(),
        }
    }

    fn side(&self, name: SideName) -> Option<Arc<dyn SideRecord>> {
        let inner = self.inner.side(name)?;
        match self.flaw {
            Flaw::WritesBesideWhateverTheVersion => Some(Arc::new(FlawedSide(inner))),
            _ => Some(inner),
        }
    }
}

struct FlawedOperator {
    inner: Arc<dyn Operator>,
    flaw: Flaw,
}

#[async_trait]
impl Operator for FlawedOperator {
    async fn break_lease(&self, period: Option<Duration>) -> Result<Duration> {
        if self.flaw == Flaw::BreaksNothing { Ok(Duration::ZERO) } else { self.inner.break_lease(period).await }
    }

    async fn elections(&self) -> Result<Vec<String>> {
        if self.flaw == Flaw::ListsNothing { Ok(Vec::new()) } else { self.inner.elections().await }
    }
}

struct FlawedSide(Arc<dyn SideRecord>);

#[async_trait]
impl SideRecord for FlawedSide {
    async fn read(&self) -> Result<Option<SideContent>> {
        self.0.read().await
    }

    async fn create(&self, content: &str) -> Result<Written> {
        self.0.create(content).await
    }

    async fn replace(&self, _: &Version, content: &str) -> Result<Written> {
        match self.0.read().await? {
            Some(seen) => self.0.replace(&seen.version, content).await,
            None => Ok(Written::Conflict),
        }
    }
}

/// The numbers of the steps that are not as documented, on files with that flaw; latency is not asked.
async fn found(flaw: Flaw, between: fn(Store) -> Store) -> Vec<&'static str> {
    let directory = tempfile::tempdir().expect("a directory");
    let url = format!("file:{}", directory.path().display()).parse().expect("a store");
    let timing = Timing::for_lease(Duration::from_secs(15)).expect("valid");
    let mut check = Check::new(&url, StoreOptions::default(), timing).expect("a check");
    check.ground.between = Some(between);
    check.steps.retain(|step| step.number != "P12");
    let mut told = 0;
    let findings = check
        .run(|progress| {
            if let Progress::Found(_) = progress {
                told += 1;
            }
        })
        .await;
    assert_eq!(told, findings.len(), "each is told: {flaw:?}");
    let left = check.clean_up().await;
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(std::fs::read_dir(directory.path()).expect("a directory").count(), 0, "{flaw:?}");
    let good = [Verdict::AsDocumented, Verdict::Measured];
    findings.iter().filter(|finding| !good.contains(&finding.verdict)).map(|finding| finding.number).collect()
}

#[tokio::test]
async fn each_step_of_the_port_finds_the_store_that_breaks_its_rule() {
    macro_rules! found {
        ($flaw:ident) => {
            found(Flaw::$flaw, |store| {
                store.behind(|inner| Arc::new(Flawed { inner, flaw: Flaw::$flaw, looks: AtomicU64::new(0) }))
            })
            .await
        };
    }
    assert_eq!(found!(None), [""; 0]);
    assert_eq!(found!(GrantsToAll), ["P2", "P8", "P11"]);
    assert_eq!(found!(NewTokenForARepetition), ["P3"]);
    assert_eq!(found!(RenewsForAll), ["P4", "P8", "P11"]);
    assert_eq!(found!(EachLookIsAnother), ["P5", "P10"]);
    assert_eq!(found!(ReleasesNothing), ["P3", "P6", "P7", "P11"]);
    assert_eq!(found!(IgnoresTheFloor), ["P7"]);
    assert_eq!(found!(BreaksNothing), ["P8"]);
    assert_eq!(found!(ListsNothing), ["P9"]);
    assert_eq!(found!(WritesBesideWhateverTheVersion), ["P10"]);
    assert_eq!(found!(TakenOverAtOnce), ["P2", "P11"]);
}

/// A store that expires leases itself, and shows that too early, too late, or when it is so.
#[derive(Debug)]
struct Expiring {
    inner: MemoryMutex,
    shows: Shows,
    held_until: std::sync::Mutex<Option<Instant>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shows {
    Truth,
    FreeBefore,
    HeldAfter,
}

/// Many times a poll of the shortest lease, and no time for a person.
const LATE: Duration = Duration::from_millis(700);

#[async_trait]
impl DistributedMutex for Expiring {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        let outcome = self.inner.try_acquire(request).await?;
        if let Acquire::Granted(grant) = &outcome {
            *self.held_until.lock().expect("not poisoned") = Some(Instant::now() + grant.lease + LATE);
        }
        Ok(outcome)
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        self.inner.renew(claim).await
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        self.inner.release(claim).await
    }

    async fn observe(&self) -> Result<Observation> {
        let seen = self.inner.observe().await?;
        let late = self.held_until.lock().expect("not poisoned").is_some_and(|until| Instant::now() < until);
        Ok(match self.shows {
            Shows::FreeBefore => Observation::new(LeaseState::Free, seen.latest),
            Shows::HeldAfter if late => Observation::new(LeaseState::Held, seen.latest),
            Shows::Truth | Shows::HeldAfter => seen,
        })
    }
}

#[tokio::test]
async fn a_check_of_a_quorum_leaves_nothing_on_any_member() {
    let directories = [(); 3].map(|()| tempfile::tempdir().expect("a directory"));
    let members = directories.each_ref().map(|directory| format!("file:{}", directory.path().display()));
    let url = format!("quorum:{}", members.join(",")).parse().expect("a store");
    let timing = Timing::for_lease(Duration::from_secs(15)).expect("valid");
    let mut check = Check::new(&url, StoreOptions::default(), timing).expect("a check");
    check.steps.retain(|step| step.number != "P12" && step.number != "P11");
    let findings = check.run(|_| {}).await;
    assert!(findings.iter().all(|finding| finding.verdict != Verdict::Differs), "{findings:?}");
    assert!(check.clean_up().await.is_empty());
    for directory in &directories {
        assert_eq!(std::fs::read_dir(directory.path()).expect("a directory").count(), 0);
    }
}

#[tokio::test]
async fn a_lease_that_is_free_too_early_or_too_late_is_found() {
    async fn seen(between: fn(Store) -> Store) -> (Verdict, String) {
        let directory = tempfile::tempdir().expect("a directory");
        let url = format!("file:{}", directory.path().display()).parse().expect("a store");
        let timing = Timing::for_lease(Duration::from_secs(15)).expect("valid");
        let mut check = Check::new(&url, StoreOptions::default(), timing).expect("a check");
        check.ground.between = Some(between);
        check.steps.retain(|step| step.number == "P11");
        let finding = check.run(|_| {}).await.remove(0);
        (finding.verdict, finding.seen)
    }
    macro_rules! seen {
        ($shows:ident) => {
            seen(|store| {
                let inner = MemoryMutex::new();
                store.behind(|_| Arc::new(Expiring { inner, shows: Shows::$shows, held_until: Default::default() }))
            })
            .await
        };
    }
    let (verdict, text) = seen!(FreeBefore);
    assert!(verdict == Verdict::Differs && text.contains("before its end"), "{text}");
    let (verdict, text) = seen!(HeldAfter);
    assert!(verdict == Verdict::Differs && text.contains("up to a minute"), "{text}");
    let (_, text) = seen!(Truth);
    assert!(text.contains("of 3 leases of 1s, free"), "{text}");
}
