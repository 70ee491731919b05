//! `run_one_term`.

use std::sync::Arc;

use leader_election::{
    CancellationToken, DistributedMutex, EndReason, ErrorKind, FinishedTerm, LeaderEvent, Leadership, Loss, Operation,
    Result, Status,
};
use tokio::task::JoinHandle;

use crate::host_support::Fault;
use crate::host_support::plays::until_cancelled;
use crate::host_support::{Bench, TICK, Worker, assert_about, bounded, secs, until};

type OneTerm<T> = JoinHandle<Result<Option<FinishedTerm<T>>>>;

fn run_one_term<F, Fut, T>(worker: &Worker, shutdown: &CancellationToken, play: F) -> OneTerm<T>
where
    F: FnOnce(Leadership) -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let (host, stage, shutdown) = (Arc::clone(&worker.host), worker.stage.clone(), shutdown.clone());
    let play = move |leader: Leadership| {
        let on_stage = stage.enter(&leader);
        let act = play(leader);
        async move {
            let _on_stage = on_stage;
            act.await
        }
    };
    tokio::spawn(async move { host.run_one_term(shutdown, play).await })
}

fn leading(worker: &Worker) -> bool {
    matches!(worker.status(), Status::Leading { .. })
}

#[tokio::test(start_paused = true)]
async fn returns_what_the_task_returned_with_the_lease_released() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let term = run_one_term(&worker, &CancellationToken::new(), async |leader: Leadership| {
        tokio::time::sleep(secs(20)).await;
        leader.fencing_token()
    });
    let term = bounded(term).await.unwrap().expect("no error").expect("a term");
    assert_eq!(term.output, Some(term.fencing_token));
    assert_eq!(term.reason, EndReason::TaskEnded);
    assert_eq!(worker.log.elections(), 1);
    assert!(!bench.store().observe().await.unwrap().is_held());
    assert_eq!(worker.status(), Status::Stopped);
}

#[tokio::test(start_paused = true)]
async fn is_none_when_shut_down_before_it_led() {
    let bench = Bench::new();
    let (leader, standby) = (bench.worker("a"), bench.worker("b"));
    let run = leader.run(until_cancelled);
    leader.leads().await;
    let shutdown = CancellationToken::new();
    let term = run_one_term(&standby, &shutdown, async |_| ());
    tokio::time::sleep(secs(30)).await;
    assert!(!term.is_finished());
    shutdown.cancel();
    assert_eq!(bounded(term).await.unwrap().expect("a shutdown is no error"), None);
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn has_the_output_of_a_task_that_drains_on_shutdown() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let shutdown = CancellationToken::new();
    let term = run_one_term(&worker, &shutdown, async |leader: Leadership| {
        leader.token().cancelled().await;
        tokio::time::sleep(secs(4)).await;
        "finished"
    });
    until(|| leading(&worker)).await;
    shutdown.cancel();
    let term = bounded(term).await.unwrap().expect("no error").expect("a term");
    assert_eq!((term.output, term.reason), (Some("finished"), EndReason::Shutdown));
}

#[tokio::test(start_paused = true)]
async fn has_no_output_when_the_task_is_aborted() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let shutdown = CancellationToken::new();
    let term = run_one_term(&worker, &shutdown, async |_| std::future::pending::<()>().await);
    until(|| leading(&worker)).await;
    let begun = bench.now();
    shutdown.cancel();
    let term = bounded(term).await.unwrap().expect("no error").expect("a term");
    assert_eq!((term.output, term.reason), (None, EndReason::Shutdown));
    assert_about(bench.now() - begun, secs(10), TICK);
}

#[tokio::test(start_paused = true)]
async fn ends_with_its_first_term_when_the_lease_is_lost() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.next(Operation::Renew, Fault::Lost(Loss::Broken));
    let term = run_one_term(&worker, &CancellationToken::new(), async |_| std::future::pending::<()>().await);
    let term = bounded(term).await.unwrap().expect("a loss is no error").expect("a term");
    assert_eq!((term.output, term.reason), (None, EndReason::LeaseLost));
    assert_eq!(worker.log.elections(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_an_error_and_releases() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let term: OneTerm<()> = run_one_term(&worker, &CancellationToken::new(), async |_| panic!("out of cheese"));
    let error = bounded(term).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TaskPanicked);
    assert!(error.to_string().contains("out of cheese"), "{error}");
    assert!(!bench.store().observe().await.unwrap().is_held());
    assert_eq!(worker.log.elections(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_before_there_is_a_future_is_an_error_and_releases() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let no_future = |_| -> std::future::Ready<()> { panic!("no future today") };
    let term = run_one_term(&worker, &CancellationToken::new(), no_future);
    let error = bounded(term).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TaskPanicked);
    assert!(!bench.store().observe().await.unwrap().is_held());
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_it_drains_is_an_error_too() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let shutdown = CancellationToken::new();
    let term: OneTerm<()> = run_one_term(&worker, &shutdown, async |leader: Leadership| {
        leader.token().cancelled().await;
        panic!("out of cheese");
    });
    until(|| leading(&worker)).await;
    shutdown.cancel();
    let outcome = bounded(term).await.unwrap();
    assert!(
        outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::TaskPanicked),
        "a panic is always an error, but this is {outcome:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_cannot_be_used_is_no_term() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let shutdown = CancellationToken::new();
    worker.store.next(Operation::Acquire, Fault::Slow(secs(2)));
    let term = run_one_term(&worker, &shutdown, async |_| ());
    tokio::time::sleep(secs(1)).await;
    shutdown.cancel();
    assert_eq!(bounded(term).await.unwrap().unwrap(), None);
    assert_eq!(worker.log.count(|event| matches!(event, LeaderEvent::GrantedTooLate { .. })), 1);
    assert!(!bench.store().observe().await.unwrap().is_held());
}
