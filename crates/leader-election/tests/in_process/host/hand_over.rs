//! Workers that step down in turns, and what a standby says of the leader.

use std::time::Duration;

use leader_election::{MemoryMutex, Status};

use crate::host_support::Fault;
use crate::host_support::plays::until_cancelled;
use crate::host_support::{Bench, Worker, millis, secs};

/// Two healthy workers that each do a second of work and hand over, for 300 s: for how long somebody led, and the longest gap.
async fn take_turns(workers: [Worker; 2]) -> (Duration, Duration) {
    let runs = workers.each_ref().map(|worker| {
        worker.run(|leader| async move {
            tokio::time::sleep(secs(1)).await;
            leader.step_down();
            leader.token().cancelled().await;
            Ok(())
        })
    });
    tokio::time::sleep(secs(300)).await;
    let mut terms: Vec<_> = workers.iter().flat_map(Worker::terms).collect();
    terms.sort_by_key(|term| term.started);
    let led: Duration = terms.iter().filter_map(|term| Some(term.gone? - term.started)).sum();
    let gaps = terms.windows(2).filter_map(|pair| Some(pair[1].started.saturating_sub(pair[0].gone?)));
    let longest = gaps.max().expect("some terms");
    println!("{} terms in 300 s, led for {led:?}, longest gap {longest:?}", terms.len());
    for run in runs {
        run.stop().await.0.unwrap();
    }
    (led, longest)
}

#[tokio::test(start_paused = true)]
async fn workers_that_hand_over_in_turns_lead_nine_tenths_of_the_time_where_the_store_tells_of_releases() {
    let (bench, memory) = (Bench::new(), MemoryMutex::new());
    let (led, longest) = take_turns(["a", "b"].map(|name| bench.worker_on(memory.clone(), name, |_| ()))).await;
    assert!(led >= secs(270), "{led:?} of 300 s");
    assert!(longest <= millis(300), "{longest:?}");
}

/// Without news of a release a standby looks once a poll, and that is what a hand-over takes; rests grow no longer.
#[tokio::test(start_paused = true)]
async fn workers_that_hand_over_in_turns_are_led_within_a_poll_where_the_store_is_polled() {
    let bench = Bench::new();
    let (led, longest) = take_turns(["a", "b"].map(|name| bench.worker(name))).await;
    assert!(longest <= millis(1_300), "{longest:?}");
    assert!(led >= secs(120), "{led:?} of 300 s");
}

#[tokio::test(start_paused = true)]
async fn a_standby_says_how_old_its_news_of_the_leader_is() {
    let bench = Bench::new();
    let leader = bench.worker("leader");
    let leading = leader.run(until_cancelled);
    leader.leads().await;
    let worker = bench.worker("standby");
    let at = |worker: &Worker| match worker.status() {
        Status::Standby { answered_at, .. } => answered_at,
        other => panic!("{other:?}"),
    };
    let run = worker.run(until_cancelled);
    tokio::time::sleep(secs(2)).await;
    let first = at(&worker).expect("the store has answered");
    worker.store.always_all(Fault::Hang);
    tokio::time::sleep(secs(20)).await;
    let silent = at(&worker);
    tokio::time::sleep(secs(20)).await;
    assert_eq!(at(&worker), silent, "nothing was answered since");
    assert!(silent >= Some(first));
    worker.store.heal();
    // The wall clock is the machine's, and virtual time takes none of it.
    std::thread::sleep(millis(5));
    tokio::time::sleep(secs(10)).await;
    assert!(at(&worker) > silent, "and now it was");
    for run in [leading, run] {
        run.stop().await.0.unwrap();
    }
}
