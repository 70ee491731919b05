//! What a host tells about itself.

use leader_election::{EndReason, ErrorKind, LeaderEvent, Loss, Operation, Status};

use crate::host_support::Fault;
use crate::host_support::plays::{draining, until_cancelled};
use crate::host_support::{Bench, TICK, assert_about, bounded, holder, millis, secs, until};

#[tokio::test(start_paused = true)]
async fn invariant_16_elected_and_ended_alternate_with_token_and_reason_in_each_way_out() {
    let bench = Bench::new();
    let worker = bench.worker_with("a", |options| options.heartbeat_limit = Some(secs(60)));
    let mut term = 0;
    let run = worker.run(move |leader| {
        term += 1;
        async move {
            match term {
                1 => return Ok(()),
                2 => return Err("no".into()),
                3 => panic!("no"),
                4 => leader.step_down(),
                _ => {}
            }
            until_cancelled(leader).await
        }
    });
    worker.leads_for_the(5).await;
    worker.store.next(Operation::Renew, Fault::Lost(Loss::Broken));
    worker.leads_for_the(6).await;
    worker.store.always(Operation::Renew, Fault::Hang);
    worker.gone(6).await;
    worker.store.heal();
    // The seventh term ends for want of a heartbeat.
    worker.leads_for_the(8).await;
    run.stop().await.0.unwrap();
    tokio::time::sleep(millis(1)).await;

    use EndReason::{LeaseLost, RenewalTimedOut, Shutdown, Stalled, SteppedDown, TaskEnded};
    let reasons: Vec<_> = worker.log.ends().iter().map(|end| end.reason).collect();
    let expected = [TaskEnded, TaskEnded, TaskEnded, SteppedDown, LeaseLost, RenewalTimedOut, Stalled, Shutdown];
    assert_eq!(reasons, expected);
    // That they alternate, each pair with its own token, is what the log sees to.
    let ended: Vec<_> = worker.log.ends().iter().map(|end| end.fencing_token).collect();
    let led: Vec<_> = worker.terms().iter().map(|term| term.leader.fencing_token()).collect();
    assert_eq!(ended, led);
    for (term, end) in worker.terms().iter().zip(worker.log.ends()) {
        assert_eq!(term.leader.end_reason(), Some(end.reason), "the task and the events are told the same");
        assert_about(end.at, term.gone.unwrap(), TICK);
    }
    let stopping = worker.log.count(|event| matches!(event, LeaderEvent::Stopping { .. }));
    assert_eq!(stopping, 5, "all but the three whose task ended by itself");
}

#[tokio::test(start_paused = true)]
async fn what_failed_before_and_was_overcome_has_no_part_in_how_a_term_ends() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.next(Operation::Renew, Fault::Hang);
    let run = worker.run(until_cancelled);
    worker.leads().await;
    tokio::time::sleep(secs(60)).await;
    run.stop().await.0.unwrap();
    assert_eq!(worker.log.end(1).detail, None);
}

#[tokio::test(start_paused = true)]
async fn status_of_a_standby_names_who_leads() {
    let bench = Bench::new();
    let (first, second) = (bench.worker("a"), bench.worker("b"));
    assert_eq!(second.status(), Status::Stopped);
    let leading = first.run(until_cancelled);
    let leader = first.leads().await;
    let waiting = second.run(until_cancelled);
    let named = |status: &Status, name: &str| matches!(status, Status::Standby { leader: Some(leader), .. } if *leader.holder.as_str() == *name);
    until(|| named(&second.status(), "a")).await;
    assert!(bench.now() <= secs(1) + TICK);
    match second.status() {
        Status::Standby { leader: Some(seen), .. } => assert_eq!(seen.fencing_token, leader.fencing_token()),
        other => panic!("{other:?}"),
    }

    leader.step_down();
    second.leads().await;
    assert!(matches!(second.status(), Status::Leading { .. }));
    until(|| named(&first.status(), "b")).await;
    leading.stop().await.0.unwrap();
    waiting.stop().await.0.unwrap();
    assert_eq!(first.status(), Status::Stopped);
    assert_eq!(second.status(), Status::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_standby_whose_view_does_not_change_wakes_nobody() {
    let bench = Bench::new();
    let (first, second) = (bench.worker("a"), bench.worker("b"));
    let leading = first.run(until_cancelled);
    first.leads().await;
    let waiting = second.run(until_cancelled);
    tokio::time::sleep(secs(3)).await;
    let before = second.log.statuses().len();
    tokio::time::sleep(secs(300)).await;
    assert_eq!(second.log.statuses().len(), before);
    leading.stop().await.0.unwrap();
    waiting.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn status_goes_from_leading_over_stopping_to_standby_when_it_goes_on() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(draining(secs(2)));
    let leader = worker.leads().await;
    tokio::time::sleep(secs(1)).await;
    assert!(
        matches!(worker.status(), Status::Leading { fencing_token, .. } if fencing_token == leader.fencing_token())
    );
    leader.step_down();
    tokio::time::sleep(secs(1)).await;
    let expected = Status::Stopping { fencing_token: leader.fencing_token(), reason: EndReason::SteppedDown };
    assert_eq!(worker.status(), expected);
    tokio::time::sleep(secs(2)).await;
    assert!(matches!(worker.status(), Status::Standby { leader: None, .. }), "{:?}", worker.status());
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_run_too_ends_with_the_status_stopped() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(until_cancelled);
    worker.leads().await;
    run.abandon().await;
    tokio::time::sleep(millis(10)).await;
    assert_eq!(worker.status(), Status::Stopped);
    assert_eq!(worker.log.end(1).reason, EndReason::Shutdown);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_lease_longer_than_ones_own_is_reported_once() {
    let bench = Bench::new();
    let long = bench.worker_with("a", |options| {
        options.timing = leader_election::Timing::for_lease(secs(60)).unwrap();
    });
    let short = bench.worker("b");
    let leading = long.run(until_cancelled);
    long.leads().await;
    let waiting = short.run(until_cancelled);
    tokio::time::sleep(secs(120)).await;
    let reported = |event: &LeaderEvent| matches!(event, LeaderEvent::ForeignLease { lease } if *lease == secs(60));
    assert_eq!(short.log.count(reported), 1);
    assert_eq!(long.log.count(|event| matches!(event, LeaderEvent::ForeignLease { .. })), 0);
    let Status::Standby { leader: Some(leader), .. } = short.status() else { panic!("{:?}", short.status()) };
    assert_eq!((leader.holder, leader.lease), (holder("a"), Some(secs(60))));
    leading.stop().await.0.unwrap();
    waiting.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn observe_names_the_leader_and_then_the_last_one_without_contending() {
    let bench = Bench::new();
    let (leader, bystander) = (bench.worker("a"), bench.worker("b"));
    assert_eq!(bystander.host.observe().await.unwrap().latest, None);
    let run = leader.run(until_cancelled);
    leader.leads().await;
    let seen = bystander.host.observe().await.unwrap();
    assert_eq!(seen.leader().expect("somebody leads").holder, holder("a"));
    run.stop().await.0.unwrap();
    let seen = bystander.host.observe().await.unwrap();
    assert!(seen.leader().is_none());
    assert_eq!(seen.latest.expect("somebody led").holder, holder("a"));
    assert!(bench.stage.calls().iter().all(|call| call.holder == holder("a")));
}

#[tokio::test(start_paused = true)]
async fn an_observation_without_an_answer_is_given_up_after_the_attempt_timeout() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.hang_observations();
    let error = bounded(worker.host.observe()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_about(bench.now(), secs(3), TICK);
}

#[tokio::test(start_paused = true)]
async fn an_acquire_without_an_answer_is_told_with_the_time_that_it_was_waited_for() {
    let bench = Bench::new();
    let (leader, standby) = (bench.worker("a"), bench.worker("b"));
    let leading = leader.run(until_cancelled);
    leader.leads().await;
    let waiting = standby.run(until_cancelled);
    tokio::time::sleep(secs(10)).await;
    standby.store.always(Operation::Acquire, Fault::Hang);
    tokio::time::sleep(secs(8)).await;
    let told: Vec<_> = standby
        .log
        .events()
        .into_iter()
        .filter_map(|(_, event)| match event {
            LeaderEvent::AttemptFailed { operation: Operation::Acquire, error } => Some(error.to_string()),
            _ => None,
        })
        .collect();
    let expected = ["1s", "1.5s", "3s"].map(|limit| format!("no answer to acquire within {limit}"));
    assert_eq!(told, expected);
    waiting.stop().await.0.unwrap();
    leading.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_falls_behind_is_told_how_many_events_it_missed_and_goes_on() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let mut slow = worker.host.events();
    worker.store.always(Operation::Acquire, Fault::Fail(ErrorKind::Unavailable));
    let run = worker.run(until_cancelled);
    until(|| worker.log.events().len() > 300).await;
    let all = worker.log.events().len() as u64;
    let Some(LeaderEvent::Missed { count }) = slow.try_recv() else { panic!("{all} events, and none was missed") };
    assert_eq!(count, all - 256);
    for _ in 0..256 {
        assert!(matches!(slow.try_recv(), Some(LeaderEvent::AttemptFailed { .. })));
    }
    assert!(slow.try_recv().is_none());
    worker.store.heal();
    let next = bounded(slow.recv()).await;
    assert!(matches!(next, Some(LeaderEvent::AttemptFailed { .. } | LeaderEvent::Elected { .. })), "{next:?}");
    run.stop().await.0.unwrap();
    assert_eq!(worker.log.count(|event| matches!(event, LeaderEvent::Missed { .. })), 0, "it is for that reader alone");
}

#[tokio::test(start_paused = true)]
async fn a_call_of_recv_may_be_dropped_and_the_next_misses_nothing() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let mut events = worker.host.events();
    assert!(events.try_recv().is_none());
    for _ in 0..3 {
        assert!(tokio::time::timeout(millis(1), events.recv()).await.is_err());
    }
    let run = worker.run(until_cancelled);
    worker.leads().await;
    let first = bounded(events.recv()).await;
    assert!(matches!(first, Some(LeaderEvent::Elected { .. })), "{first:?}");
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_events_end_when_the_host_is_gone_and_all_of_them_were_read() {
    let bench = Bench::new();
    let worker = bench.worker("a");
    let mut events = worker.host.events();
    let run = worker.run(until_cancelled);
    worker.leads().await;
    run.stop().await.0.unwrap();
    drop(worker);
    let mut told = Vec::new();
    while let Some(event) = bounded(events.recv()).await {
        told.push(event);
    }
    let last = told.last();
    assert!(matches!(last, Some(LeaderEvent::Ended { reason: EndReason::Shutdown, .. })), "{last:?}");
    assert!(events.try_recv().is_none());
}
