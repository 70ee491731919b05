//! What a leader tells others rides along.

use std::sync::Arc;

use super::rules::{grant, held, outlive, renewed};
use super::{Fixture, claim};
use crate::{AcquireRequest, Claim, DistributedMutex, LeaderData};

/// Rule 12: what a leader tells others comes back whole, by [`observe`](DistributedMutex::observe) from another process and by
/// [`Held`](crate::Held) where that tells of the leader: over renewals, and when the acquire is repeated.
///
/// It is 4,096 bytes long, begins and ends with white space, and holds control characters and letters of several bytes.
pub async fn data_rides_along(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let (mutex, other) = (fixture.open(&election).await, fixture.open(&election).await);
    let (a, b) = (claim(fixture, "a"), claim(fixture, "b"));
    let (data, of_b) = (whole_data(), LeaderData::new("b's own").expect("valid"));
    let request = AcquireRequest::new(&a).with_data(Some(&data));

    grant(&mutex, request).await;
    assert_told(&other, &a, Some(&data), "after the grant").await;
    grant(&mutex, request.with_unsettled(true)).await;
    assert_told(&other, &a, Some(&data), "after the acquire was repeated").await;
    for _ in 0..2 {
        renewed(mutex.renew(&a).await);
        assert_told(&other, &a, Some(&data), "after a renewal").await;
    }
    if let Some(leader) = held(&other, AcquireRequest::new(&b).with_data(Some(&of_b))).await.leader {
        assert!(
            leader.data.as_ref() == Some(&data),
            "rule 12: who finds it held is told the leader's data, or no leader"
        );
    }
    assert_told(&other, &a, Some(&data), "after another claim was refused").await;
}

/// Rule 12: data of an earlier leader is never taken for that of a later one, over a release and over an expiry.
pub async fn data_of_an_earlier_leader_does_not_stay(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let (a, b, c, d) = (claim(fixture, "a"), claim(fixture, "b"), claim(fixture, "c"), claim(fixture, "d"));
    let (of_a, of_c) = (LeaderData::new("http://a:8080").expect("valid"), LeaderData::new(" ").expect("valid"));

    grant(&mutex, AcquireRequest::new(&a).with_data(Some(&of_a))).await;
    mutex.release(&a).await.expect("rule 7: a release of one's own lease goes through");
    let after = mutex.observe().await.expect("rule 8: an election that was led can be observed");
    if let Some(latest) = after.latest {
        assert_eq!(
            latest.data,
            Some(of_a),
            "rule 12: the latest leader on record keeps its data, also after its release"
        );
    }
    grant(&mutex, &b).await;
    assert_told(&mutex, &b, None, "after a grant without data").await;
    renewed(mutex.renew(&b).await);
    assert_told(&mutex, &b, None, "after a renewal without data").await;
    mutex.release(&b).await.expect("rule 7: a release of one's own lease goes through");

    grant(&mutex, AcquireRequest::new(&c).with_data(Some(&of_c))).await;
    assert_told(&mutex, &c, Some(&of_c), "after a grant with other data").await;
    outlive(fixture, &mutex, &d).await;
    assert_told(&mutex, &d, None, "after the lease ran out and was granted without data").await;
}

/// As much as there may be, of what transports and formats like to change.
fn whole_data() -> LeaderData {
    const PATTERN: &str =
        "{\"at\": 'http://10.0.0.7:8080/?a=%41&b=+'}\\ größer 領導者 🦀 \0\t\r\n\u{1b}[0m\u{7f}\u{85}\u{feff};";
    let mut text = String::from(" \n");
    while text.len() + PATTERN.len() < LeaderData::MAX {
        text.push_str(PATTERN);
    }
    let missing = LeaderData::MAX - 1 - text.len();
    text.extend(std::iter::repeat_n('x', missing));
    text.push(' ');
    LeaderData::new(text).expect("as long as it may be")
}

async fn assert_told(mutex: &Arc<dyn DistributedMutex>, leader: &Claim, data: Option<&LeaderData>, when: &str) {
    let seen = mutex.observe().await.expect("rule 8: an election that is led can be observed");
    let told = seen.leader().expect("rule 8: somebody leads, and the observation says who");
    assert_eq!(told.holder, leader.holder, "rule 8: the leader's name is the one that it gave");
    // Of up to 4,096 bytes, which are of no use in a log.
    assert!(
        told.data.as_ref() == data,
        "rule 12: {when} the leader's data is what it asked with, whole, and not {:?} bytes of it",
        told.data.as_ref().map(|data| data.as_str().len())
    );
}
