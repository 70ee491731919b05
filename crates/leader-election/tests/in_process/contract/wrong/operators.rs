//! Stores that lead an operator astray.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use leader_election::contract;
use leader_election::{Claim, Error, ErrorKind, Loss, Operator, Renew, Result, async_trait};

use super::flaw::{Flaw, Flawless, LEASE, Right, assert_found, documents, leases, verdict};

#[tokio::test(start_paused = true)]
async fn control_the_rules_of_operators_pass_a_store_that_keeps_them() {
    for store in [leases(Flawless), documents(Flawless)] {
        assert_eq!(verdict(contract::a_lease_broken_without_a_period_is_lost_and_runs_out_first(&store)).await, None);
        assert_eq!(verdict(contract::a_lease_broken_with_zero_is_free_at_once(&store)).await, None);
        assert_eq!(verdict(contract::a_break_of_what_nobody_holds_is_well(&store)).await, None);
        assert_eq!(verdict(contract::a_period_that_the_store_does_not_know_breaks_nothing(&store)).await, None);
        assert_eq!(verdict(contract::the_elections_that_are_listed_include_this_one(&store)).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_without_an_operator_passes() {
    #[derive(Debug, Clone)]
    struct Unattended;

    impl Flaw for Unattended {
        fn operator(&self, _: &Right) -> Option<Arc<dyn Operator>> {
            None
        }
    }

    let store = leases(Unattended);
    assert_eq!(verdict(contract::a_lease_broken_without_a_period_is_lost_and_runs_out_first(&store)).await, None);
    assert_eq!(verdict(contract::the_elections_that_are_listed_include_this_one(&store)).await, None);
    assert_eq!(verdict(contract::a_broken_lease_is_lost(&store)).await, None);
}

/// How an operator's call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Astray {
    /// It breaks nothing, and says that it did.
    Nothing,
    /// It breaks at once, whatever period was named.
    AtOnce,
    /// It breaks after half of the lease, whatever period was named.
    AfterHalf,
    /// It lets the lease run out, whatever period was named.
    RunsOut,
    /// What it says is right, and it tells this time.
    Tells(Duration),
    /// It fails where nobody holds the lease.
    Fails,
    /// It fails after it has broken the lease.
    FailsAfterwards,
    /// It lists these elections.
    Lists(&'static [&'static str]),
    /// It lists none, for a moment.
    IsBusy,
}

impl Flaw for Astray {
    fn operator(&self, right: &Right) -> Option<Arc<dyn Operator>> {
        Some(Arc::new(AstrayOperator { right: right.operator()?, astray: *self }))
    }
}

struct AstrayOperator {
    right: Arc<dyn Operator>,
    astray: Astray,
}

#[async_trait]
impl Operator for AstrayOperator {
    async fn break_lease(&self, period: Option<Duration>) -> Result<Duration> {
        let told = period.unwrap_or(LEASE).min(LEASE);
        match self.astray {
            Astray::Nothing => return Ok(told),
            Astray::AtOnce => self.right.break_lease(Some(Duration::ZERO)).await?,
            Astray::AfterHalf => self.right.break_lease(Some(LEASE / 2)).await?,
            Astray::RunsOut => self.right.break_lease(None).await?,
            Astray::Tells(told) => return self.right.break_lease(period).await.map(|_| told),
            Astray::Fails => return Err(Error::new(ErrorKind::NotFound, "there is no lease")),
            Astray::FailsAfterwards => {
                self.right.break_lease(None).await?;
                return Err(Error::setting("no such period"));
            }
            Astray::Lists(_) | Astray::IsBusy => return self.right.break_lease(period).await,
        };
        Ok(told)
    }

    async fn elections(&self) -> Result<Vec<String>> {
        match self.astray {
            Astray::Lists(elections) => Ok(elections.iter().map(ToString::to_string).collect()),
            Astray::IsBusy => Err(Error::new(ErrorKind::Unavailable, "busy")),
            _ => self.right.elections().await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn breaks_without_a_period_that_are_unsafe_or_do_nothing_are_found_out() {
    for (astray, words) in [
        (Astray::Nothing, "its leader is told so"),
        (Astray::AtOnce, "runs on for others"),
        (Astray::AfterHalf, "0.6 of the lease"),
        (Astray::Tells(LEASE * 2), "after the lease at the most"),
        (Astray::Tells(Duration::ZERO), "that the break told"),
        (Astray::Fails, "can be broken"),
    ] {
        let store = leases(astray);
        let found = verdict(contract::a_lease_broken_without_a_period_is_lost_and_runs_out_first(&store)).await;
        assert_found(found, "rule 15", words);
    }
    // A fixture that breaks no lease itself does it by the operator.
    let found = verdict(contract::a_broken_lease_is_lost(&leases(Astray::Nothing))).await;
    assert_found(found, "rule 6", "it was broken");
    let store = documents(Astray::AtOnce);
    let found = verdict(contract::a_lease_broken_without_a_period_is_lost_and_runs_out_first(&store)).await;
    assert_found(found, "rule 15", "runs on for others");
}

#[tokio::test(start_paused = true)]
async fn a_broken_lease_that_its_leader_can_renew_later_is_found_out() {
    /// It tells of the break once.
    #[derive(Debug, Clone, Default)]
    struct Forgives(Arc<AtomicUsize>);

    #[async_trait]
    impl Flaw for Forgives {
        async fn renew(&self, _: &Right, _: &Claim) -> Result<Renew> {
            let first = self.0.fetch_add(1, Ordering::SeqCst) == 0;
            Ok(if first { Renew::Lost(Loss::Broken) } else { Renew::Renewed })
        }
    }

    let store = leases(Forgives::default());
    let found = verdict(contract::a_lease_broken_without_a_period_is_lost_and_runs_out_first(&store)).await;
    assert_found(found, "rule 15", "for good");
}

#[tokio::test(start_paused = true)]
async fn breaks_with_zero_that_do_not_free_the_lease_are_found_out() {
    for (astray, words) in [
        (Astray::Nothing, "its leader is told so"),
        (Astray::RunsOut, "with zero is free"),
        (Astray::Tells(LEASE), "another can lead at once"),
        (Astray::Fails, "any store can break with zero"),
    ] {
        let found = verdict(contract::a_lease_broken_with_zero_is_free_at_once(&leases(astray))).await;
        assert_found(found, "rule 15", words);
    }
}

#[tokio::test(start_paused = true)]
async fn a_break_that_fails_or_waits_where_nobody_holds_the_lease_is_found_out() {
    for astray in [Astray::Fails, Astray::Nothing] {
        let found = verdict(contract::a_break_of_what_nobody_holds_is_well(&leases(astray))).await;
        assert_found(found, "rule 15", "nobody holds an election that nobody ever led");
    }
}

#[tokio::test(start_paused = true)]
async fn a_period_that_is_refused_in_vain_or_in_other_words_is_found_out() {
    for (astray, words) in [
        (Astray::FailsAfterwards, "the break was refused"),
        (Astray::Fails, "is a setting"),
        (Astray::Tells(LEASE * 2), "prolongs no lease"),
    ] {
        let found = verdict(contract::a_period_that_the_store_does_not_know_breaks_nothing(&leases(astray))).await;
        assert_found(found, "rule 15", words);
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_of_elections_without_this_one_out_of_order_or_none_is_found_out() {
    for (astray, words) in [
        (Astray::Lists(&["daily"]), "not listed"),
        (Astray::Lists(&["nightly", "daily"]), "in order"),
        (Astray::IsBusy, "lists them"),
    ] {
        let found = verdict(contract::the_elections_that_are_listed_include_this_one(&leases(astray))).await;
        assert_found(found, "rule 15", words);
    }
}
