//! Stores that lose what a leader tells, ignore the floor, or show versions that tell nothing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use leader_election::contract;
use leader_election::{
    Acquire, AcquireRequest, Claim, FencingToken, Grant, LeaderData, Observation, Renew, Result, Version, async_trait,
};

use super::flaw::{Flaw, Flawless, Right, assert_found, documents, leases, verdict};

#[tokio::test(start_paused = true)]
async fn control_the_rules_of_records_pass_a_store_that_keeps_them() {
    for store in [leases(Flawless), documents(Flawless)] {
        assert_eq!(verdict(contract::data_rides_along(&store)).await, None);
        assert_eq!(verdict(contract::data_of_an_earlier_leader_does_not_stay(&store)).await, None);
        assert_eq!(verdict(contract::a_granted_token_is_above_the_floor(&store)).await, None);
        assert_eq!(verdict(contract::a_repeated_acquire_is_granted_above_its_floor(&store)).await, None);
        assert_eq!(verdict(contract::a_version_changes_with_every_write_and_with_nothing_else(&store)).await, None);
    }
}

/// What becomes of a leader's data on its way into the record.
#[derive(Debug, Clone)]
struct Changes(fn(&AcquireRequest<'_>) -> Option<LeaderData>);

#[async_trait]
impl Flaw for Changes {
    async fn try_acquire(&self, right: &Right, request: AcquireRequest<'_>) -> Result<Acquire> {
        let data = (self.0)(&request);
        right.try_acquire(request.with_data(data.as_ref())).await
    }
}

#[tokio::test(start_paused = true)]
async fn stores_that_lose_a_leaders_data_or_a_part_of_it_are_found_out() {
    let flaws: [(Changes, &str); 5] = [
        (Changes(|_| None), "after the grant"),
        (Changes(|request| told(request, |data| data.trim().to_owned())), "after the grant"),
        (Changes(|request| told(request, |data| data.chars().take(256).collect())), "after the grant"),
        (Changes(|request| told(request, |data| data.replace('\0', ""))), "after the grant"),
        (Changes(|request| request.data.filter(|_| !request.unsettled).cloned()), "after the acquire was repeated"),
    ];
    for (flaw, words) in flaws {
        assert_found(verdict(contract::data_rides_along(&leases(flaw))).await, "rule 12", words);
    }
}

fn told(request: &AcquireRequest<'_>, change: fn(&str) -> String) -> Option<LeaderData> {
    request.data.map(|data| LeaderData::new(change(data.as_str())).expect("valid"))
}

#[tokio::test(start_paused = true)]
async fn a_store_that_loses_a_leaders_data_over_a_renewal_is_found_out() {
    #[derive(Debug, Clone, Default)]
    struct Forgets(Arc<AtomicBool>);

    #[async_trait]
    impl Flaw for Forgets {
        async fn renew(&self, right: &Right, claim: &Claim) -> Result<Renew> {
            self.0.store(true, Ordering::SeqCst);
            right.renew(claim).await
        }

        async fn observe(&self, right: &Right) -> Result<Observation> {
            let mut seen = right.observe().await?;
            if self.0.load(Ordering::SeqCst) {
                seen.latest = seen.latest.map(|leader| leader.with_data(None));
            }
            Ok(seen)
        }
    }

    let verdict = verdict(contract::data_rides_along(&documents(Forgets::default()))).await;
    assert_found(verdict, "rule 12", "after a renewal");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_tells_those_it_refuses_of_a_leader_without_its_data_is_found_out() {
    #[derive(Debug, Clone)]
    struct Curt;

    #[async_trait]
    impl Flaw for Curt {
        async fn try_acquire(&self, right: &Right, request: AcquireRequest<'_>) -> Result<Acquire> {
            Ok(match right.try_acquire(request).await? {
                Acquire::Held(mut held) => {
                    held.leader = held.leader.map(|leader| leader.with_data(None));
                    Acquire::Held(held)
                }
                granted => granted,
            })
        }
    }

    assert_found(verdict(contract::data_rides_along(&leases(Curt))).await, "rule 12", "who finds it held");
}

/// It keeps the data of whoever asked last, if that gave any.
#[derive(Debug, Clone, Default)]
struct LastAsked {
    /// Also of those that are refused.
    refused_too: bool,
    data: Arc<Mutex<Option<LeaderData>>>,
}

#[async_trait]
impl Flaw for LastAsked {
    async fn try_acquire(&self, right: &Right, request: AcquireRequest<'_>) -> Result<Acquire> {
        let outcome = right.try_acquire(request).await?;
        if let Some(data) = request.data.filter(|_| self.refused_too || matches!(outcome, Acquire::Granted(_))) {
            *self.data.lock().expect("not poisoned") = Some(data.clone());
        }
        Ok(outcome)
    }

    async fn observe(&self, right: &Right) -> Result<Observation> {
        let mut seen = right.observe().await?;
        let data = self.data.lock().expect("not poisoned").clone();
        seen.latest = seen.latest.map(|leader| leader.with_data(data));
        Ok(seen)
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_takes_an_earlier_leaders_data_for_the_next_ones_is_found_out() {
    let verdict = verdict(contract::data_of_an_earlier_leader_does_not_stay(&leases(LastAsked::default()))).await;
    assert_found(verdict, "rule 12", "after a grant without data");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_writes_the_data_of_a_claim_that_it_refuses_is_found_out() {
    let store = leases(LastAsked { refused_too: true, ..LastAsked::default() });
    assert_found(verdict(contract::data_rides_along(&store)).await, "rule 12", "after another claim was refused");
}

/// What becomes of the floor.
#[derive(Debug, Clone)]
struct Lowers(fn(&AcquireRequest<'_>) -> Option<FencingToken>);

#[async_trait]
impl Flaw for Lowers {
    async fn try_acquire(&self, right: &Right, request: AcquireRequest<'_>) -> Result<Acquire> {
        right.try_acquire(request.with_floor((self.0)(&request))).await
    }
}

#[tokio::test(start_paused = true)]
async fn stores_that_grant_a_token_at_the_floor_or_below_it_are_found_out() {
    let ignores = leases(Lowers(|_| None));
    assert_found(verdict(contract::a_granted_token_is_above_the_floor(&ignores)).await, "rule 13", "1 is granted");

    let at_the_floor = Lowers(|request| request.floor.and_then(|floor| FencingToken::new(floor.get() - 1).ok()));
    let found = verdict(contract::a_granted_token_is_above_the_floor(&documents(at_the_floor))).await;
    assert_found(found, "rule 13", "is granted above the floor");

    let highest_again = Lowers(|request| request.floor.filter(|floor| floor.get() < FencingToken::MAX));
    let found = verdict(contract::a_granted_token_is_above_the_floor(&leases(highest_again))).await;
    assert_found(found, "rule 13", "no token above the highest");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_ignores_the_floor_when_the_holder_repeats_its_acquire_is_found_out() {
    let flaw = Lowers(|request| request.floor.filter(|_| !request.unsettled));
    for store in [leases(flaw.clone()), documents(flaw)] {
        let found = verdict(contract::a_repeated_acquire_is_granted_above_its_floor(&store)).await;
        assert_found(found, "rule 13", "to the claim that holds the lease");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_grants_a_token_above_the_floor_and_does_not_write_it_is_found_out() {
    #[derive(Debug, Clone)]
    struct SaysSo;

    #[async_trait]
    impl Flaw for SaysSo {
        async fn try_acquire(&self, right: &Right, request: AcquireRequest<'_>) -> Result<Acquire> {
            Ok(match right.try_acquire(request.with_floor(None)).await? {
                Acquire::Granted(grant) => {
                    let said = FencingToken::next(request.floor, grant.fencing_token.get())?;
                    Acquire::Granted(Grant::new(said, grant.lease))
                }
                held => held,
            })
        }
    }

    let verdict = verdict(contract::a_granted_token_is_above_the_floor(&leases(SaysSo))).await;
    assert_found(verdict, "rule 13", "is on record");
}

/// What was done so far.
#[derive(Debug, Default)]
struct Counts {
    grants: AtomicU64,
    refusals: AtomicU64,
    renewals: AtomicU64,
    lost: AtomicU64,
    releases: AtomicU64,
    looks: AtomicU64,
}

impl Counts {
    fn writes(&self) -> u64 {
        get(&self.grants) + get(&self.renewals) + get(&self.releases)
    }
}

fn get(count: &AtomicU64) -> u64 {
    count.load(Ordering::SeqCst)
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::SeqCst);
}

type VersionOf = fn(&Counts) -> u64;

/// A store that counts, and shows this for its version.
#[derive(Debug, Clone)]
struct Shows {
    counts: Arc<Counts>,
    version: VersionOf,
}

impl Shows {
    fn version(&self) -> Result<Option<Version>> {
        Version::new((self.version)(&self.counts).to_string()).map(Some)
    }
}

#[async_trait]
impl Flaw for Shows {
    async fn try_acquire(&self, right: &Right, request: AcquireRequest<'_>) -> Result<Acquire> {
        Ok(match right.try_acquire(request).await? {
            Acquire::Held(held) => {
                let told = held.with_version(self.version()?);
                add(&self.counts.refusals);
                Acquire::Held(told)
            }
            granted => {
                add(&self.counts.grants);
                granted
            }
        })
    }

    async fn renew(&self, right: &Right, claim: &Claim) -> Result<Renew> {
        let renewal = right.renew(claim).await?;
        add(if renewal == Renew::Renewed { &self.counts.renewals } else { &self.counts.lost });
        Ok(renewal)
    }

    async fn release(&self, right: &Right, claim: &Claim) -> Result<()> {
        let held = right.observe().await?.is_held();
        right.release(claim).await?;
        if held && !right.observe().await?.is_held() {
            add(&self.counts.releases);
        }
        Ok(())
    }

    async fn observe(&self, right: &Right) -> Result<Observation> {
        let seen = right.observe().await?.with_version(self.version()?);
        add(&self.counts.looks);
        Ok(seen)
    }
}

#[tokio::test(start_paused = true)]
async fn stores_whose_versions_tell_too_little_or_too_much_are_found_out() {
    let of = |version| {
        let store = leases(Shows { counts: Arc::default(), version });
        async move { verdict(contract::a_version_changes_with_every_write_and_with_nothing_else(&store)).await }
    };
    assert_eq!(of(Counts::writes).await, None, "control");
    let flaws: [(VersionOf, &str); 7] = [
        (|counts| counts.writes() - get(&counts.renewals), "a renewal writes"),
        (|counts| counts.writes() - get(&counts.releases), "a release writes"),
        (|counts| counts.writes() - get(&counts.grants), "the next grant writes"),
        (|counts| counts.writes() % 2, "one that there never was"),
        (|counts| counts.writes() + get(&counts.looks), "an observation writes nothing"),
        (|counts| counts.writes() + get(&counts.refusals), "an acquire that found it held writes nothing"),
        (|counts| counts.writes() + get(&counts.lost), "a renewal by a claim that does not hold it writes nothing"),
    ];
    for (version, words) in flaws {
        assert_found(of(version).await, "rule 14", words);
    }
}

#[tokio::test(start_paused = true)]
async fn a_document_store_that_tells_those_it_refuses_no_version_is_found_out() {
    #[derive(Debug, Clone)]
    struct Withholds;

    #[async_trait]
    impl Flaw for Withholds {
        async fn try_acquire(&self, right: &Right, request: AcquireRequest<'_>) -> Result<Acquire> {
            Ok(match right.try_acquire(request).await? {
                Acquire::Held(held) => Acquire::Held(held.with_version(None)),
                granted => granted,
            })
        }
    }

    let store = documents(Withholds);
    let verdict = verdict(contract::a_version_changes_with_every_write_and_with_nothing_else(&store)).await;
    assert_found(verdict, "rule 14", "who finds it held");
}
