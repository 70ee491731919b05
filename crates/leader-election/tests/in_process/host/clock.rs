//! The machine's clock jumps, or the machine was suspended.

use std::sync::Arc;
use std::time::Duration;

use leader_election::{AfterTask, DistributedMutex, EndReason, LeaderEvent, Leadership, Operation, TaskError};
use tokio::sync::Notify;

use crate::host_support::clock::{Stepped, with};
use crate::host_support::plays::{for_ever, until_cancelled};
use crate::host_support::{Bench, Run, TICK, Worker, assert_about, millis, secs, until};

/// A leader, and what it stands on.
struct Led {
    bench: Bench,
    clock: Arc<Stepped>,
    worker: Worker,
    run: Run,
    leader: Leadership,
}

impl Led {
    async fn on_a_clock_that_jumps<F>(task: fn(Leadership) -> F) -> Self
    where
        F: Future<Output = Result<(), TaskError>> + Send + 'static,
    {
        let bench = Bench::new();
        let clock = Stepped::new();
        let worker = bench.worker_with("a", with(&clock));
        let run = worker.run(task);
        let leader = worker.leads().await;
        Self { bench, clock, worker, run, leader }
    }
}

/// The wall clock steps forward under a leader at 7 s of its term; it must know at once, and the host soon.
async fn jump(millis_forward: i64) -> (Bench, Leadership) {
    let Led { bench, clock, worker, run, leader } = Led::on_a_clock_that_jumps(for_ever).await;
    tokio::time::sleep(secs(7)).await;
    let jumped = bench.now();
    clock.step(millis_forward);
    until(|| leader.token().is_cancelled()).await;
    assert!(bench.now() - jumped <= millis(500) + TICK, "it looks at the clock twice a second");
    assert!(leader.ensure().is_err(), "another copy of this machine may lead by now");
    let term = worker.gone(1).await;
    assert!(term.gone.unwrap() - jumped <= secs(3) + millis(500) + TICK, "{term:?}");
    let while_stopping = |call: &crate::host_support::stage::Call| {
        call.operation == Operation::Renew && call.sent > jumped + millis(500) + TICK && call.sent < jumped + secs(5)
    };
    assert!(!bench.stage.calls().iter().any(while_stopping), "no renewing on top of a jump");
    let end = worker.log.end(1);
    assert!(end.detail.as_ref().is_some_and(|detail| detail.contains("clock jumped forward")), "{:?}", end.detail);
    assert_eq!(end.reason, EndReason::ClockJumped);
    assert_eq!(leader.end_reason(), Some(EndReason::ClockJumped));
    worker.leads_for_the(2).await;
    run.stop().await.0.unwrap();
    (bench, leader)
}

#[tokio::test(start_paused = true)]
async fn invariant_12_a_small_forward_jump_ends_the_term() {
    jump(1_000).await;
}

#[tokio::test(start_paused = true)]
async fn invariant_12_a_forward_jump_beyond_the_cancel_point_ends_the_term_and_says_why() {
    jump(10_000).await;
}

#[tokio::test(start_paused = true)]
async fn invariant_12_a_forward_jump_of_a_day_ends_the_term_and_says_why() {
    jump(24 * 3_600_000).await;
}

#[tokio::test(start_paused = true)]
async fn invariant_12_a_task_sees_a_jump_before_its_host_does() {
    let led = Led::on_a_clock_that_jumps(until_cancelled).await;
    tokio::time::sleep(secs(7)).await;
    assert!(led.leader.ensure().is_ok());
    led.clock.step(60_000);
    assert!(led.leader.ensure().is_err(), "no await in between: nobody has told it yet");
    assert_eq!(led.leader.valid_for(), Duration::ZERO);
    led.run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn invariant_12_a_backward_jump_changes_nothing() {
    let led = Led::on_a_clock_that_jumps(until_cancelled).await;
    tokio::time::sleep(secs(7)).await;
    let before = led.leader.valid_for();
    led.clock.step(-3_600_000);
    assert_eq!(led.leader.valid_for(), before, "it extends nothing");
    tokio::time::sleep(secs(120)).await;
    assert!(led.leader.ensure().is_ok());
    assert_eq!(led.worker.log.elections(), 1);
    led.run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_step_within_the_skew_is_no_jump() {
    let led = Led::on_a_clock_that_jumps(until_cancelled).await;
    for _ in 0..20 {
        tokio::time::sleep(secs(3)).await;
        led.clock.step(150);
        tokio::time::sleep(secs(3)).await;
        led.clock.step(-150);
    }
    assert!(led.leader.ensure().is_ok());
    assert_eq!(led.worker.log.elections(), 1);
    led.run.stop().await.0.unwrap();
}

/// Timers stand still while a machine is suspended, so the host has to look at the clock as soon as it wakes.
#[tokio::test(start_paused = true)]
async fn a_leader_that_was_suspended_beyond_its_lease_is_not_valid_when_it_wakes_and_aborted_soon() {
    let Led { bench, clock, worker, run, leader } = Led::on_a_clock_that_jumps(for_ever).await;
    tokio::time::sleep(secs(7)).await;
    let woken = bench.now();
    clock.suspend(3_600_000);
    assert!(leader.ensure().is_err());
    let term = worker.gone(1).await;
    assert!(term.gone.unwrap() - woken <= millis(500) + TICK, "{term:?}");
    run.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_was_suspended_for_a_part_of_its_lease_renews_and_goes_on() {
    let led = Led::on_a_clock_that_jumps(until_cancelled).await;
    tokio::time::sleep(secs(4)).await;
    led.clock.suspend(5_000);
    let valid_for = led.leader.valid_for();
    assert_about(valid_for, secs(5), TICK);
    tokio::time::sleep(secs(1)).await;
    assert!(led.leader.valid_for() > secs(10), "{:?}", led.leader.valid_for());
    assert!(!led.leader.token().is_cancelled());
    led.run.stop().await.0.unwrap();
}

/// A task that finds out by `ensure` that its process was paused may return before its host has looked at the clock.
#[tokio::test(start_paused = true)]
async fn a_task_that_ends_on_a_lease_that_ran_out_did_not_end_by_itself() {
    let bench = Bench::new();
    let clock = Stepped::new();
    let worker = bench.worker_with("a", |options| {
        with(&clock)(options);
        options.after_failure = AfterTask::EndHost;
    });
    let (paused, clock_of_task) = (Arc::new(Notify::new()), clock.clone());
    let wakes = Arc::clone(&paused);
    let run = worker.run(move |leader: Leadership| {
        let (wakes, clock) = (Arc::clone(&wakes), Arc::clone(&clock_of_task));
        async move {
            wakes.notified().await;
            clock.suspend(20_000);
            Ok(leader.ensure()?)
        }
    });
    let leader = worker.leads().await;
    tokio::time::sleep(secs(7)).await;
    paused.notify_one();
    worker.leads_for_the(2).await;
    assert_eq!(worker.log.end(1).reason, EndReason::RenewalTimedOut);
    assert_eq!(leader.end_reason(), Some(EndReason::RenewalTimedOut), "the task and the events are told the same");
    assert!(!run.handle.is_finished(), "a lost lease does not end the host");
    run.stop().await.0.unwrap();
}

/// The host is kept from looking for a moment, as by a limit on its CPU: the task is gone, and only the news is late.
#[tokio::test(start_paused = true)]
async fn an_abortion_that_is_noticed_late_is_no_overrun() {
    /// Lets time pass while the task is dropped.
    struct SlowEnd(Arc<Stepped>);
    impl Drop for SlowEnd {
        fn drop(&mut self) {
            self.0.suspend(500);
        }
    }
    let bench = Bench::new();
    let clock = Stepped::new();
    let worker = bench.worker_with("a", with(&clock));
    let of_task = Arc::clone(&clock);
    let run = worker.run(move |leader| {
        let slow_end = SlowEnd(Arc::clone(&of_task));
        async move {
            let _slow_end = slow_end;
            for_ever(leader).await
        }
    });
    worker.leads().await;
    run.stop().await.0.expect("the task heeded its abortion");
    assert_eq!(worker.log.count(|event| matches!(event, LeaderEvent::Overrun { .. })), 0);
    assert!(!bench.store().observe().await.unwrap().is_held(), "the task was gone, so its lease was released");
}
