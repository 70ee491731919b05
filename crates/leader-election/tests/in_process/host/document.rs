//! Hosts on a document store: the candidate itself judges whether a lease has run out.

use leader_election::DistributedMutex;
use leader_election::document::DocumentMutex;
use testkit::store::{Fault, MemoryDocument, ScriptedStore};

use crate::host_support::clock::{Stepped, with};
use crate::host_support::plays::until_cancelled;
use crate::host_support::{Bench, TICK, millis, secs};

/// A record that nobody but its holder changes, unless a candidate has seen it stand still for a whole lease.
fn document(bench: &Bench) -> ScriptedStore {
    ScriptedStore::new(DocumentMutex::new(MemoryDocument::new(usize::MAX)), bench.stage.clone())
}

#[tokio::test(start_paused = true)]
async fn invariant_3_a_record_that_stands_still_for_a_whole_lease_is_replaced() {
    let bench = Bench::new();
    let store = document(&bench);
    let way = store.handle();
    let (first, second) = (bench.worker_on(way.clone(), "a", |_| ()), bench.worker_on(store.handle(), "b", |_| ()));
    let leading = first.run(until_cancelled);
    let leader = first.leads().await;
    let waiting = second.run(until_cancelled);
    tokio::time::sleep(secs(60)).await;
    assert_eq!(second.log.elections(), 0, "a record that is renewed is not replaced");

    let cut_off = bench.now();
    way.always_all(Fault::Hang);
    second.leads().await;
    let vacancy = bench.now() - cut_off;
    assert!(vacancy > secs(15) - secs(5) && vacancy <= secs(15) + secs(2), "{vacancy:?}");
    assert!(leader.ensure().is_err());
    waiting.stop().await.0.unwrap();
    leading.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_released_record_is_taken_at_the_next_poll() {
    let bench = Bench::new();
    let store = document(&bench);
    let (first, second) = (bench.worker_on(store.handle(), "a", |_| ()), bench.worker_on(store.handle(), "b", |_| ()));
    let leading = first.run(until_cancelled);
    first.leads().await;
    let waiting = second.run(until_cancelled);
    tokio::time::sleep(secs(60)).await;
    let begun = bench.now();
    leading.stop().await.0.unwrap();
    second.leads().await;
    assert!(bench.now() - begun <= secs(1) + TICK, "{:?}", bench.now() - begun);
    waiting.stop().await.0.unwrap();
    assert!(!store.observe().await.unwrap().is_held());
}

/// Somebody sets the challenger's wall clock forward. The leader it challenges knows nothing of that and lives: the
/// record stands still only because its next renewal is not due yet.
#[tokio::test(start_paused = true)]
async fn invariant_12_a_clock_jump_makes_a_challengers_observation_start_anew() {
    for forward in [5_000, 16_000, 3_600_000] {
        let bench = Bench::new();
        let store = document(&bench);
        let clock = Stepped::new();
        let first = bench.worker_on(store.handle(), "a", |_| ());
        let second = bench.worker_on(store, "b", with(&clock));
        let leading = first.run(until_cancelled);
        let leader = first.leads().await;
        let waiting = second.run(until_cancelled);
        tokio::time::sleep(secs(62)).await;
        clock.step(forward);
        tokio::time::sleep(secs(60)).await;
        assert_eq!(second.log.elections(), 0, "a jump of {forward} ms was taken for the leader's silence");
        assert!(leader.ensure().is_ok());
        leading.stop().await.0.unwrap();
        waiting.stop().await.0.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn invariant_12_many_small_steps_do_not_add_up_to_a_leaders_silence() {
    let bench = Bench::new();
    let store = document(&bench);
    let clock = Stepped::new();
    let first = bench.worker_on(store.handle(), "a", |_| ());
    let second = bench.worker_on(store, "b", with(&clock));
    let leading = first.run(until_cancelled);
    first.leads().await;
    let waiting = second.run(until_cancelled);
    for _ in 0..1_000 {
        tokio::time::sleep(millis(100)).await;
        clock.step(300);
    }
    assert_eq!(second.log.elections(), 0);
    leading.stop().await.0.unwrap();
    waiting.stop().await.0.unwrap();
}
