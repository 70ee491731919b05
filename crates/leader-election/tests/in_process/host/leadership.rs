//! What a leader's task sees: `ensure`, `valid_for`, `end_reason`, its token, and its wishes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use leader_election::{CancellationToken, EndReason, FencingToken, HolderId, Leadership, Operation, TaskError};

use crate::host_support::Fault;
use crate::host_support::plays::{draining, for_ever, lasting, until_cancelled};
use crate::host_support::{Bench, TICK, assert_about, holder, millis, secs, until};

/// What `ensure` says, or why it does not.
fn ensured(leader: &Leadership) -> Result<(), Option<EndReason>> {
    leader.ensure().map_err(|error| {
        assert_eq!(error.fencing_token, leader.fencing_token());
        error.reason
    })
}

#[tokio::test(start_paused = true)]
async fn a_leader_is_valid_and_knows_who_it_is() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(until_cancelled);
    let leader = worker.leads().await;
    assert_eq!(leader.holder(), &holder("a"));
    assert_eq!(leader.fencing_token(), FencingToken::new(1).unwrap());
    assert!(!leader.token().is_cancelled());
    for _ in 0..300 {
        assert_eq!(ensured(&leader), Ok(()));
        assert_eq!(leader.end_reason(), None);
        let valid_for = leader.valid_for();
        assert!(valid_for > secs(9) - TICK && valid_for <= secs(14), "renewed every 5 s: {valid_for:?}");
        tokio::time::sleep(millis(100)).await;
    }
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn after_its_task_has_ended_a_leadership_is_over() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.always(Operation::Release, Fault::Slow(secs(2)));
    let run = worker.run(lasting(secs(1), Ok(())));
    let leader = worker.leads().await;
    worker.gone(1).await;
    assert_eq!(ensured(&leader), Err(Some(EndReason::TaskEnded)), "the lease is still held, but nobody may use it");
    assert_eq!(leader.valid_for(), Duration::ZERO);
    assert_eq!(leader.end_reason(), Some(EndReason::TaskEnded));
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn after_a_shutdown_it_is_valid_while_it_drains_and_not_after_its_abortion() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(for_ever);
    let leader = worker.leads().await;
    run.shutdown.cancel();
    for _ in 0..99 {
        tokio::time::sleep(millis(100)).await;
        assert_eq!(ensured(&leader), Ok(()));
        assert_eq!(leader.end_reason(), Some(EndReason::Shutdown));
    }
    tokio::time::sleep(millis(150)).await;
    assert_eq!(ensured(&leader), Err(Some(EndReason::Shutdown)));
    run.stop().await.0.unwrap();
}

/// A task that asks why it was cancelled must not be told that it was not.
#[tokio::test(start_paused = true)]
async fn whoever_sees_the_token_cancelled_sees_the_reason_too() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(until_cancelled);
    let leader = worker.leads().await;
    tokio::time::sleep(secs(1)).await;
    run.shutdown.cancel();
    // No await in between: driven by the renewal thread, a task may be as quick as this.
    assert!(leader.token().is_cancelled());
    let at_once = leader.end_reason();
    run.stop().await.0.unwrap();
    assert_eq!(worker.gone(1).await.cancelled.unwrap().reason, Some(EndReason::Shutdown));
    assert_eq!(at_once, Some(EndReason::Shutdown), "the token was cancelled already");
}

#[tokio::test(start_paused = true)]
async fn after_a_step_down_it_is_valid_while_it_drains() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(draining(secs(6)));
    let leader = worker.leads().await;
    leader.step_down();
    until(|| leader.token().is_cancelled()).await;
    assert_about(bench.now(), Duration::ZERO, TICK);
    assert_eq!(leader.end_reason(), Some(EndReason::SteppedDown));
    tokio::time::sleep(secs(5)).await;
    assert_eq!(ensured(&leader), Ok(()));
    worker.gone(1).await;
    assert_eq!(ensured(&leader), Err(Some(EndReason::SteppedDown)));
    assert_eq!(worker.log.end(1).reason, EndReason::SteppedDown);
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_step_down_that_is_not_heeded_ends_at_the_drain_limit() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(for_ever);
    let leader = worker.leads().await;
    tokio::time::sleep(secs(1)).await;
    leader.step_down();
    assert_about(worker.gone(1).await.gone.unwrap(), secs(11), TICK);
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_that_steps_down_rests_and_another_takes_over_within_a_poll() {
    let bench = Bench::new();
    let (first, second) = (bench.worker("a"), bench.worker("b"));
    let leading = first.run(until_cancelled);
    let leader = first.leads().await;
    let waiting = second.run(until_cancelled);
    tokio::time::sleep(millis(12_345)).await;
    let stepped_down = bench.now();
    leader.step_down();
    let successor = second.leads().await;
    assert!(bench.now() - stepped_down <= secs(1) + secs(1), "{:?}", bench.now() - stepped_down);
    assert!(successor.fencing_token() > leader.fencing_token());
    assert_eq!(ensured(&leader), Err(Some(EndReason::SteppedDown)));
    let next = |call: &crate::host_support::stage::Call| {
        call.holder == *first.host.holder() && call.operation == Operation::Acquire && call.sent > stepped_down
    };
    until(|| bench.stage.calls().iter().any(next)).await;
    assert_about(bench.now() - stepped_down, secs(2), TICK);
    leading.stop().await.0.unwrap();
    waiting.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_handle_of_an_earlier_term_has_no_say_in_a_later_one() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", |options| options.heartbeat_limit = Some(secs(10)));
    let run = worker.run(until_cancelled);
    let earlier = worker.leads().await;
    earlier.step_down();
    earlier.step_down();
    let later = worker.leads_for_the(2).await;
    let since = bench.now();
    for _ in 0..9 {
        earlier.step_down();
        earlier.heartbeat();
        tokio::time::sleep(secs(1)).await;
        assert_eq!(ensured(&later), Ok(()));
    }
    assert_eq!(ensured(&earlier), Err(Some(EndReason::SteppedDown)));
    // Nor does its heartbeat count for the later one.
    assert_about(worker.gone(2).await.gone.unwrap() - since, secs(10), TICK);
    assert_eq!(worker.log.end(2).reason, EndReason::Stalled);
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn invariant_11_a_leader_without_heartbeat_is_cancelled_at_the_limit() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", |options| options.heartbeat_limit = Some(secs(20)));
    let run = worker.run(|leader: Leadership| async move {
        for _ in 0..10 {
            tokio::time::sleep(secs(7)).await;
            leader.heartbeat();
        }
        for_ever(leader).await
    });
    let leader = worker.leads().await;
    tokio::time::sleep(secs(89)).await;
    assert!(!leader.token().is_cancelled(), "the last heartbeat was at 70 s");
    let term = worker.gone(1).await;
    assert_about(term.cancelled.unwrap().at, secs(90), TICK);
    assert_about(term.gone.unwrap(), secs(93), TICK);
    assert_eq!(worker.log.end(1).reason, EndReason::Stalled);
    assert_eq!(leader.end_reason(), Some(EndReason::Stalled));
    let release = bench.stage.calls().into_iter().find(|call| call.operation == Operation::Release).unwrap();
    assert_eq!(release.sent, term.gone.unwrap());
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn invariant_11_a_leader_that_never_gives_a_heartbeat_is_cancelled_at_the_limit() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", |options| options.heartbeat_limit = Some(secs(20)));
    let run = worker.run(until_cancelled);
    worker.leads().await;
    assert_about(worker.gone(1).await.gone.unwrap(), secs(20), TICK);
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_a_heartbeat_limit_none_is_asked_for() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(until_cancelled);
    let leader = worker.leads().await;
    leader.heartbeat();
    tokio::time::sleep(secs(2 * 3600)).await;
    assert_eq!(ensured(&leader), Ok(()));
    run.stop().await.0.unwrap();
}

/// Its work is stuck, and may go on at any time: it must not find itself valid then.
#[tokio::test(start_paused = true)]
async fn invariant_11_a_stalled_leader_is_not_valid_from_its_cancellation_on() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", |options| options.heartbeat_limit = Some(millis(7_500)));
    let run = worker.run(for_ever);
    let leader = worker.leads().await;
    let term = worker.gone(1).await;
    let cancelled = term.cancelled.unwrap();
    assert_about(cancelled.at, millis(7_500), TICK);
    assert_eq!(ensured(&leader), Err(Some(EndReason::Stalled)));
    assert!(!cancelled.valid, "ensure() still said Ok when the token was cancelled");
    run.stop().await.0.unwrap();
}

/// An abortion shows at the task's next await: until then `ensure` is what keeps it from writing.
#[tokio::test(start_paused = true)]
async fn an_aborted_leader_is_not_valid_at_the_instant_of_its_abortion() {
    /// Sees what a task sees that is about to write when it is dropped.
    struct LastLook(Leadership, Arc<Mutex<Option<bool>>>);
    impl Drop for LastLook {
        fn drop(&mut self) {
            *self.1.lock().unwrap() = Some(self.0.ensure().is_ok());
        }
    }
    let bench = Bench::new();
    let worker = bench.worker("a");
    let seen: Arc<Mutex<Option<bool>>> = Arc::default();
    let look = Arc::clone(&seen);
    let run = worker.run(move |leader: Leadership| {
        let last_look = LastLook(leader.clone(), Arc::clone(&look));
        async move {
            let _last_look = last_look;
            for_ever(leader).await
        }
    });
    worker.leads().await;
    run.stop().await.0.unwrap();
    assert_eq!(*seen.lock().unwrap(), Some(false), "the task was aborted at its drain limit while ensure() said Ok");
}

#[tokio::test(start_paused = true)]
async fn what_the_task_started_under_its_token_ends_with_it() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let children: Arc<Mutex<Vec<CancellationToken>>> = Arc::default();
    let born = Arc::clone(&children);
    for ending in [Ok(()), Err("no")] {
        let born = Arc::clone(&born);
        let run = worker.run(move |leader: Leadership| {
            let born = Arc::clone(&born);
            async move {
                let child = leader.token().child_token();
                born.lock().unwrap().push(child.clone());
                let until_cancelled = async move { child.cancelled_owned().await };
                tokio::spawn(until_cancelled);
                tokio::time::sleep(secs(1)).await;
                ending.map_err(TaskError::from)
            }
        });
        let before = children.lock().unwrap().len();
        until(|| children.lock().unwrap().len() > before).await;
        let child = children.lock().unwrap()[before].clone();
        assert!(!child.is_cancelled());
        tokio::time::sleep(secs(1) + millis(10)).await;
        assert!(child.is_cancelled());
        assert!(!run.shutdown.is_cancelled(), "the host's own token is not the task's to cancel");
        run.stop().await.0.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_leadership_that_is_over_says_why_for_people() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(until_cancelled);
    let leader = worker.leads().await;
    run.stop().await.0.unwrap();
    let error = TaskError::from(leader.ensure().unwrap_err());
    assert_eq!(error.to_string(), "not the leader any more (fencing token 1): shutdown");
    assert!(format!("{leader:?}").contains(HolderId::new("a").unwrap().as_str()));
}
