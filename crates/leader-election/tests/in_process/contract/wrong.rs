//! Stores on which two workers lead, or nothing is renewed: the suite finds each of them out, by the rule that it breaks.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use leader_election::contract::{self, Fixture};
use leader_election::document::DocumentMutex;
use leader_election::{
    Acquire, AcquireRequest, Claim, DistributedMutex, Grant, Leader, MemoryMutex, Observation, Renew, Result, Version,
    async_trait,
};

use testkit::store::MemoryDocument;

/// What is wrong with a store that otherwise keeps the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// It keeps each lease for a tenth of what it grants.
    ShortLeases,
    /// Its renewals hold for a tenth of what they promise.
    ShortRenewals,
    /// Its renewals do nothing.
    IdleRenewals,
    /// A call blocks its thread for a third of the lease.
    Blocks(&'static str),
    /// It does not tell what a leader need not tell.
    Taciturn,
}

const LEASE: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
struct Wrong {
    store: MemoryMutex,
    fault: Fault,
}

impl Wrong {
    fn blocks(&self, call: &'static str) {
        if self.fault == Fault::Blocks(call) {
            std::thread::sleep(LEASE / 3);
        }
    }

    fn kept(&self, claim: &Claim, short: &[Fault]) -> Claim {
        let lease = if short.contains(&self.fault) { claim.lease / 10 } else { claim.lease };
        Claim { lease, ..claim.clone() }
    }

    fn told(&self, leader: Leader) -> Leader {
        match self.fault {
            Fault::Taciturn => Leader { lease: None, renew_every: None, elected_at: None, ..leader },
            _ => Leader { lease: Some(LEASE), ..leader },
        }
    }
}

#[async_trait]
impl DistributedMutex for Wrong {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        let (claim, lapsed) = (request.claim, request.lapsed);
        self.blocks("try_acquire");
        let kept = self.kept(claim, &[Fault::ShortLeases]);
        Ok(match self.store.try_acquire(AcquireRequest::new(&kept).with_lapsed(lapsed)).await? {
            Acquire::Granted(grant) => Acquire::Granted(Grant { lease: claim.lease, ..grant }),
            Acquire::Held(mut held) => {
                held.leader = held.leader.map(|leader| self.told(leader));
                Acquire::Held(held)
            }
        })
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        self.blocks("renew");
        if self.fault == Fault::IdleRenewals {
            return Ok(Renew::Renewed);
        }
        self.store.renew(&self.kept(claim, &[Fault::ShortLeases, Fault::ShortRenewals])).await
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        self.blocks("release");
        self.store.release(claim).await
    }

    async fn observe(&self) -> Result<Observation> {
        self.blocks("observe");
        let seen = self.store.observe().await?;
        Ok(Observation { latest: seen.latest.map(|leader| self.told(leader)), ..seen })
    }
}

#[async_trait]
impl Fixture for Fault {
    type Election = Wrong;

    async fn fresh(&self) -> Wrong {
        Wrong { store: MemoryMutex::new(), fault: *self }
    }

    async fn open(&self, election: &Wrong) -> Arc<dyn DistributedMutex> {
        Arc::new(election.clone())
    }

    async fn elapse(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn lease(&self) -> Duration {
        LEASE
    }
}

/// A document store that replaces whatever stands there once any version has lapsed.
#[derive(Debug)]
struct AnyLapsed(DocumentMutex<MemoryDocument>);

#[async_trait]
impl DistributedMutex for AnyLapsed {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        let (claim, lapsed) = (request.claim, request.lapsed);
        let present = self.0.version().await?;
        self.0.try_acquire(AcquireRequest::new(claim).with_lapsed(lapsed.and(present.as_ref()))).await
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        self.0.renew(claim).await
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        self.0.release(claim).await
    }

    async fn observe(&self) -> Result<Observation> {
        self.0.observe().await
    }
}

struct AnyLapsedFixture;

#[async_trait]
impl Fixture for AnyLapsedFixture {
    type Election = MemoryDocument;

    async fn fresh(&self) -> MemoryDocument {
        MemoryDocument::new(usize::MAX)
    }

    async fn open(&self, election: &MemoryDocument) -> Arc<dyn DistributedMutex> {
        Arc::new(AnyLapsed(DocumentMutex::new(election.clone())))
    }

    async fn elapse(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn lease(&self) -> Duration {
        LEASE
    }
}

/// What the rule says of the store.
async fn verdict(rule: impl Future<Output = ()>) -> Option<String> {
    let broken = AssertUnwindSafe(rule).catch_unwind().await.err()?;
    let text = broken.downcast_ref::<String>().cloned();
    Some(text.or_else(|| broken.downcast_ref::<&str>().map(ToString::to_string)).expect("a panic with words"))
}

#[track_caller]
fn assert_found(verdict: Option<String>, rule: &str, words: &str) {
    let verdict = verdict.expect("the suite passes a store that breaks this rule");
    assert!(verdict.contains(rule) && verdict.contains(words), "{verdict}");
}

#[tokio::test(start_paused = true)]
async fn control_the_new_rules_pass_a_store_that_keeps_them() {
    assert_eq!(verdict(contract::a_grant_holds_for_its_whole_lease(&Fault::None)).await, None);
    assert_eq!(verdict(contract::a_renewal_holds_for_a_whole_lease(&Fault::None)).await, None);
    assert_eq!(verdict(contract::a_lapsed_version_that_is_not_the_present_one_is_refused(&Fault::None)).await, None);
    assert_eq!(verdict(contract::no_call_blocks_its_thread(&Fault::None)).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_keeps_leases_for_a_tenth_of_what_it_grants_is_found_out() {
    let verdict = verdict(contract::a_grant_holds_for_its_whole_lease(&Fault::ShortLeases)).await;
    assert_found(verdict, "rule 2", "0.3 of the lease after the grant");
}

#[tokio::test(start_paused = true)]
async fn a_store_whose_renewals_hold_for_a_tenth_is_found_out() {
    let verdict = verdict(contract::a_renewal_holds_for_a_whole_lease(&Fault::ShortRenewals)).await;
    assert_found(verdict, "rule 2", "0.3 of the lease after the renewal");
}

#[tokio::test(start_paused = true)]
async fn a_store_whose_renewals_do_nothing_is_found_out() {
    let verdict = verdict(contract::a_renewal_holds_for_a_whole_lease(&Fault::IdleRenewals)).await;
    assert_found(verdict, "rule 2", "0.6 of the lease after the renewal");
}

#[tokio::test(start_paused = true)]
async fn a_document_store_that_takes_any_lapsed_version_is_found_out() {
    let verdict = verdict(contract::a_lapsed_version_that_is_not_the_present_one_is_refused(&AnyLapsedFixture)).await;
    assert_found(verdict, "rule 1", "from before a renewal");
}

#[tokio::test(start_paused = true)]
async fn a_lease_store_is_held_to_its_lease_whatever_version_is_said_to_have_lapsed() {
    /// A lease store that takes a version for a word of honour.
    #[derive(Debug)]
    struct Obliging(MemoryMutex);

    #[async_trait]
    impl DistributedMutex for Obliging {
        async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
            let (claim, lapsed) = (request.claim, request.lapsed);
            if lapsed.is_some() {
                let fencing_token = leader_election::FencingToken::new(1 << 50)?;
                return Ok(Acquire::Granted(Grant::new(fencing_token, claim.lease)));
            }
            self.0.try_acquire(claim.into()).await
        }

        async fn renew(&self, claim: &Claim) -> Result<Renew> {
            self.0.renew(claim).await
        }

        async fn release(&self, claim: &Claim) -> Result<()> {
            self.0.release(claim).await
        }

        async fn observe(&self) -> Result<Observation> {
            self.0.observe().await
        }
    }

    struct ObligingFixture;

    #[async_trait]
    impl Fixture for ObligingFixture {
        type Election = MemoryMutex;

        async fn fresh(&self) -> MemoryMutex {
            MemoryMutex::new()
        }

        async fn open(&self, election: &MemoryMutex) -> Arc<dyn DistributedMutex> {
            Arc::new(Obliging(election.clone()))
        }

        async fn elapse(&self, time: Duration) {
            tokio::time::sleep(time).await;
        }

        fn lease(&self) -> Duration {
            LEASE
        }
    }

    let verdict = verdict(contract::a_lapsed_version_that_is_not_the_present_one_is_refused(&ObligingFixture)).await;
    assert_found(verdict, "rule 1", "that never was");
}

#[tokio::test]
async fn a_store_that_blocks_its_thread_for_a_third_of_the_lease_is_found_out_and_the_call_is_named() {
    for call in ["try_acquire", "renew", "release", "observe"] {
        let verdict = verdict(contract::no_call_blocks_its_thread(&Fault::Blocks(call))).await;
        assert_found(verdict, "rule 10", call);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_tell_what_is_optional_passes() {
    assert_eq!(verdict(contract::observation_tells_the_leader_and_changes_nothing(&Fault::Taciturn)).await, None);
    assert_eq!(verdict(contract::an_acquire_that_finds_it_held_changes_nothing(&Fault::Taciturn)).await, None);
}

/// As often as its answers come too late, the rule begins again; a store that is late each time is told so.
#[tokio::test(start_paused = true)]
async fn a_rule_whose_answers_come_after_the_end_of_the_lease_begins_again_five_times_at_most() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Its first so many elections answer a second claim after the lease.
    struct Late {
        elections: AtomicUsize,
        late: usize,
    }

    #[derive(Debug)]
    struct Slow(MemoryMutex, bool);

    #[async_trait]
    impl DistributedMutex for Slow {
        async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
            let claim = request.claim;
            if self.1 && claim.holder.as_str() == "b" {
                tokio::time::sleep(LEASE).await;
            }
            self.0.try_acquire(request).await
        }

        async fn renew(&self, claim: &Claim) -> Result<Renew> {
            self.0.renew(claim).await
        }

        async fn release(&self, claim: &Claim) -> Result<()> {
            self.0.release(claim).await
        }

        async fn observe(&self) -> Result<Observation> {
            self.0.observe().await
        }
    }

    #[async_trait]
    impl Fixture for Late {
        type Election = (MemoryMutex, bool);

        async fn fresh(&self) -> (MemoryMutex, bool) {
            (MemoryMutex::new(), self.elections.fetch_add(1, Ordering::SeqCst) < self.late)
        }

        async fn open(&self, election: &(MemoryMutex, bool)) -> Arc<dyn DistributedMutex> {
            Arc::new(Slow(election.0.clone(), election.1))
        }

        async fn elapse(&self, time: Duration) {
            tokio::time::sleep(time).await;
        }

        fn lease(&self) -> Duration {
            LEASE
        }
    }

    let late = |late| Late { elections: AtomicUsize::new(0), late };
    assert_eq!(verdict(contract::a_grant_holds_for_its_whole_lease(&late(4))).await, None);
    let always = late(usize::MAX);
    assert_found(verdict(contract::a_grant_holds_for_its_whole_lease(&always)).await, "rule 2", "5 rounds");
    assert_eq!(always.elections.load(Ordering::SeqCst), 5);
    assert_found(verdict(contract::a_renewal_holds_for_a_whole_lease(&late(usize::MAX))).await, "rule 2", "5 rounds");
}
