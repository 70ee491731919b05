//! Many contenders for one document in Microsoft's emulator of Cosmos DB, under faults.

#![cfg(feature = "cosmos")]
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use azure_core::credentials::Secret;
use azure_leader_election::{Acquire, Claim, CosmosDistributedMutex, DistributedMutex, FencingToken, Grant, HolderId};
use support::cosmos::{Emulator, EmulatorOptions, KEY};
use tokio::task::JoinSet;

const DATABASE: &str = "workers";
const CONTAINER: &str = "leaders";
const ELECTION: &str = "nightly";

fn emulator() -> Emulator {
    let emulator = Emulator::start(EmulatorOptions::default());
    emulator.create_container(DATABASE, CONTAINER);
    emulator
}

fn mutex(emulator: &Emulator) -> CosmosDistributedMutex {
    CosmosDistributedMutex::with_key(&emulator.endpoint(), DATABASE, CONTAINER, ELECTION, Secret::new(KEY)).unwrap()
}

fn claim(holder: &str) -> Claim {
    Claim::new(HolderId::new(holder).unwrap(), Duration::from_secs(60))
}

/// Repeats an acquire as a host does: transient failures make the claim unsettled.
async fn acquire(mutex: &CosmosDistributedMutex, claim: &mut Claim) -> Grant {
    loop {
        match mutex.try_acquire(claim, None).await {
            Ok(Acquire::Granted(grant)) => return grant,
            Ok(Acquire::Held(_)) => {}
            Err(error) => {
                assert!(error.is_transient(), "contention and faults are no refusal: {error}");
                claim.unsettled = true;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn release(mutex: &CosmosDistributedMutex, claim: &Claim) {
    while let Err(error) = mutex.release(claim).await {
        assert!(error.is_transient(), "{error}");
    }
}

/// Invariants 1 and 2 at the store.
async fn a_crowd_elects(emulator: &Emulator, contenders: usize, terms: usize) {
    // One crowd at a time: four of them would measure the machine.
    static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _turn = TURN.lock().await;
    let leading = Arc::new(AtomicUsize::new(0));
    let tokens: Arc<std::sync::Mutex<Vec<FencingToken>>> = Arc::default();
    let mut crowd = JoinSet::new();
    for contender in 0..contenders {
        let (mutex, leading, tokens) = (mutex(emulator), Arc::clone(&leading), Arc::clone(&tokens));
        crowd.spawn(async move {
            for _ in 0..terms {
                let mut claim = claim(&format!("contender-{contender}"));
                let grant = acquire(&mutex, &mut claim).await;
                assert_eq!(leading.fetch_add(1, Ordering::SeqCst), 0, "one winner at a time");
                tokens.lock().unwrap().push(grant.fencing_token);
                leading.fetch_sub(1, Ordering::SeqCst);
                release(&mutex, &claim).await;
            }
        });
    }
    while let Some(done) = crowd.join_next().await {
        done.expect("a contender that does not panic");
    }
    let tokens = tokens.lock().unwrap().clone();
    assert_eq!(tokens.len(), contenders * terms);
    assert!(tokens.is_sorted_by(|earlier, later| earlier < later), "tokens strictly rise");
    println!("contenders={contenders} terms={} first={} last={}", tokens.len(), tokens[0], tokens[tokens.len() - 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_16_contenders_for_50_terms_each_one_wins_at_a_time_and_tokens_rise() {
    a_crowd_elects(&emulator(), 16, 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_is_with_every_tenth_answer_lost_after_it_was_carried_out() {
    let emulator = emulator();
    emulator.lose_every_nth_response(10);
    a_crowd_elects(&emulator, 16, 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_is_under_throttling() {
    let emulator = emulator();
    emulator.fail_every_nth(429, 7);
    a_crowd_elects(&emulator, 16, 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_is_while_the_service_is_unavailable_now_and_then() {
    let emulator = emulator();
    emulator.fail_every_nth(503, 7);
    a_crowd_elects(&emulator, 16, 50).await;
}
