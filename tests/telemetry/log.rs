//! Events and spans, and their fields.

use azure_leader_election::{Error, ErrorKind, Fenced, FencingToken, Grant, Loss, Operation};
use tracing::Level;

use crate::capture::{Capture, Line};
use crate::host_support::Fault;
use crate::host_support::clock::{Stepped, with};
use crate::host_support::plays::{for_ever, until_cancelled};
use crate::host_support::{Bench, millis, secs};

/// The fields that it has in addition to those that all have.
#[track_caller]
fn fields(line: &Line) -> Vec<(&'static str, &str)> {
    assert_eq!((line.fields["election"].as_str(), line.fields["holder"].as_str()), ("scripted", "a"), "{line:?}");
    let common = ["event", "election", "holder", "message"];
    line.fields.iter().filter(|(name, _)| !common.contains(name)).map(|(name, value)| (*name, value.as_str())).collect()
}

#[tokio::test(start_paused = true)]
async fn each_transition_of_a_term_is_an_event_with_token_and_reason() {
    let (log, _guard) = Capture::begin();
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(until_cancelled);
    let token = worker.leads().await.fencing_token().to_string();
    worker.store.next(Operation::Renew, Fault::Lost(Loss::Broken));
    worker.gone(1).await;
    run.stop().await.0.unwrap();

    let elected = log.event("elected");
    assert_eq!((elected.level, fields(&elected)), (Level::INFO, vec![("fencing_token", token.as_str())]));
    let stopping = log.event("stopping");
    let expected = vec![("fencing_token", token.as_str()), ("reason", "lease_lost")];
    assert_eq!((stopping.level, fields(&stopping)), (Level::INFO, expected));
    let ended = log.event("ended");
    assert_eq!(ended.level, Level::WARN);
    let detail = "somebody broke the lease: an operator, or another tool with write access to the record";
    let expected =
        vec![("detail", detail), ("fencing_token", token.as_str()), ("outcome", "ok"), ("reason", "lease_lost")];
    assert_eq!(fields(&ended), expected);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_was_wished_for_is_no_warning() {
    let (log, _guard) = Capture::begin();
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(until_cancelled);
    worker.leads().await;
    run.stop().await.0.unwrap();
    assert_eq!(
        fields(&log.event("ended"))[1..],
        [("outcome", "ok"), ("reason", "shutdown")],
        "and nothing that is empty"
    );
    assert!(log.all().iter().all(|line| line.level >= Level::INFO), "{:?}", log.all());
}

/// Else workers could hand a broken task round for ever, and nobody would be told.
#[tokio::test(start_paused = true)]
async fn a_term_whose_task_failed_is_a_warning_that_says_so() {
    for (outcome, detail) in [("failed", "the disk is full"), ("panicked", "out of paper")] {
        let (log, _guard) = Capture::begin();
        let bench = Bench::new();
        let worker = bench.worker("a");
        let run = worker.run(move |_| async move {
            if outcome == "panicked" {
                panic!("{detail}");
            }
            Err(detail.into())
        });
        worker.gone(1).await;
        run.stop().await.0.unwrap();
        let ended = log.event("ended");
        assert_eq!(ended.level, Level::WARN);
        assert_eq!((ended.fields["reason"].as_str(), ended.fields["outcome"].as_str()), ("task_ended", outcome));
        assert!(ended.fields["detail"].contains(detail), "{ended:?}");
    }
}

/// Such as that of `ensure`.
#[tokio::test(start_paused = true)]
async fn an_error_of_a_task_that_was_told_to_end_is_no_warning() {
    let (log, _guard) = Capture::begin();
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(|leader| async move {
        leader.token().cancelled().await;
        Err("interrupted".into())
    });
    worker.leads().await;
    run.stop().await.0.unwrap();
    let ended = log.event("ended");
    assert_eq!((ended.level, ended.fields["outcome"].as_str()), (Level::INFO, "failed"));
}

#[tokio::test(start_paused = true)]
async fn a_lost_race_and_a_standby_are_no_warning_and_the_leader_is_named_once() {
    crate::meter::install();
    let bench = Bench::new();
    let other = bench.worker("other");
    let leading = other.run(until_cancelled);
    let token = other.leads().await.fencing_token().to_string();

    let (log, guard) = Capture::begin();
    let worker = bench.worker("a");
    let waiting = worker.run(until_cancelled);
    tokio::time::sleep(secs(60)).await;
    waiting.stop().await.0.unwrap();
    let standby: Vec<_> =
        log.lines().into_iter().filter(|line| line.is("standby") && line.level == Level::INFO).collect();
    assert_eq!(standby.len(), 1, "{standby:?}");
    assert_eq!(fields(&standby[0]), vec![("leader", "other"), ("leader_token", token.as_str())]);
    assert!(log.all().iter().all(|line| line.level >= Level::INFO), "{:?}", log.all());
    assert!(log.count("request") > 50, "each request is there for those who want to see it");
    drop(guard);
    leading.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_a_warning_at_first_and_then_twice_a_minute() {
    let (log, _guard) = Capture::begin();
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.always(Operation::Acquire, Fault::Fail(ErrorKind::Unavailable));
    let run = worker.run(until_cancelled);
    tokio::time::sleep(secs(59)).await;
    run.shutdown.cancel();
    run.finished().await.unwrap();
    let failed: Vec<_> = log.lines().into_iter().filter(|line| line.is("attempt_failed")).collect();
    assert!(failed.len() > 50, "{}", failed.len());
    assert_eq!(failed.iter().filter(|line| line.level == Level::WARN).count(), 2);
    let expected = [("error", "scripted: acquire fails"), ("kind", "Unavailable"), ("operation", "acquire")];
    assert_eq!(fields(&failed[0]), expected);
}

#[tokio::test(start_paused = true)]
async fn what_the_leaders_task_writes_stands_in_the_span_of_its_term() {
    let (log, _guard) = Capture::begin();
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(|leader| async move {
        tracing::info!(target: "task", "charged");
        until_cancelled(leader).await
    });
    let token = worker.leads().await.fencing_token().to_string();
    run.stop().await.0.unwrap();

    let charged = log.all().into_iter().find(|line| line.target == "task").expect("written");
    let names: Vec<_> = charged.spans.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["leadership"]);
    let span = &charged.spans[0].1;
    assert_eq!((&*span["fencing_token"], &*span["holder"], &*span["election"]), (&*token, "a", "scripted"));
}

#[tokio::test(start_paused = true)]
async fn what_a_store_writes_stands_in_the_span_of_its_request() {
    let (log, _guard) = Capture::begin();
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(until_cancelled);
    worker.leads().await;
    tokio::time::sleep(secs(20)).await;
    run.stop().await.0.unwrap();
    let carried_out: Vec<_> = log.all().into_iter().filter(|line| line.target == "scripted_store").collect();
    assert!(carried_out.len() > 3, "{carried_out:?}");
    for line in carried_out {
        let (name, span) = line.spans.last().expect("a span");
        assert_eq!((*name, &span["operation"]), ("request", &line.fields["operation"]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_does_not_end_in_its_time_and_a_jump_of_the_clock_are_warnings() {
    let (log, _guard) = Capture::begin();
    let bench = Bench::new();
    let clock = Stepped::new();
    let worker = bench.worker_with("a", with(&clock));
    let run = worker.run(for_ever);
    let token = worker.leads().await.fencing_token().to_string();
    clock.step(60_000);
    worker.gone(1).await;
    run.stop().await.0.unwrap();
    let (jumped, aborted) = (log.event("clock_jumped"), log.event("task_aborted"));
    assert_eq!((jumped.level, aborted.level), (Level::WARN, Level::WARN));
    assert_eq!(fields(&aborted), [("fencing_token", token.as_str())]);
    assert!(jumped.fields["seconds"].parse::<f64>().unwrap() >= 59.0, "{jumped:?}");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_does_not_rise_is_an_error() {
    let (log, _guard) = Capture::begin();
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(until_cancelled);
    let leader = worker.leads().await;
    let stale = Grant { fencing_token: leader.fencing_token(), lease: secs(15) };
    worker.store.next(Operation::Acquire, Fault::Grant(stale));
    leader.step_down();
    worker.leads_for_the(2).await;
    run.stop().await.0.unwrap();
    let token = leader.fencing_token().to_string();
    let line = log.event("token_not_rising");
    assert_eq!((line.level, fields(&line)), (Level::ERROR, vec![("granted", &*token), ("highest", &*token)]));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_a_fence_refused_is_a_warning_with_both_tokens() {
    let (log, _guard) = Capture::begin();
    let charges = Fenced::new(0_u8);
    let [older, newer] = [41, 42].map(|token| FencingToken::new(token).unwrap());
    charges.admit(newer).await.unwrap();
    let refusal: Error = charges.admit(older).await.map(drop).unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::Fenced);
    let line = log.event("write_fenced");
    assert_eq!(line.level, Level::WARN);
    assert_eq!((&*line.fields["fencing_token"], &*line.fields["fenced_by"]), ("41", "42"));
    tokio::time::sleep(millis(1)).await;
}

/// Two that alternate are two, and no more.
#[tokio::test(start_paused = true)]
async fn failures_that_alternate_are_a_warning_each_and_then_twice_a_minute() {
    let (log, _guard) = Capture::begin();
    let bench = Bench::new();
    let worker = bench.worker("a");
    for _ in 0..20 {
        worker.store.next(Operation::Acquire, Fault::Fail(ErrorKind::Unavailable));
        worker.store.next(Operation::Acquire, Fault::Fail(ErrorKind::Unreachable));
    }
    let run = worker.run(until_cancelled);
    tokio::time::sleep(secs(25)).await;
    let warnings =
        log.lines().into_iter().filter(|line| line.is("attempt_failed") && line.level == Level::WARN).count();
    assert_eq!(warnings, 2);
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_rest_is_told_with_its_length_and_a_subtask_writes_in_the_span_of_its_term() {
    let (log, _guard) = Capture::begin();
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(|leader| {
        let subtask = leader.spawn(async { tracing::info!(target: "task", "a part") });
        async move {
            subtask.await?;
            Ok(())
        }
    });
    worker.gone(1).await;
    tokio::time::sleep(millis(100)).await;
    let rest = log.event("resting");
    assert_eq!((rest.level, fields(&rest)), (Level::INFO, vec![("seconds", "2.0")]));
    assert!(rest.spans.is_empty(), "election and holder stand in the event, and once is enough");
    let part = log.all().into_iter().find(|line| line.target == "task").expect("written");
    assert_eq!(part.spans.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["leadership"]);
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn refusals_that_name_no_leader_are_one_warning() {
    let (log, _guard) = Capture::begin();
    let bench = Bench::new();
    let worker = bench.worker("a");
    worker.store.always(Operation::Acquire, Fault::Held(Box::default()));
    let run = worker.run(until_cancelled);
    tokio::time::sleep(secs(20)).await;
    let told: Vec<_> = log.lines().into_iter().filter(|line| line.is("refused_without_leader")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].level, fields(&told[0])), (Level::WARN, vec![]));
    run.stop().await.0.unwrap();
}

/// Or a program that keeps a clone, as a status page does, would never export it.
#[tokio::test(start_paused = true)]
async fn the_span_of_a_term_ends_with_the_term_although_a_clone_of_its_leadership_is_kept() {
    let (log, _guard) = Capture::begin();
    let bench = Bench::new();
    let worker = bench.worker("a");
    let run = worker.run(until_cancelled);
    let kept = worker.leads().await;
    let closed = |log: &Capture| {
        log.lines().iter().filter(|line| line.is("span closed") && line.fields["span"] == "leadership").count()
    };
    assert_eq!(closed(&log), 0);
    run.stop().await.0.unwrap();
    assert_eq!(closed(&log), 1);
    drop(kept);
}
