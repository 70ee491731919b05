//! Several hosts on one store.

use leader_election::{DistributedMutex, Loss, Operation};

use crate::host_support::Fault;
use crate::host_support::plays::{Act, until_cancelled};
use crate::host_support::{Bench, Run, TICK, Worker, assert_about, millis, secs};
use testkit::random::Random;

#[tokio::test(start_paused = true)]
async fn of_two_hosts_one_leads_and_hands_over_on_shutdown_within_a_poll() {
    let bench = Bench::new();
    let (first, second) = (bench.worker("a"), bench.worker("b"));
    let leading = first.run(until_cancelled);
    first.leads().await;
    let waiting = second.run(until_cancelled);
    tokio::time::sleep(millis(33_333)).await;
    assert_eq!(second.terms().len(), 0);
    let begun = bench.now();
    leading.stop().await.0.unwrap();
    second.leads().await;
    assert!(bench.now() - begun <= secs(1) + TICK, "{:?}", bench.now() - begun);
    waiting.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn invariant_13_a_leader_that_is_cut_off_is_replaced_when_its_lease_runs_out() {
    let bench = Bench::new();
    let (first, second) = (bench.worker("a"), bench.worker("b"));
    let leading = first.run(until_cancelled);
    let leader = first.leads().await;
    let waiting = second.run(until_cancelled);
    tokio::time::sleep(secs(6)).await;
    first.store.always_all(Fault::Hang);
    second.leads().await;
    // Renewed at 5 s for 15 s.
    assert!(bench.now() > secs(20) && bench.now() <= secs(21) + TICK, "{:?}", bench.now());
    assert!(leader.ensure().is_err());
    assert_about(first.gone(1).await.gone.unwrap(), secs(16), TICK);
    first.store.heal();
    leading.stop().await.0.unwrap();
    waiting.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn invariant_13_a_standby_asks_once_for_each_poll() {
    let bench = Bench::new();
    let (first, second) = (bench.worker("a"), bench.worker("b"));
    let leading = first.run(until_cancelled);
    first.leads().await;
    let waiting = second.run(until_cancelled);
    tokio::time::sleep(secs(600)).await;
    let asked = bench.stage.calls().iter().filter(|call| call.holder == *second.host.holder()).count();
    assert!((590..=602).contains(&asked), "{asked}");
    leading.stop().await.0.unwrap();
    waiting.stop().await.0.unwrap();
}

/// Works for a while in small steps, and leaves or fails at random.
fn moody(seed: u64) -> impl FnMut(leader_election::Leadership) -> Act + Send {
    let mut random = Random::new(seed);
    move |leader| {
        let mood = random.below(5);
        let lasts = random.millis(500, 40_000);
        let drains = random.millis(1, 12_000);
        Box::pin(async move {
            let work = tokio::time::sleep(lasts);
            let cancelled = leader.token().run_until_cancelled(work).await.is_none();
            match mood {
                0 | 1 if !cancelled => {
                    leader.step_down();
                    leader.token().cancelled().await;
                    tokio::time::sleep(drains).await;
                    Ok(())
                }
                2 if !cancelled => Err("in a bad mood".into()),
                3 => std::future::pending().await,
                _ => {
                    leader.token().cancelled().await;
                    tokio::time::sleep(drains).await;
                    Ok(())
                }
            }
        })
    }
}

fn random_fault(random: &mut Random, operation: Operation) -> Fault {
    use leader_election::ErrorKind::{Denied, Throttled, Unavailable};
    match random.below(10) {
        0 => Fault::Hang,
        1 => Fault::Slow(random.millis(1, 5_000)),
        2 => Fault::Late(random.millis(1, 40_000)),
        3 | 4 => Fault::LoseReply,
        5 => Fault::Fail(Unavailable),
        6 => Fault::FailLate(Throttled),
        7 => Fault::FailAfter(random.millis(1, 5_000), Unavailable),
        8 if operation == Operation::Renew => Fault::Lost(Loss::Broken),
        8 => Fault::Fail(Denied),
        _ => Fault::Panic,
    }
}

/// Ten minutes of three hosts. What the stage sees meanwhile is the verdict: at most one is valid at a time, tokens rise,
/// and each request comes when it may. With a hostile network, every second request or so meets a fault.
async fn ten_minutes(seed: u64, hostile: bool) {
    println!("seed {seed}, {} network", if hostile { "hostile" } else { "good" });
    let bench = Bench::new();
    let mut random = Random::new(seed);
    let workers: Vec<Worker> = ["a", "b", "c"].into_iter().map(|name| bench.worker(name)).collect();
    let runs: Vec<Run> = (1..).zip(&workers).map(|(n, worker)| worker.run(moody(seed * 100 + n))).collect();
    while bench.now() < secs(600) {
        tokio::time::sleep(random.millis(1, 3_000)).await;
        let worker = &workers[random.below(3) as usize];
        if hostile {
            let operation = [Operation::Acquire, Operation::Renew, Operation::Release][random.below(3) as usize];
            worker.store.next(operation, random_fault(&mut random, operation));
        }
        if let Some(term) = worker.terms().last().filter(|_| random.below(10) == 0) {
            term.leader.step_down();
        }
    }
    for worker in &workers {
        worker.store.heal();
    }
    for run in runs {
        let (outcome, took) = run.stop().await;
        outcome.expect("whatever happened, it was told to end");
        assert!(took <= secs(10 + 9), "{took:?}");
    }
    let terms = bench.stage.all_terms();
    assert!(terms.len() >= 10, "{} terms", terms.len());
    assert!(terms.iter().all(|term| term.gone.is_some() && term.leader.token().is_cancelled()));
    let tokens: Vec<_> = terms.iter().map(|term| term.leader.fencing_token()).collect();
    assert!(tokens.is_sorted_by(|earlier, later| earlier < later), "{tokens:?}");
    if !hostile {
        let leaders: std::collections::HashSet<_> = terms.iter().map(|term| term.leader.holder().clone()).collect();
        assert_eq!(leaders.len(), 3, "each gets its turn");
        assert!(!bench.store().observe().await.unwrap().is_held());
    }
}

#[tokio::test(start_paused = true)]
async fn invariants_1_and_2_three_moody_hosts_never_lead_together() {
    for seed in 1..=20 {
        ten_minutes(seed, false).await;
    }
}

#[tokio::test(start_paused = true)]
async fn invariants_1_and_2_three_moody_hosts_never_lead_together_over_a_hostile_network() {
    for seed in 1..=30 {
        ten_minutes(seed, true).await;
    }
}
