//! A version tells of every write, and of nothing else.

use std::sync::Arc;

use super::rules::{grant, held, renewed};
use super::{Fixture, claim, skipped};
use crate::{DistributedMutex, Version};

/// Rule 14: where the observation has a version, each grant, renewal and release gives it another one, which it never had
/// before; who observes, is refused or releases nothing leaves it.
pub async fn a_version_changes_with_every_write_and_with_nothing_else(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let (mutex, other) = (fixture.open(&election).await, fixture.open(&election).await);
    let (a, b, c) = (claim(fixture, "a"), claim(fixture, "b"), claim(fixture, "c"));

    grant(&mutex, &a).await;
    let Some(granted) = version(&other).await else {
        return skipped("rule 14", "the observation has no version");
    };
    let mut seen = Seen(vec![granted]);
    seen.stays(&other, "an observation").await;
    let told = held(&other, &b).await.version;
    assert_eq!(
        told.as_ref(),
        seen.0.last(),
        "rule 14: who finds it held is told the version that an observation tells"
    );
    seen.stays(&other, "an acquire that found it held").await;
    for _ in 0..2 {
        renewed(mutex.renew(&a).await);
        seen.changes(&other, "a renewal").await;
    }
    // What becomes of it is for rule 6.
    drop(other.renew(&b).await);
    seen.stays(&other, "a renewal by a claim that does not hold it").await;
    drop(other.release(&b).await);
    seen.stays(&other, "a release by a claim that does not hold it").await;
    mutex.release(&a).await.expect("rule 7: a release of one's own lease goes through");
    seen.changes(&other, "a release").await;
    mutex.release(&a).await.expect("rule 4: released again");
    seen.stays(&other, "a release of what was free").await;
    grant(&other, &c).await;
    seen.changes(&other, "the next grant").await;
}

/// All versions so far.
struct Seen(Vec<Version>);

impl Seen {
    async fn changes(&mut self, mutex: &Arc<dyn DistributedMutex>, over: &str) {
        let now = version(mutex).await.expect("rule 14: a store that told a version goes on to tell it");
        assert!(
            !self.0.contains(&now),
            "rule 14: {over} writes, so the version is one that there never was: {now:?} after {:?}",
            self.0
        );
        self.0.push(now);
    }

    async fn stays(&self, mutex: &Arc<dyn DistributedMutex>, over: &str) {
        assert_eq!(
            version(mutex).await.as_ref(),
            self.0.last(),
            "rule 14: {over} writes nothing, so the version stays; a standby would take the change for the leader's sign of life"
        );
    }
}

async fn version(mutex: &Arc<dyn DistributedMutex>) -> Option<Version> {
    mutex.observe().await.expect("rule 8: an election that was led can be observed").version
}
