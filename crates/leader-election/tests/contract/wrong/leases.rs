//! Stores on which two workers lead, or nothing is renewed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use leader_election::contract;
use leader_election::{
    Acquire, AcquireRequest, Claim, FencingToken, Grant, Leader, Observation, Operator, Renew, Result, SideContent,
    SideName, SideRecord, Version, Written, async_trait,
};

use super::flaw::{Elections, Flaw, Flawless, LEASE, Right, assert_found, documents, leases, verdict};

#[tokio::test(start_paused = true)]
async fn control_the_rules_of_time_pass_a_store_that_keeps_them() {
    for store in [leases(Flawless), documents(Flawless)] {
        assert_eq!(verdict(contract::a_grant_holds_for_its_whole_lease(&store)).await, None);
        assert_eq!(verdict(contract::a_renewal_holds_for_a_whole_lease(&store)).await, None);
        assert_eq!(verdict(contract::a_lapsed_version_that_is_not_the_present_one_is_refused(&store)).await, None);
        assert_eq!(verdict(contract::no_call_blocks_its_thread(&store)).await, None);
    }
}

/// A lease that is a tenth of what was asked for.
fn cut(claim: &Claim) -> Claim {
    let mut cut = claim.clone();
    cut.lease = claim.lease / 10;
    cut
}

#[tokio::test(start_paused = true)]
async fn a_store_that_keeps_leases_for_a_tenth_of_what_it_grants_is_found_out() {
    #[derive(Debug, Clone)]
    struct ShortLeases;

    #[async_trait]
    impl Flaw for ShortLeases {
        async fn try_acquire(&self, right: &Right, request: AcquireRequest<'_>) -> Result<Acquire> {
            let lease = request.claim.lease;
            Ok(match right.try_acquire((&cut(request.claim)).into()).await? {
                Acquire::Granted(grant) => Acquire::Granted(Grant::new(grant.fencing_token, lease)),
                held => held,
            })
        }
    }

    let verdict = verdict(contract::a_grant_holds_for_its_whole_lease(&leases(ShortLeases))).await;
    assert_found(verdict, "rule 2", "0.3 of the lease after the grant");
}

#[tokio::test(start_paused = true)]
async fn a_store_whose_renewals_hold_for_a_tenth_is_found_out() {
    #[derive(Debug, Clone)]
    struct ShortRenewals;

    #[async_trait]
    impl Flaw for ShortRenewals {
        async fn renew(&self, right: &Right, claim: &Claim) -> Result<Renew> {
            right.renew(&cut(claim)).await
        }
    }

    let verdict = verdict(contract::a_renewal_holds_for_a_whole_lease(&leases(ShortRenewals))).await;
    assert_found(verdict, "rule 2", "0.3 of the lease after the renewal");
}

#[tokio::test(start_paused = true)]
async fn a_store_whose_renewals_do_nothing_is_found_out() {
    #[derive(Debug, Clone)]
    struct IdleRenewals;

    #[async_trait]
    impl Flaw for IdleRenewals {
        async fn renew(&self, _: &Right, _: &Claim) -> Result<Renew> {
            Ok(Renew::Renewed)
        }
    }

    let verdict = verdict(contract::a_renewal_holds_for_a_whole_lease(&leases(IdleRenewals))).await;
    assert_found(verdict, "rule 2", "0.6 of the lease after the renewal");
}

#[tokio::test(start_paused = true)]
async fn a_document_store_that_takes_any_lapsed_version_is_found_out() {
    /// It replaces whatever stands there once any version has lapsed.
    #[derive(Debug, Clone)]
    struct AnyLapsed;

    #[async_trait]
    impl Flaw for AnyLapsed {
        async fn try_acquire(&self, right: &Right, request: AcquireRequest<'_>) -> Result<Acquire> {
            let present = right.observe().await?.version;
            right.try_acquire(request.with_lapsed(request.lapsed.and(present.as_ref()))).await
        }
    }

    let store = documents(AnyLapsed);
    let verdict = verdict(contract::a_lapsed_version_that_is_not_the_present_one_is_refused(&store)).await;
    assert_found(verdict, "rule 1", "from before a renewal");
}

#[tokio::test(start_paused = true)]
async fn a_lease_store_is_held_to_its_lease_whatever_version_is_said_to_have_lapsed() {
    /// A lease store that takes a version for a word of honour.
    #[derive(Debug, Clone)]
    struct Obliging;

    #[async_trait]
    impl Flaw for Obliging {
        async fn try_acquire(&self, right: &Right, request: AcquireRequest<'_>) -> Result<Acquire> {
            match request.lapsed {
                Some(_) => Ok(Acquire::Granted(Grant::new(FencingToken::new(1 << 50)?, request.claim.lease))),
                None => right.try_acquire(request).await,
            }
        }
    }

    let store = leases(Obliging);
    let verdict = verdict(contract::a_lapsed_version_that_is_not_the_present_one_is_refused(&store)).await;
    assert_found(verdict, "rule 1", "that never was");
}

/// This call blocks its thread for a third of the lease.
#[derive(Debug, Clone)]
struct Blocks(&'static str);

impl Blocks {
    fn at(&self, call: &str) {
        if self.0 == call {
            std::thread::sleep(LEASE / 3);
        }
    }
}

#[async_trait]
impl Flaw for Blocks {
    async fn try_acquire(&self, right: &Right, request: AcquireRequest<'_>) -> Result<Acquire> {
        self.at("try_acquire");
        right.try_acquire(request).await
    }

    async fn renew(&self, right: &Right, claim: &Claim) -> Result<Renew> {
        self.at("renew");
        right.renew(claim).await
    }

    async fn release(&self, right: &Right, claim: &Claim) -> Result<()> {
        self.at("release");
        right.release(claim).await
    }

    async fn observe(&self, right: &Right) -> Result<Observation> {
        self.at("observe");
        right.observe().await
    }

    fn operator(&self, right: &Right) -> Option<Arc<dyn Operator>> {
        Some(Arc::new(BlockingOperator { right: right.operator()?, blocks: self.clone() }))
    }

    fn side(&self, right: &Right, name: SideName) -> Option<Arc<dyn SideRecord>> {
        Some(Arc::new(BlockingSide { right: right.side(name)?, blocks: self.clone() }))
    }
}

struct BlockingOperator {
    right: Arc<dyn Operator>,
    blocks: Blocks,
}

#[async_trait]
impl Operator for BlockingOperator {
    async fn break_lease(&self, period: Option<Duration>) -> Result<Duration> {
        self.blocks.at("break_lease");
        self.right.break_lease(period).await
    }

    async fn elections(&self) -> Result<Vec<String>> {
        self.blocks.at("elections");
        self.right.elections().await
    }
}

struct BlockingSide {
    right: Arc<dyn SideRecord>,
    blocks: Blocks,
}

#[async_trait]
impl SideRecord for BlockingSide {
    async fn read(&self) -> Result<Option<SideContent>> {
        self.blocks.at("side record, read");
        self.right.read().await
    }

    async fn create(&self, text: &str) -> Result<Written> {
        self.blocks.at("side record, create");
        self.right.create(text).await
    }

    async fn replace(&self, seen: &Version, text: &str) -> Result<Written> {
        self.right.replace(seen, text).await
    }
}

#[tokio::test]
async fn a_store_that_blocks_its_thread_for_a_third_of_the_lease_is_found_out_and_the_call_is_named() {
    for call in [
        "try_acquire",
        "renew",
        "release",
        "observe",
        "break_lease",
        "elections",
        "side record, create",
        "side record, read",
    ] {
        let verdict = verdict(contract::no_call_blocks_its_thread(&leases(Blocks(call)))).await;
        assert_found(verdict, "rule 10", call);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_tell_what_is_optional_passes() {
    #[derive(Debug, Clone)]
    struct Taciturn;

    fn told(leader: Leader) -> Leader {
        leader.with_lease(None).with_renew_every(None).with_elected_at(None)
    }

    #[async_trait]
    impl Flaw for Taciturn {
        async fn try_acquire(&self, right: &Right, request: AcquireRequest<'_>) -> Result<Acquire> {
            Ok(match right.try_acquire(request).await? {
                Acquire::Held(mut held) => {
                    held.leader = held.leader.map(told);
                    Acquire::Held(held)
                }
                granted => granted,
            })
        }

        async fn observe(&self, right: &Right) -> Result<Observation> {
            let mut seen = right.observe().await?;
            seen.latest = seen.latest.map(told);
            Ok(seen)
        }
    }

    let store = leases(Taciturn);
    assert_eq!(verdict(contract::observation_tells_the_leader_and_changes_nothing(&store)).await, None);
    assert_eq!(verdict(contract::an_acquire_that_finds_it_held_changes_nothing(&store)).await, None);
}

/// As often as its answers come too late, the rule begins again; a store that is late each time is told so.
#[tokio::test(start_paused = true)]
async fn a_rule_whose_answers_come_after_the_end_of_the_lease_begins_again_five_times_at_most() {
    /// On the first so many elections a second claim is answered after the lease.
    #[derive(Debug, Clone)]
    struct Late {
        elections: Arc<AtomicUsize>,
        first: usize,
    }

    #[async_trait]
    impl Flaw for Late {
        async fn try_acquire(&self, right: &Right, request: AcquireRequest<'_>) -> Result<Acquire> {
            match request.claim.holder.as_str() {
                "a" => drop(self.elections.fetch_add(1, Ordering::SeqCst)),
                _ if self.elections.load(Ordering::SeqCst) <= self.first => tokio::time::sleep(LEASE).await,
                _ => {}
            }
            right.try_acquire(request).await
        }
    }

    fn late(first: usize) -> Elections<Late> {
        leases(Late { elections: Arc::default(), first })
    }

    assert_eq!(verdict(contract::a_grant_holds_for_its_whole_lease(&late(4))).await, None);
    let always = late(usize::MAX);
    assert_found(verdict(contract::a_grant_holds_for_its_whole_lease(&always)).await, "rule 2", "5 rounds");
    assert_eq!(always.flaw.elections.load(Ordering::SeqCst), 5);
    assert_found(verdict(contract::a_renewal_holds_for_a_whole_lease(&late(usize::MAX))).await, "rule 2", "5 rounds");
    // So does the break, whose rule needs the lease to last.
    let always = late(usize::MAX);
    let found = verdict(contract::a_lease_broken_without_a_period_is_lost_and_runs_out_first(&always)).await;
    assert_found(found, "rule 2", "5 rounds");
}
