//! Whether calls block the thread that they are polled on.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::task::AbortOnDropHandle;

use super::{Fixture, claim};
use crate::{SideName, requests};

/// How often the calls are made: a busy machine may stop any thread for a while, but not at each of so many calls.
const ROUNDS: usize = 5;

/// Rule 10: no call blocks its thread, as the requests of other elections wait for it.
///
/// A heartbeat runs beside each call, on one thread. A call is found out when each of five times the
/// heart stood still for a quarter of the lease. A store that blocks for less than that is not found: make your service slow (a write lock
/// that another process holds, a delay in a proxy), so that an answer takes longer than a quarter of the lease, and run this then.
pub async fn no_call_blocks_its_thread(fixture: &impl Fixture) {
    let limit = fixture.lease() / 4;
    let mut shortest: BTreeMap<&str, Duration> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for (call, pause) in longest_pauses(fixture).await {
            let least = shortest.entry(call).or_insert(pause);
            *least = pause.min(*least);
        }
        if shortest.values().all(|pause| *pause < limit) {
            return;
        }
    }
    let blocking: Vec<_> = shortest.into_iter().filter(|(_, pause)| *pause >= limit).collect();
    panic!(
        "rule 10: a call blocked its thread each of {ROUNDS} times, at the least for this long: {blocking:?}. Requests of \
         other elections wait meanwhile: run what blocks on a thread of its own"
    );
}

/// For how long the heart stood still at the most during each call on a new election.
async fn longest_pauses(fixture: &impl Fixture) -> Vec<(&'static str, Duration)> {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let (a, b) = (claim(fixture, "a"), claim(fixture, "b"));
    let call = |claim: &crate::Claim| (Arc::clone(&mutex), claim.clone());
    // What becomes of the calls is for other rules.
    let (m, c) = call(&a);
    let granted = beside_a_heart(async move { drop(m.try_acquire((&c).into()).await) }).await;
    let (m, c) = call(&b);
    let refused = beside_a_heart(async move { drop(m.try_acquire((&c).into()).await) }).await;
    let (m, c) = call(&a);
    let renewed = beside_a_heart(async move { drop(m.renew(&c).await) }).await;
    let (m, _) = call(&a);
    let observed = beside_a_heart(async move { drop(m.observe().await) }).await;
    let (m, c) = call(&a);
    let released = beside_a_heart(async move { drop(m.release(&c).await) }).await;
    let mut pauses = vec![
        ("try_acquire, granted", granted),
        ("try_acquire, held", refused),
        ("renew", renewed),
        ("observe", observed),
        ("release", released),
    ];
    if let Some(operator) = mutex.operator() {
        let listing = Arc::clone(&operator);
        let broken = beside_a_heart(async move { drop(operator.break_lease(None).await) }).await;
        let listed = beside_a_heart(async move { drop(listing.elections().await) }).await;
        pauses.extend([("break_lease", broken), ("elections", listed)]);
    }
    if let Some(side) = SideName::new("contractone").ok().and_then(|name| mutex.side(name)) {
        let reading = Arc::clone(&side);
        let written = beside_a_heart(async move { drop(side.create("text").await) }).await;
        let read = beside_a_heart(async move { drop(reading.read().await) }).await;
        pauses.extend([("side record, create", written), ("side record, read", read)]);
    }
    pauses
}

/// Where a host makes its calls.
async fn beside_a_heart(call: impl Future<Output = ()> + Send + 'static) -> Duration {
    let beside = async move {
        let heart = Arc::new(Mutex::new(Heart { beat: Instant::now(), longest: Duration::ZERO }));
        let beating = AbortOnDropHandle::new(tokio::spawn(beat(Arc::clone(&heart))));
        call.await;
        drop(beating);
        let mut heart = lock(&heart);
        heart.note();
        heart.longest
    };
    requests::run_alone(beside).await.expect("a thread runs it")
}

struct Heart {
    beat: Instant,
    longest: Duration,
}

impl Heart {
    fn note(&mut self) {
        let now = Instant::now();
        self.longest = self.longest.max(now - self.beat);
        self.beat = now;
    }
}

async fn beat(heart: Arc<Mutex<Heart>>) {
    loop {
        lock(&heart).note();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn lock(heart: &Mutex<Heart>) -> MutexGuard<'_, Heart> {
    heart.lock().unwrap_or_else(PoisonError::into_inner)
}
