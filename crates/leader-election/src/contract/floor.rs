//! A token that is granted is above the caller's floor.

use std::sync::Arc;

use super::rules::{grant, held, renewed};
use super::{Fixture, claim};
use crate::{AcquireRequest, DistributedMutex, FencingToken};

/// Far ahead of any service's clock, in the milliseconds that tokens may follow.
const YEAR_MS: u64 = 365 * 24 * 3_600 * 1_000;

/// Rule 13: a token is above the floor, also where the floor is above the service's clock; and a term without a floor is above
/// that. Where there is no token above the floor, nothing is granted.
pub async fn a_granted_token_is_above_the_floor(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let (a, b, c, d) = (claim(fixture, "a"), claim(fixture, "b"), claim(fixture, "c"), claim(fixture, "d"));
    let first = grant(&mutex, AcquireRequest::new(&a).with_floor(Some(token(1)))).await.fencing_token;
    assert!(first > token(1), "rule 13: {first} is granted above the floor 1, of an election that nobody ever led");
    mutex.release(&a).await.expect("rule 7: a release of one's own lease goes through");

    let floor = token(first.get() + YEAR_MS);
    let second = grant(&mutex, AcquireRequest::new(&b).with_floor(Some(floor))).await.fencing_token;
    assert!(second > floor, "rule 13: {second} is granted above the floor {floor}");
    assert_recorded(&mutex, second).await;
    mutex.release(&b).await.expect("rule 7: a release of one's own lease goes through");

    let highest = token(FencingToken::MAX);
    match mutex.try_acquire(AcquireRequest::new(&c).with_floor(Some(highest))).await {
        Err(error) if !error.is_transient() => {}
        other => panic!("rule 13: there is no token above the highest, which a human must know, so not {other:?}"),
    }
    let third = grant(&mutex, AcquireRequest::new(&d).with_floor(Some(first))).await.fencing_token;
    assert!(third > second, "rule 3: a low floor does not lower the token: {third} follows {second}");
}

/// Rule 13: the holder that repeats its acquire with a floor above its token is granted a higher one, and holds the lease; with
/// a lower floor it keeps its token, as [rule 4](super::acquire_is_repeatable) says.
pub async fn a_repeated_acquire_is_granted_above_its_floor(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let (a, b) = (claim(fixture, "a"), claim(fixture, "b"));
    let low = token(1);
    let first = grant(&mutex, AcquireRequest::new(&a).with_floor(Some(low))).await.fencing_token;
    let again = AcquireRequest::new(&a).with_unsettled(true);
    let kept = grant(&mutex, again.with_floor(Some(low))).await.fencing_token;
    assert_eq!(kept, first, "rule 4: the same token, as that is above the floor {low} already");

    for floor in [first, token(first.get() + YEAR_MS)] {
        let raised = grant(&mutex, again.with_floor(Some(floor))).await.fencing_token;
        assert!(
            raised > floor,
            "rule 13: {raised} is granted above the floor {floor}, to the claim that holds the lease"
        );
        assert_recorded(&mutex, raised).await;
        renewed(mutex.renew(&a).await);
        held(&mutex, &b).await;
    }
}

async fn assert_recorded(mutex: &Arc<dyn DistributedMutex>, granted: FencingToken) {
    let seen = mutex.observe().await.expect("rule 8: an election that is led can be observed");
    let leader = seen.leader().expect("rule 8: somebody leads, and the observation says who");
    assert_eq!(leader.fencing_token, granted, "rule 13: the token above the floor is on record before it is granted");
}

fn token(number: u64) -> FencingToken {
    FencingToken::new(number).expect("rule 3: tokens leave room for more than a year of milliseconds")
}
