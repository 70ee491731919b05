//! The leader's task ends by itself: well, badly, or with a panic.

use leader_election::{
    AfterTask, DistributedMutex, EndReason, ErrorKind, LeaderEvent, Leadership, Operation, Status, TaskError,
};

use crate::host_support::Fault;
use crate::host_support::plays::{Act, lasting, until_cancelled};
use crate::host_support::stage::Call;
use crate::host_support::{Bench, TICK, assert_about, millis, secs};

fn releases(bench: &Bench) -> Vec<Call> {
    bench.stage.calls().into_iter().filter(|call| call.operation == Operation::Release).collect()
}

/// A task that runs for a second and then ends in this way, in its first term; later ones last.
fn once(
    ending: impl FnMut() -> Result<(), TaskError> + Send + Clone + 'static,
) -> impl FnMut(Leadership) -> Act + Send {
    let mut first = true;
    move |leader| {
        let (ends, mut ending) = (std::mem::take(&mut first), ending.clone());
        Box::pin(async move {
            if !ends {
                return until_cancelled(leader).await;
            }
            tokio::time::sleep(secs(1)).await;
            ending()
        })
    }
}

/// Whatever became of the task, the lease is released, and this host leads again after its pause.
async fn ends_and_contends_again(play: impl FnMut(Leadership) -> Act + Send + 'static) -> Option<String> {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(play);
    worker.leads_for_the(2).await;

    let terms = worker.terms();
    let gone = terms[0].gone.expect("the first task is gone");
    let end = worker.log.end(1);
    assert_eq!(end.reason, EndReason::TaskEnded);
    assert_eq!(end.fencing_token, terms[0].leader.fencing_token());
    assert_eq!(end.at, gone);
    assert_eq!(terms[0].leader.end_reason(), Some(EndReason::TaskEnded));
    assert_eq!(releases(&bench).len(), 1);
    assert_eq!(releases(&bench)[0].sent, gone);
    assert_about(terms[1].started - gone, secs(2), TICK);
    assert!(terms[1].leader.fencing_token() > terms[0].leader.fencing_token());
    assert_ne!(terms[1].claim, terms[0].claim);

    run.stop().await.0.expect("it goes on until it is shut down");
    end.detail
}

#[tokio::test(start_paused = true)]
async fn a_task_that_returns_ends_its_term_and_the_host_contends_again() {
    assert_eq!(ends_and_contends_again(once(|| Ok(()))).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fails_ends_its_term_and_the_host_contends_again() {
    let detail = ends_and_contends_again(once(|| Err("the disk is full".into()))).await.expect("a detail");
    assert!(detail.contains("the disk is full"), "{detail}");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_ends_its_term_and_the_host_contends_again() {
    let detail = ends_and_contends_again(once(|| panic!("index {} out of bounds", 7))).await.expect("a detail");
    assert!(detail.contains("panicked") && detail.contains("index 7 out of bounds"), "{detail}");
}

#[tokio::test(start_paused = true)]
async fn a_delegate_that_panics_before_it_makes_a_future_ends_its_term_only() {
    let mut first = true;
    let play = move |leader| -> Act {
        assert!(!std::mem::take(&mut first), "no future today");
        Box::pin(until_cancelled(leader))
    };
    let detail = ends_and_contends_again(play).await.expect("a detail");
    assert!(detail.contains("panicked") && detail.contains("no future today"), "{detail}");
}

#[tokio::test(start_paused = true)]
async fn a_failed_release_after_the_task_is_tried_again_and_then_the_lease_runs_out() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.always(Operation::Release, Fault::Fail(ErrorKind::Unavailable));
    let run = worker.run(once(|| Ok(())));
    worker.leads_for_the(2).await;

    let terms = worker.terms();
    assert!(releases(&bench).len() >= 3, "{:?}", releases(&bench));
    assert_eq!(worker.log.count(|event| matches!(event, LeaderEvent::ReleaseFailed)), 1);
    // Its own lease keeps it out like anybody else's.
    assert_about(terms[1].started - terms[0].started, secs(15), secs(1) + TICK);
    worker.store.heal();
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn pauses_between_short_terms_double_up_to_four_leases() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(lasting(secs(1), Ok(())));
    worker.leads_for_the(9).await;
    let pauses: Vec<_> = worker.terms().windows(2).map(|pair| pair[1].started - pair[0].gone.unwrap()).collect();
    for (pause, expected) in pauses.iter().zip([2, 4, 8, 16, 32, 60, 60, 60]) {
        assert_about(*pause, secs(expected), TICK);
    }
    run.stop().await.0.unwrap();
}

/// They begin with two polls, so that the others hear of the end of the term before.
#[tokio::test(start_paused = true)]
async fn short_pauses_too_double_up_to_four_leases() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", |options| options.pause = millis(100));
    let run = worker.run(lasting(secs(1), Ok(())));
    worker.leads_for_the(8).await;
    let terms = worker.terms();
    let pauses: Vec<_> = terms.windows(2).map(|pair| pair[1].started - pair[0].gone.unwrap()).collect();
    for (pause, expected) in pauses.iter().zip([2, 4, 8, 16, 32, 60, 60]) {
        assert_about(*pause, secs(expected), TICK);
    }
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_term_of_a_whole_lease_makes_the_pause_short_again() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let mut terms = [1, 1, 1, 16, 1].into_iter();
    let run = worker.run(move |leader| lasting(secs(terms.next().unwrap_or(100)), Ok(()))(leader));
    worker.leads_for_the(5).await;
    let pauses: Vec<_> = worker.terms().windows(2).map(|pair| pair[1].started - pair[0].gone.unwrap()).collect();
    for (pause, expected) in pauses.iter().zip([2, 4, 8, 2]) {
        assert_about(*pause, secs(expected), TICK);
    }
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn end_host_after_success_ends_it_well_and_released() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", |options| options.after_success = AfterTask::EndHost);
    worker.run(lasting(secs(1), Ok(()))).finished().await.expect("a task that ended well is no error");
    assert!(!bench.store().observe().await.unwrap().is_held());
    assert_eq!(worker.log.elections(), 1);
    assert_eq!(worker.status(), Status::Stopped);
}

#[tokio::test(start_paused = true)]
async fn end_host_after_failure_returns_the_tasks_error_and_releases() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", |options| options.after_failure = AfterTask::EndHost);
    let error = worker.run(lasting(secs(1), Err("the disk is full"))).finished().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TaskFailed);
    let cause = std::error::Error::source(&error).expect("the task's own error");
    assert_eq!(cause.to_string(), "the disk is full");
    assert!(!bench.store().observe().await.unwrap().is_held());
}

#[tokio::test(start_paused = true)]
async fn end_host_after_failure_returns_the_tasks_panic_and_releases() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", |options| options.after_failure = AfterTask::EndHost);
    let error = worker.run(once(|| panic!("out of cheese"))).finished().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TaskPanicked);
    assert!(error.to_string().contains("out of cheese"), "{error}");
    assert!(!bench.store().observe().await.unwrap().is_held());
}

#[tokio::test(start_paused = true)]
async fn each_way_to_end_the_host_is_for_its_own_outcome_only() {
    let bench = Bench::new();
    let after_failure = bench.worker_with("a", |options| options.after_failure = AfterTask::EndHost);
    let run = after_failure.run(once(|| Ok(())));
    after_failure.leads_for_the(2).await;
    run.stop().await.0.unwrap();

    let after_success = bench.worker_with("b", |options| options.after_success = AfterTask::EndHost);
    let run = after_success.run(once(|| Err("no".into())));
    after_success.leads_for_the(2).await;
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_does_not_end_a_host_that_ends_with_its_task() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", |options| {
        options.after_success = AfterTask::EndHost;
        options.after_failure = AfterTask::EndHost;
    });
    let run = worker.run(|leader: Leadership| async move {
        leader.token().cancelled().await;
        leader.ensure().map_err(TaskError::from)
    });
    worker.leads().await;
    worker.store.next(Operation::Renew, Fault::Lost(leader_election::Loss::Broken));
    worker.leads_for_the(2).await;
    run.stop().await.0.expect("neither the loss nor what the task returned on it is a failure of the host");
}

#[tokio::test(start_paused = true)]
async fn status_does_not_say_leading_once_the_task_has_ended() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", |options| options.after_success = AfterTask::EndHost);
    worker.store.always(Operation::Release, Fault::Slow(secs(2)));
    let run = worker.run(lasting(secs(1), Ok(())));
    let ended = worker.gone(1).await.gone.unwrap();
    tokio::time::sleep(secs(1)).await;
    assert_about(worker.log.end(1).at, ended, TICK);
    assert!(!matches!(worker.status(), Status::Leading { .. }), "after its Ended event: {:?}", worker.status());
    run.finished().await.unwrap();
}
