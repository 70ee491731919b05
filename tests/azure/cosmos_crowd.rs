//! Many contenders for one document in Microsoft's emulator of Cosmos DB, under faults.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use azure_leader_election::FencingToken;
use testbed::cosmos::election::{acquire, claim, emulator, mutex, release};
use testbed::cosmos::{Emulator, EmulatorOptions};
use tokio::task::JoinSet;

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
                let claim = claim(&format!("contender-{contender}"));
                let grant = acquire(&mutex, &claim).await;
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
    a_crowd_elects(&emulator(EmulatorOptions::default()), 16, 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_is_with_every_tenth_answer_lost_after_it_was_carried_out() {
    let emulator = emulator(EmulatorOptions::default());
    emulator.lose_every_nth_response(10);
    a_crowd_elects(&emulator, 16, 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_is_under_throttling() {
    let emulator = emulator(EmulatorOptions::default());
    emulator.fail_every_nth(429, 7);
    a_crowd_elects(&emulator, 16, 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_is_while_the_service_is_unavailable_now_and_then() {
    let emulator = emulator(EmulatorOptions::default());
    emulator.fail_every_nth(503, 7);
    a_crowd_elects(&emulator, 16, 50).await;
}
