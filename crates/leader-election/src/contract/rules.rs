//! The rules, one function each.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{Fixture, claim, skipped};
use crate::{Acquire, AcquireRequest, Claim, DistributedMutex, ErrorKind, FencingToken, Grant, Held, Renew, Result};

/// Rule 1: while a claim's lease runs, no other claim is granted.
pub async fn exclusive(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let (first, second) = (fixture.open(&election).await, fixture.open(&election).await);
    let (a, b) = (claim(fixture, "a"), claim(fixture, "b"));
    grant(&first, &a).await;
    held(&second, &b).await;
    held(&first, &b).await;
    // Also when the other insists because an earlier answer was lost.
    held(&second, AcquireRequest::new(&b).with_unsettled(true)).await;
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
        mutex.release(&claim).await.expect("rule 7: a release of one's own lease goes through");
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
    assert_lost(mutex.renew(&a).await, "rule 6: the claim that lapsed does not renew");
}

/// Rule 3: tokens rise when the record is deleted between two terms.
pub async fn tokens_rise_over_deletion(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let (a, b) = (claim(fixture, "a"), claim(fixture, "b"));
    let first = grant(&mutex, &a).await;
    mutex.release(&a).await.expect("rule 7: a release of one's own lease goes through");
    if fixture.delete_record(&election).await {
        // A clock of whole seconds is what the rule rests on then.
        fixture.elapse(Duration::from_millis(1_100)).await;
    } else {
        skipped("rule 3 over a deletion", "the fixture deletes no record");
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
                    match mutex.try_acquire((&claim).into()).await {
                        Ok(Acquire::Granted(grant)) => break grant.fencing_token,
                        Ok(Acquire::Held(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
                        Err(error) if error.is_transient() => tokio::time::sleep(Duration::from_millis(10)).await,
                        Err(error) => panic!("rule 5: contention is no error: {error}"),
                    }
                };
                // In the order of the terms, as the lease is held.
                tokens.lock().expect("not poisoned").push(token);
                mutex.release(&claim).await.expect("rule 7: a release of one's own lease goes through");
            }
        });
    }
    while let Some(done) = candidates.join_next().await {
        done.expect("rule 3 under contention: a candidate panicked");
    }
    let tokens = tokens.lock().expect("not poisoned").clone();
    assert_eq!(tokens.len(), CANDIDATES * TERMS, "rule 7: each term follows the release of the one before");
    assert!(tokens.is_sorted_by(|earlier, later| earlier < later), "rule 3: tokens strictly rise: {tokens:?}");
}

/// Rule 1: of many that ask at once, one is granted.
pub async fn one_winner_in_a_race(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mut racers = JoinSet::new();
    for racer in 0..16 {
        let mutex = fixture.open(&election).await;
        let claim = claim(fixture, &format!("racer-{racer}"));
        racers.spawn(async move { mutex.try_acquire((&claim).into()).await });
    }
    let mut winners = BTreeSet::new();
    while let Some(outcome) = racers.join_next().await {
        match outcome.expect("rule 1 in a race: a racer panicked") {
            Ok(Acquire::Granted(grant)) => assert!(winners.insert(grant.fencing_token), "rule 3: no token twice"),
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
    let again = AcquireRequest::new(&claim).with_unsettled(true);
    assert_eq!(grant(&mutex, again).await, first, "rule 4: the same grant");
}

/// Rules 4 and 10: a call that was dropped half-way may be repeated; nothing is left behind that blocks the claim.
pub async fn acquire_is_repeatable_after_a_lost_answer(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    // The record exists, so that every pause meets another step of the acquire.
    let warm_up = claim(fixture, "warm-up");
    let mutex = fixture.open(&election).await;
    let mut last = grant(&mutex, &warm_up).await.fencing_token;
    mutex.release(&warm_up).await.expect("rule 7: a release of one's own lease goes through");
    for pause in [0, 1, 2, 3, 5, 8, 13] {
        let claim = claim(fixture, &format!("dropped-after-{pause}ms"));
        let dropped = tokio::time::timeout(Duration::from_millis(pause), mutex.try_acquire((&claim).into())).await;
        drop(dropped);
        let token = settle(&mutex, &claim).await.fencing_token;
        assert!(token > last, "rule 3: {token} follows {last}");
        last = token;
        mutex.release(&claim).await.expect("rule 7: a release of one's own lease goes through");
    }
}

/// Rule 8: whoever finds the lease held has changed nothing.
pub async fn an_acquire_that_finds_it_held_changes_nothing(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let (a, b) = (claim(fixture, "a"), claim(fixture, "b"));
    let granted = grant(&mutex, &a).await;
    let before = mutex.observe().await.expect("rule 8: an election that was led can be observed");
    let seen = held(&mutex, &b).await;
    if let Some(leader) = &seen.leader {
        assert_eq!(leader.fencing_token, granted.fencing_token, "rule 8: who finds it held is told the leader's token");
        assert_eq!(leader.holder, a.holder, "rule 8: who finds it held is told the leader's name");
    }
    assert_eq!(
        mutex.observe().await.expect("rule 8: an election that was led can be observed"),
        before,
        "rule 8: nothing has changed"
    );
    renewed(mutex.renew(&a).await);
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
        renewed(mutex.renew(&a).await);
        held(&mutex, &b).await;
    }
}

/// Rule 6: a claim that never held the lease, or does not any more, is told so.
pub async fn only_the_holder_renews(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let (a, b) = (claim(fixture, "a"), claim(fixture, "b"));
    assert_lost(mutex.renew(&b).await, "rule 6: nobody ever held it");
    grant(&mutex, &a).await;
    assert_lost(mutex.renew(&b).await, "rule 6: another claim holds it");
    mutex.release(&a).await.expect("rule 7: a release of one's own lease goes through");
    assert_lost(mutex.renew(&a).await, "rule 6: it was released");
}

/// Rule 6: after a lapse and another's term, neither a renewal nor a release of the old claim touches the new one.
pub async fn renewal_of_a_lapsed_and_taken_lease_is_lost(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let (a, b, c) = (claim(fixture, "a"), claim(fixture, "b"), claim(fixture, "c"));
    grant(&mutex, &a).await;
    outlive(fixture, &mutex, &b).await;
    assert_lost(mutex.renew(&a).await, "rule 6: it was taken");
    mutex.release(&a).await.expect("rule 7: a release of what is not ours is well");
    held(&mutex, &c).await;
    renewed(mutex.renew(&b).await);
}

/// Rule 7: a release frees at once.
pub async fn release_frees_at_once(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let (a, b) = (claim(fixture, "a"), claim(fixture, "b"));
    grant(&mutex, &a).await;
    mutex.release(&a).await.expect("rule 7: a release of one's own lease goes through");
    let seen = mutex.observe().await.expect("rule 8: an election that was led can be observed");
    assert_eq!(seen.leader(), None, "rule 7: a release frees at once, and the observation says so");
    grant(&mutex, &b).await;
}

/// Rules 4 and 7: a release may be repeated, and frees nothing of another claim.
pub async fn release_is_repeatable_and_frees_nothing_of_others(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let (a, b, c) = (claim(fixture, "a"), claim(fixture, "b"), claim(fixture, "c"));
    mutex.release(&a).await.expect("rule 7: there was nothing to release");
    grant(&mutex, &a).await;
    mutex.release(&a).await.expect("rule 7: a release of one's own lease goes through");
    mutex.release(&a).await.expect("rule 4: released again");
    grant(&mutex, &b).await;
    mutex.release(&a).await.expect("rule 7: not ours any more");
    held(&mutex, &c).await;
    renewed(mutex.renew(&b).await);
}

/// Rule 6, where an operator can break a lease: the leader is told with its next renewal, and another can lead.
pub async fn a_broken_lease_is_lost(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let (a, b) = (claim(fixture, "a"), claim(fixture, "b"));
    let first = grant(&mutex, &a).await;
    if fixture.break_lease(&election).await {
        assert_lost(mutex.renew(&a).await, "rule 6: it was broken");
        let second = grant(&mutex, &b).await;
        assert!(second.fencing_token > first.fencing_token, "rule 3: tokens rise over a break");
    } else {
        skipped("rule 6 over a break", "the fixture breaks no lease");
    }
}

/// Rule 8: observing names the leader, and before the first term nobody. What a [`Leader`](crate::Leader) need not tell is
/// held to the truth where it is told.
pub async fn observation_tells_the_leader_and_changes_nothing(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    if let Ok(nobody) = mutex.observe().await {
        assert!(!nobody.is_held() && nobody.latest.is_none(), "rule 8: nobody ever led, and yet: {nobody:?}");
    }
    let a = claim(fixture, "a holder/with % odd ~ characters");
    let granted = grant(&mutex, &a).await;
    let seen = fixture.open(&election).await.observe().await.expect("rule 8: an election that is led can be observed");
    let leader = seen.leader().expect("rule 8: somebody leads, and the observation says who");
    assert_eq!(leader.holder, a.holder, "rule 8: the leader's name is the one that it gave");
    assert_eq!(
        leader.fencing_token, granted.fencing_token,
        "rule 8: the leader's token is the one that it was granted"
    );
    if let Some(lease) = leader.lease {
        assert_eq!(lease, a.lease, "rule 8: the lease is the one that the leader asked for");
    }
    if let Some(renew_every) = leader.renew_every {
        // Records count in milliseconds, and a third of a lease need not be a whole number of them.
        let off = renew_every.abs_diff(a.renew_every);
        assert!(
            off < Duration::from_millis(1),
            "rule 8: the leader renews every {:?}, and the observation says {renew_every:?}",
            a.renew_every
        );
    }
    mutex.release(&a).await.expect("rule 7: a release of one's own lease goes through");
    let after = mutex.observe().await.expect("rule 8: an election that was led can be observed");
    assert!(!after.is_held(), "rule 7: a release frees at once, and the observation says so");
    if let Some(latest) = after.latest {
        assert_eq!(latest.holder, a.holder, "rule 8: the latest leader is the last one that led");
    }
}

/// Rule 9: a lease that the store cannot grant is refused, by the check and by the attempt alike.
pub async fn an_impossible_lease_is_refused(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    for lease in [Duration::ZERO, Duration::from_millis(1), Duration::from_secs(14), Duration::MAX] {
        if let Err(error) = mutex.check_lease(lease) {
            assert_eq!(
                error.kind(),
                ErrorKind::InvalidSetting,
                "rule 9: a lease of {lease:?} is a setting that cannot be"
            );
            assert!(error.to_string().contains("lease"), "rule 9: the error names the setting: {error}");
            let impossible = Claim { lease, ..claim(fixture, "a") };
            let error = mutex.try_acquire((&impossible).into()).await.expect_err("rule 9: the attempt refuses it too");
            assert_eq!(error.kind(), ErrorKind::InvalidSetting, "rule 9: the attempt refuses it as the check does");
        }
    }
    mutex.check_lease(fixture.lease()).expect("rule 9: the fixture's own lease is possible");
}

/// Rule 11: whoever can read `Debug` or an observation cannot act on the lease.
pub async fn nothing_shows_the_claim_id(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let a = claim(fixture, "a");
    let granted = grant(&mutex, &a).await;
    let seen = mutex.observe().await.expect("rule 8: an election that was led can be observed");
    let refused = mutex.try_acquire((&Claim { lease: Duration::ZERO, ..a.clone() }).into()).await;
    let all = format!("{mutex:?} {a:?} {granted:?} {seen:?} {refused:?}");
    assert!(!all.contains(&a.id.expose()), "rule 11: {all}");
}

pub(super) async fn grant<'a>(mutex: &Arc<dyn DistributedMutex>, request: impl Into<AcquireRequest<'a>>) -> Grant {
    let request = request.into();
    match mutex.try_acquire(request).await {
        Ok(Acquire::Granted(grant)) => {
            assert!(grant.lease >= request.claim.lease, "rule 2: the grant lasts as long as was asked for");
            grant
        }
        other => panic!("rule 7: the lease is free and must be granted, not {other:?}"),
    }
}

pub(super) async fn held<'a>(mutex: &Arc<dyn DistributedMutex>, request: impl Into<AcquireRequest<'a>>) -> Held {
    match mutex.try_acquire(request.into()).await {
        Ok(Acquire::Held(held)) => held,
        other => panic!("rule 1: the lease is held, so not {other:?}"),
    }
}

/// Repeats an acquire whose outcome was unknown until it is known.
async fn settle(mutex: &Arc<dyn DistributedMutex>, claim: &Claim) -> Grant {
    for _ in 0..50 {
        match mutex.try_acquire(AcquireRequest::new(claim).with_unsettled(true)).await {
            Ok(Acquire::Granted(grant)) => return grant,
            Ok(Acquire::Held(held)) => panic!("rule 4: nobody else asks, and yet: {held:?}"),
            Err(error) => assert!(error.is_transient(), "rule 4: nobody knows yet, so the error is transient: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("rule 4: fifty attempts did not settle it")
}

/// Takes over from a holder that fell silent, as a host does: a document store is shown the version that lapsed.
pub(super) async fn outlive(fixture: &impl Fixture, mutex: &Arc<dyn DistributedMutex>, claim: &Claim) -> Grant {
    let seen = held(mutex, claim).await;
    fixture.elapse(fixture.lease() + fixture.lease() / 10).await;
    match mutex.try_acquire(AcquireRequest::new(claim).with_lapsed(seen.version.as_ref())).await {
        Ok(Acquire::Granted(grant)) => grant,
        other => panic!("rule 2: the lease has run out and must be granted, not {other:?}"),
    }
}

pub(super) fn renewed(renewal: Result<Renew>) {
    match renewal {
        Ok(Renew::Renewed) => {}
        other => panic!("rule 6: the claim holds the lease and renews it, so not {other:?}"),
    }
}

pub(super) fn assert_lost(renewal: Result<Renew>, rule: &str) {
    match renewal {
        Ok(Renew::Lost(_)) => {}
        other => panic!("{rule}, so not {other:?}"),
    }
}
