//! The rules, one function each.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{Fixture, claim};
use crate::{Acquire, Claim, DistributedMutex, ErrorKind, FencingToken, Grant, Held, Renew};

/// Rule 1: while a claim's lease runs, no other claim is granted.
pub async fn exclusive(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let (first, second) = (fixture.open(&election).await, fixture.open(&election).await);
    let (a, b) = (claim(fixture, "a"), claim(fixture, "b"));
    grant(&first, &a).await;
    held(&second, &b).await;
    held(&first, &b).await;
    // Also when the other insists because an earlier answer was lost.
    let insisting = Claim { unsettled: true, ..b };
    held(&second, &insisting).await;
}

/// Rule 3: tokens rise over a release.
pub async fn tokens_rise_over_release(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mut last = None;
    for term in 0..5 {
        // Each as from a process that starts anew.
        let mutex = fixture.open(&election).await;
        let claim = claim(fixture, &format!("term-{term}"));
        let token = grant(&mutex, &claim).await.fencing_token;
        assert!(Some(token) > last, "rule 3: {token} follows {last:?}");
        last = Some(token);
        mutex.release(&claim).await.expect("released");
    }
}

/// Rules 2 and 3: a lease runs out by itself, and the next token is higher.
pub async fn tokens_rise_over_expiry(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let (a, b) = (claim(fixture, "a"), claim(fixture, "b"));
    let first = grant(&mutex, &a).await;
    let second = outlive(fixture, &mutex, &b).await;
    assert!(second.fencing_token > first.fencing_token, "rule 3: tokens rise over an expiry");
    assert_lost(mutex.renew(&a).await.expect("an answer"), "rule 6: the claim that lapsed does not renew");
}

/// Rule 3: tokens rise when the record is deleted between two terms.
pub async fn tokens_rise_over_deletion(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let (a, b) = (claim(fixture, "a"), claim(fixture, "b"));
    let first = grant(&mutex, &a).await;
    mutex.release(&a).await.expect("released");
    if fixture.delete_record(&election).await {
        // A clock of whole seconds is what the rule rests on then.
        fixture.elapse(Duration::from_millis(1_100)).await;
    }
    let second = grant(&mutex, &b).await;
    assert!(second.fencing_token > first.fencing_token, "rule 3: tokens rise over a deletion");
}

/// Rules 1 and 3, with many candidates: one holder at a time, no token twice, none lower than one before.
pub async fn tokens_rise_under_contention(fixture: &impl Fixture) {
    const CANDIDATES: usize = 8;
    const TERMS: usize = 5;
    let election = fixture.fresh().await;
    let tokens: Arc<std::sync::Mutex<Vec<FencingToken>>> = Arc::default();
    let mut candidates = JoinSet::new();
    for candidate in 0..CANDIDATES {
        let mutex = fixture.open(&election).await;
        let (tokens, lease) = (Arc::clone(&tokens), fixture.lease());
        candidates.spawn(async move {
            for _ in 0..TERMS {
                let holder = crate::HolderId::new(format!("candidate-{candidate}")).expect("valid");
                let claim = Claim::new(holder, lease);
                let token = loop {
                    match mutex.try_acquire(&claim, None).await {
                        Ok(Acquire::Granted(grant)) => break grant.fencing_token,
                        Ok(Acquire::Held(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
                        Err(error) if error.is_transient() => tokio::time::sleep(Duration::from_millis(10)).await,
                        Err(error) => panic!("rule 5: contention is no error: {error}"),
                    }
                };
                // In the order of the terms, as the lease is held.
                tokens.lock().expect("not poisoned").push(token);
                mutex.release(&claim).await.expect("released");
            }
        });
    }
    while let Some(done) = candidates.join_next().await {
        done.expect("a candidate that does not panic");
    }
    let tokens = tokens.lock().expect("not poisoned").clone();
    assert_eq!(tokens.len(), CANDIDATES * TERMS);
    assert!(tokens.is_sorted_by(|earlier, later| earlier < later), "rule 3: tokens strictly rise: {tokens:?}");
}

/// Rule 1: of many that ask at once, one is granted.
pub async fn one_winner_in_a_race(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mut racers = JoinSet::new();
    for racer in 0..16 {
        let mutex = fixture.open(&election).await;
        let claim = claim(fixture, &format!("racer-{racer}"));
        racers.spawn(async move { mutex.try_acquire(&claim, None).await });
    }
    let mut winners = BTreeSet::new();
    while let Some(outcome) = racers.join_next().await {
        match outcome.expect("a racer that does not panic") {
            Ok(Acquire::Granted(grant)) => assert!(winners.insert(grant.fencing_token)),
            Ok(Acquire::Held(_)) => {}
            // The unlucky ones of a compare-and-swap may be told to try again.
            Err(error) => assert!(error.is_transient(), "rule 5: contention is no error: {error}"),
        }
    }
    assert_eq!(winners.len(), 1, "rule 1: one winner");
}

/// Rule 4: an acquire repeated with the same id is granted again, with the same token.
pub async fn acquire_is_repeatable(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let claim = claim(fixture, "a");
    let first = grant(&mutex, &claim).await;
    let again = Claim { unsettled: true, ..claim };
    assert_eq!(grant(&mutex, &again).await, first, "rule 4: the same grant");
}

/// Rules 4 and 10: a call that was dropped half-way may be repeated; nothing is left behind that blocks the claim.
pub async fn acquire_is_repeatable_after_a_lost_answer(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    // The record exists, so that every pause meets another step of the acquire.
    let warm_up = claim(fixture, "warm-up");
    let mutex = fixture.open(&election).await;
    let mut last = grant(&mutex, &warm_up).await.fencing_token;
    mutex.release(&warm_up).await.expect("released");
    for pause in [0, 1, 2, 3, 5, 8, 13] {
        let claim = claim(fixture, &format!("dropped-after-{pause}ms"));
        let dropped = tokio::time::timeout(Duration::from_millis(pause), mutex.try_acquire(&claim, None)).await;
        drop(dropped);
        let again = Claim { unsettled: true, ..claim };
        let token = settle(&mutex, &again).await.fencing_token;
        assert!(token > last, "rule 3: {token} follows {last}");
        last = token;
        mutex.release(&again).await.expect("released");
    }
}

/// Rule 8: whoever finds the lease held has changed nothing.
pub async fn an_acquire_that_finds_it_held_changes_nothing(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let (a, b) = (claim(fixture, "a"), claim(fixture, "b"));
    let granted = grant(&mutex, &a).await;
    let before = mutex.observe().await.expect("observed");
    let seen = held(&mutex, &b).await;
    if let Some(leader) = &seen.leader {
        assert_eq!(leader.fencing_token, granted.fencing_token);
        assert_eq!(leader.holder, a.holder);
    }
    assert_eq!(mutex.observe().await.expect("observed"), before, "rule 8: nothing has changed");
    assert_eq!(mutex.renew(&a).await.expect("an answer"), Renew::Renewed);
}

/// Rule 2: a renewal makes the lease run anew.
pub async fn renewal_keeps_the_lease(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let (a, b) = (claim(fixture, "a"), claim(fixture, "b"));
    grant(&mutex, &a).await;
    // Three times two thirds of a lease: twice as long as it would last by itself.
    for _ in 0..3 {
        fixture.elapse(fixture.lease() * 2 / 3).await;
        assert_eq!(mutex.renew(&a).await.expect("an answer"), Renew::Renewed);
        held(&mutex, &b).await;
    }
}

/// Rule 6: a claim that never held the lease, or does not any more, is told so.
pub async fn only_the_holder_renews(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let (a, b) = (claim(fixture, "a"), claim(fixture, "b"));
    assert_lost(mutex.renew(&b).await.expect("an answer"), "rule 6: nobody ever held it");
    grant(&mutex, &a).await;
    assert_lost(mutex.renew(&b).await.expect("an answer"), "rule 6: another claim holds it");
    mutex.release(&a).await.expect("released");
    assert_lost(mutex.renew(&a).await.expect("an answer"), "rule 6: it was released");
}

/// Rule 6: after a lapse and another's term, neither a renewal nor a release of the old claim touches the new one.
pub async fn renewal_of_a_lapsed_and_taken_lease_is_lost(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let (a, b, c) = (claim(fixture, "a"), claim(fixture, "b"), claim(fixture, "c"));
    grant(&mutex, &a).await;
    outlive(fixture, &mutex, &b).await;
    assert_lost(mutex.renew(&a).await.expect("an answer"), "rule 6: it was taken");
    mutex.release(&a).await.expect("rule 7: a release of what is not ours is well");
    held(&mutex, &c).await;
    assert_eq!(mutex.renew(&b).await.expect("an answer"), Renew::Renewed);
}

/// Rule 7: a release frees at once.
pub async fn release_frees_at_once(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let (a, b) = (claim(fixture, "a"), claim(fixture, "b"));
    grant(&mutex, &a).await;
    mutex.release(&a).await.expect("released");
    assert_eq!(mutex.observe().await.expect("observed").leader(), None);
    grant(&mutex, &b).await;
}

/// Rules 4 and 7: a release may be repeated, and frees nothing of another claim.
pub async fn release_is_repeatable_and_frees_nothing_of_others(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let (a, b, c) = (claim(fixture, "a"), claim(fixture, "b"), claim(fixture, "c"));
    mutex.release(&a).await.expect("rule 7: there was nothing to release");
    grant(&mutex, &a).await;
    mutex.release(&a).await.expect("released");
    mutex.release(&a).await.expect("rule 4: released again");
    grant(&mutex, &b).await;
    mutex.release(&a).await.expect("rule 7: not ours any more");
    held(&mutex, &c).await;
    assert_eq!(mutex.renew(&b).await.expect("an answer"), Renew::Renewed);
}

/// Rule 6, where an operator can break a lease: the leader is told with its next renewal, and another can lead.
pub async fn a_broken_lease_is_lost(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let (a, b) = (claim(fixture, "a"), claim(fixture, "b"));
    let first = grant(&mutex, &a).await;
    if fixture.break_lease(&election).await {
        assert_lost(mutex.renew(&a).await.expect("an answer"), "rule 6: it was broken");
        let second = grant(&mutex, &b).await;
        assert!(second.fencing_token > first.fencing_token, "rule 3: tokens rise over a break");
    }
}

/// Rule 8: observing names the leader, and before the first term nobody.
pub async fn observation_tells_the_leader_and_changes_nothing(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    if let Ok(nobody) = mutex.observe().await {
        assert!(!nobody.held && nobody.latest.is_none(), "nobody ever led: {nobody:?}");
    }
    let a = claim(fixture, "a holder/with % odd ~ characters");
    let granted = grant(&mutex, &a).await;
    let seen = fixture.open(&election).await.observe().await.expect("observed");
    let leader = seen.leader().expect("somebody leads");
    assert_eq!(leader.holder, a.holder);
    assert_eq!(leader.fencing_token, granted.fencing_token);
    assert_eq!(leader.lease, Some(a.lease));
    assert_eq!(leader.renew_every, Some(a.renew_every));
    assert!(leader.elected_at.is_some());
    mutex.release(&a).await.expect("released");
    let after = mutex.observe().await.expect("observed");
    assert!(!after.held);
    assert_eq!(after.latest.map(|leader| leader.holder), Some(a.holder), "the last one that led");
}

/// Rule 9: a lease that the store cannot grant is refused, by the check and by the attempt alike.
pub async fn an_impossible_lease_is_refused(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    for lease in [Duration::ZERO, Duration::from_millis(1), Duration::from_secs(14), Duration::MAX] {
        if let Err(error) = mutex.check_lease(lease) {
            assert_eq!(error.kind(), ErrorKind::InvalidSetting);
            assert!(error.to_string().contains("lease"), "the error names the setting: {error}");
            let impossible = Claim { lease, ..claim(fixture, "a") };
            let error = mutex.try_acquire(&impossible, None).await.expect_err("the same refusal");
            assert_eq!(error.kind(), ErrorKind::InvalidSetting);
        }
    }
    mutex.check_lease(fixture.lease()).expect("the fixture's own lease is possible");
}

/// Rule 11: whoever can read `Debug` or an observation cannot act on the lease.
pub async fn nothing_shows_the_claim_id(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let a = claim(fixture, "a");
    let granted = grant(&mutex, &a).await;
    let seen = mutex.observe().await.expect("observed");
    let refused = mutex.try_acquire(&Claim { lease: Duration::ZERO, ..a.clone() }, None).await;
    let all = format!("{mutex:?} {a:?} {granted:?} {seen:?} {refused:?}");
    assert!(!all.contains(&a.id.expose()), "rule 11: {all}");
}

async fn grant(mutex: &Arc<dyn DistributedMutex>, claim: &Claim) -> Grant {
    match mutex.try_acquire(claim, None).await {
        Ok(Acquire::Granted(grant)) => {
            assert!(grant.lease >= claim.lease, "rule 2: the grant lasts as long as was asked for");
            grant
        }
        other => panic!("the lease is free and must be granted, not {other:?}"),
    }
}

async fn held(mutex: &Arc<dyn DistributedMutex>, claim: &Claim) -> Held {
    match mutex.try_acquire(claim, None).await {
        Ok(Acquire::Held(held)) => held,
        other => panic!("rule 1: the lease is held, so not {other:?}"),
    }
}

/// Repeats an acquire whose outcome was unknown until it is known.
async fn settle(mutex: &Arc<dyn DistributedMutex>, claim: &Claim) -> Grant {
    for _ in 0..50 {
        match mutex.try_acquire(claim, None).await {
            Ok(Acquire::Granted(grant)) => return grant,
            Ok(Acquire::Held(held)) => panic!("rule 4: nobody else asks, and yet: {held:?}"),
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("rule 4: fifty attempts did not settle it")
}

/// Takes over from a holder that fell silent, as a host does: a document store is shown the version that lapsed.
async fn outlive(fixture: &impl Fixture, mutex: &Arc<dyn DistributedMutex>, claim: &Claim) -> Grant {
    let seen = held(mutex, claim).await;
    fixture.elapse(fixture.lease() + fixture.lease() / 10).await;
    match mutex.try_acquire(claim, seen.version.as_ref()).await {
        Ok(Acquire::Granted(grant)) => grant,
        other => panic!("rule 2: the lease has run out and must be granted, not {other:?}"),
    }
}

fn assert_lost(renew: Renew, rule: &str) {
    assert!(matches!(renew, Renew::Lost(_)), "{rule}");
}
