//! What an operator may do, where the store offers it.

use std::sync::Arc;
use std::time::Duration;

use super::rules::{assert_lost, grant, held, renewed};
use super::time::{ROUNDS, Stopwatch, is_refused_throughout, too_slow};
use super::{Fixture, claim, skipped};
use crate::{Acquire, AcquireRequest, DistributedMutex, ErrorKind, Operator, Renew};

/// Rule 15: a lease that is broken without a period is renewed no more, and nobody else is granted before it would have run out:
/// a second claim is refused at 0.3, 0.6 and 0.9 of it. After the time that the break told, the second claim is granted, with a
/// higher token.
pub async fn a_lease_broken_without_a_period_is_lost_and_runs_out_first(fixture: &impl Fixture) {
    for _ in 0..ROUNDS {
        if broken_without_a_period(fixture).await {
            return;
        }
    }
    too_slow(fixture);
}

/// `false` when an answer came too late to tell anything.
async fn broken_without_a_period<F: Fixture>(fixture: &F) -> bool {
    let election = fixture.fresh().await;
    let (first, second) = (fixture.open(&election).await, fixture.open(&election).await);
    let Some(operator) = operator(&fixture.open(&election).await) else { return true };
    let (a, b, c) = (claim(fixture, "a"), claim(fixture, "b"), claim(fixture, "c"));

    let mut lease = Stopwatch::start(fixture);
    let old = grant(&first, &a).await;
    let told = operator.break_lease(None).await;
    if lease.is_over() {
        return false;
    }
    let told = told.expect("rule 15: a lease that is held can be broken");
    assert!(told <= fixture.lease(), "rule 15: another can lead after the lease at the most, not after {told:?}");
    assert_lost(first.renew(&a).await, "rule 15: the lease was broken, and its leader is told so");
    let version = match second.try_acquire((&b).into()).await {
        _ if lease.is_over() => return false,
        Ok(Acquire::Held(held)) => held.version,
        other => panic!("rule 15: a lease that was broken without a period runs on for others, so not {other:?}"),
    };
    let broken_at = lease.shows();
    if !is_refused_throughout(&second, &b, &mut lease, "rule 15", "a grant that was broken without a period").await {
        return false;
    }
    assert_lost(first.renew(&a).await, "rule 15: the lease was broken for good");

    lease.reach(broken_at + told + fixture.lease() / 10).await;
    let new = match second.try_acquire(AcquireRequest::new(&b).with_lapsed(version.as_ref())).await {
        Ok(Acquire::Granted(grant)) => grant,
        other => panic!("rule 15: another can lead after the {told:?} that the break told, so not {other:?}"),
    };
    assert!(new.fencing_token > old.fencing_token, "rule 3: tokens rise over a break");
    assert_lost(first.renew(&a).await, "rule 15: another claim leads since the break");
    first.release(&a).await.expect("rule 7: a release of what is not ours is well");
    held(&first, &c).await;
    renewed(second.renew(&b).await);
    true
}

/// Rule 15: a lease that is broken with a period of zero is granted to the next claim that asks, with a higher token.
pub async fn a_lease_broken_with_zero_is_free_at_once(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let (first, second) = (fixture.open(&election).await, fixture.open(&election).await);
    let Some(operator) = operator(&second) else { return };
    let (a, b, c) = (claim(fixture, "a"), claim(fixture, "b"), claim(fixture, "c"));
    let old = grant(&first, &a).await;
    let told = operator.break_lease(Some(Duration::ZERO)).await.expect("rule 15: any store can break with zero");
    assert_eq!(told, Duration::ZERO, "rule 15: after a break with zero another can lead at once");
    assert_lost(first.renew(&a).await, "rule 15: the lease was broken with zero, and its leader is told so");
    let new = match second.try_acquire((&b).into()).await {
        Ok(Acquire::Granted(grant)) => grant,
        other => panic!("rule 15: a lease that was broken with zero is free, so not {other:?}"),
    };
    assert!(new.fencing_token > old.fencing_token, "rule 3: tokens rise over a break");
    first.release(&a).await.expect("rule 7: a release of what is not ours is well");
    held(&first, &c).await;
    renewed(second.renew(&b).await);
}

/// Rule 15: to break what nobody holds is no error, takes no time, and keeps nobody from leading.
pub async fn a_break_of_what_nobody_holds_is_well(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let Some(operator) = operator(&mutex) else { return };
    let (a, b) = (claim(fixture, "a"), claim(fixture, "b"));
    assert_breaks_nothing(&operator, "an election that nobody ever led").await;
    let first = grant(&mutex, &a).await;
    mutex.release(&a).await.expect("rule 7: a release of one's own lease goes through");
    assert_breaks_nothing(&operator, "a lease that was released").await;
    let second = grant(&mutex, &b).await;
    assert!(second.fencing_token > first.fencing_token, "rule 3: tokens rise over a break of what was free");
}

async fn assert_breaks_nothing(operator: &Arc<dyn Operator>, what: &str) {
    for period in [None, Some(Duration::ZERO)] {
        match operator.break_lease(period).await {
            Ok(Duration::ZERO) => {}
            other => panic!("rule 15: nobody holds {what}, so a break takes no time ({period:?}), and not {other:?}"),
        }
    }
}

/// Rule 15: a period that the store does not know is refused, and then nothing is broken.
pub async fn a_period_that_the_store_does_not_know_breaks_nothing(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let Some(operator) = operator(&mutex) else { return };
    let a = claim(fixture, "a");
    grant(&mutex, &a).await;
    match operator.break_lease(Some(Duration::MAX)).await {
        Ok(told) => {
            assert!(told <= fixture.lease(), "rule 15: a break prolongs no lease, so not {told:?}");
            assert_lost(mutex.renew(&a).await, "rule 15: the lease was broken, and its leader is told so");
        }
        Err(error) => {
            assert_eq!(
                error.kind(),
                ErrorKind::InvalidSetting,
                "rule 15: a period that cannot be is a setting: {error}"
            );
            match mutex.renew(&a).await {
                Ok(Renew::Renewed) => {}
                other => panic!("rule 15: the break was refused, so the leader leads on, and not {other:?}"),
            }
        }
    }
}

/// Rule 15: the elections that an operator lists include this one, in order. A store that cannot list them says so.
pub async fn the_elections_that_are_listed_include_this_one(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let Some(operator) = operator(&mutex) else { return };
    let a = claim(fixture, "a");
    grant(&mutex, &a).await;
    let listed = match operator.elections().await {
        Err(error) if error.kind() == ErrorKind::Refused => {
            return skipped("rule 15, the list of elections", "the store does not list them");
        }
        listed => listed.expect("rule 15: a store that lists its elections lists them"),
    };
    let name = mutex.election();
    assert!(listed.iter().any(|listed| listed == name), "rule 15: {name:?} is an election, and not listed: {listed:?}");
    assert!(listed.is_sorted(), "rule 15: elections are listed in order: {listed:?}");
    mutex.release(&a).await.expect("rule 7: a release of one's own lease goes through");
}

fn operator(mutex: &Arc<dyn DistributedMutex>) -> Option<Arc<dyn Operator>> {
    let operator = mutex.operator();
    if operator.is_none() {
        skipped("rule 15", "the store has no operator");
    }
    operator
}
