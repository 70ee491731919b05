//! A leader's term: how long it is valid, how it is renewed, and what ends it.

use leader_election::Grant;
use leader_election::election::{AttemptId, EndReason, Event, Failure, Report, TaskExit};

use crate::election::bench::{Bench, LEASE, Order, UNKNOWN, What, held, ms, secs, token};

/// What is ordered of a task whose lease cannot be renewed: counted from the last renewal that succeeded.
fn timed_out_after(renewed: u64) -> [(std::time::Duration, Order); 2] {
    [(secs(renewed + 11), Order::Cancel(EndReason::RenewalTimedOut)), (secs(renewed + 14), Order::Abort)]
}

#[test]
fn invariant_2_a_token_that_does_not_rise_starts_no_task_and_is_released() {
    for again in [7, 6, 1] {
        let mut bench = Bench::leading(7);
        bench.exit(TaskExit::Succeeded);
        bench.released();
        bench.run_to(secs(2));
        bench.grant(again);
        assert!(bench.reported(&Report::TokenNotRising { granted: token(again), highest: token(7) }));
        assert_eq!(bench.orders, [(secs(0), Order::Start(token(7)))]);
        assert_eq!(bench.last().what, What::Release);
        bench.released();
        let next = bench.next_timeout().expect("it contends again");
        bench.run_to(next);
        bench.grant(8);
        assert_eq!(bench.orders.last(), Some(&(next, Order::Start(token(8)))));
    }
}

#[test]
fn invariant_2_a_token_that_was_granted_too_late_counts_as_well() {
    let mut bench = Bench::new();
    bench.run_to(ms(2_900));
    bench.grant_for(7, secs(6));
    assert!(bench.reported(&Report::GrantedTooLate { token: token(7) }));
    bench.released();
    let next = bench.next_timeout().expect("it contends again");
    bench.run_to(next);
    bench.grant(7);
    assert!(bench.reported(&Report::TokenNotRising { granted: token(7), highest: token(7) }));
}

#[test]
fn invariant_3_validity_counts_from_before_the_request_was_sent() {
    let mut bench = Bench::new();
    bench.run_to(secs(2));
    bench.grant(1);
    assert_eq!(bench.valid_until(), Some(secs(14)), "from the acquire's sending at zero, not from its answer");
    bench.run_to(secs(7));
    assert_eq!(bench.times(What::Renew), [secs(5)]);
    bench.renewed();
    assert_eq!(bench.valid_until(), Some(secs(19)), "from the renewal's sending, not from its answer");
}

#[test]
fn invariant_3_a_renewal_without_an_answer_extends_nothing() {
    let mut bench = Bench::leading(1);
    bench.run_to(secs(5));
    bench.fail(UNKNOWN);
    bench.run_to(secs(9));
    assert_eq!(bench.valid_until(), Some(secs(14)));
}

#[test]
fn invariant_3_a_grant_that_is_shorter_than_asked_for_is_valid_for_less() {
    let mut bench = Bench::new();
    bench.grant_for(1, secs(12));
    assert_eq!(bench.valid_until(), Some(secs(11)));
    bench.run_to(secs(4));
    assert_eq!(bench.orders.len(), 1);
    bench.run_to(secs(30));
    assert_eq!(bench.orders[1], (secs(8), Order::Cancel(EndReason::RenewalTimedOut)));
    assert_eq!(bench.orders[2], (secs(11), Order::Abort));
}

/// The port's contract: a grant *and a renewal* hold for at least the granted lease, not for the one asked for.
#[test]
fn invariant_3_a_renewal_of_a_shorter_grant_is_valid_for_less_as_well() {
    let mut bench = Bench::new();
    bench.grant_for(1, secs(12));
    // Renewed more often in proportion: after 12/15 of 5 s.
    bench.run_to(secs(4));
    bench.renewed();
    assert_eq!(bench.valid_until(), Some(secs(4 + 11)), "the store keeps it for 12 s from the renewal");
}

#[test]
fn invariant_4_the_token_is_cancelled_and_the_task_aborted_while_renewals_are_in_flight() {
    let mut bench = Bench::leading(1);
    bench.run_to(secs(60));
    assert_eq!(bench.orders[1..], timed_out_after(0));
    // A renewal was in flight at every instant; they go on between cancellation and abortion, and then end.
    assert_eq!(bench.times(What::Renew), [5, 8, 11].map(secs));
}

#[test]
fn invariant_4_the_deadlines_move_with_each_renewal() {
    let mut bench = Bench::leading(1);
    bench.renew_to(secs(100));
    assert_eq!(bench.times(What::Renew), (1..=20).map(|n| secs(5 * n)).collect::<Vec<_>>());
    assert_eq!(bench.orders.len(), 1);
    bench.run_to(secs(200));
    assert_eq!(bench.orders[1..], timed_out_after(100));
}

#[test]
fn invariant_4_a_driver_that_was_held_up_finds_everything_due_in_its_order() {
    let mut bench = Bench::leading(1);
    bench.late_to(secs(3_600));
    let reason = EndReason::RenewalTimedOut;
    assert_eq!(bench.orders[1..], [(secs(3_600), Order::Cancel(reason)), (secs(3_600), Order::Abort)]);
    assert!(bench.sent.len() == 1, "no renewal of a lease that is long over");
}

#[test]
fn invariant_4_what_is_heard_after_the_cancel_point_does_not_hide_that_time_ran_out() {
    for heard in [Event::Shutdown, Event::TaskExited { exit: TaskExit::Succeeded }] {
        let mut bench = Bench::leading(1);
        bench.tell_late(secs(12), heard.clone());
        let reason = EndReason::RenewalTimedOut;
        assert_eq!(bench.orders[1], (secs(12), Order::Cancel(reason)), "{heard:?}");
        bench.run_to(secs(20));
        assert!(bench.reported(&Report::Ended { token: token(1), reason }), "{heard:?}: {:?}", bench.reports);
    }
}

#[test]
fn invariant_4_a_drain_whose_end_is_heard_after_its_time_is_aborted_first() {
    let mut bench = Bench::leading(1);
    bench.tell(Event::Shutdown);
    bench.tell_late(secs(60), Event::TaskExited { exit: TaskExit::Succeeded });
    assert_eq!(bench.orders[1..], [(secs(0), Order::Cancel(EndReason::Shutdown)), (secs(60), Order::Abort)]);
}

#[test]
fn invariant_4_a_task_that_still_runs_after_its_abortion_is_reported_before_the_lease_can_be_granted_again() {
    let mut bench = Bench::leading(1);
    bench.run_to(secs(14));
    assert!(!bench.reported(&Report::Overrun { token: token(1) }));
    bench.run_to(secs(60));
    let overruns: Vec<_> = bench.reports.iter().filter(|(_, r)| matches!(r, Report::Overrun { .. })).collect();
    assert_eq!(overruns, [&(ms(14_100), Report::Overrun { token: token(1) })], "once");
}

#[test]
fn invariant_4_a_renewal_that_succeeds_in_the_grace_period_saves_nothing() {
    let mut bench = Bench::leading(1);
    bench.run_to(ms(11_500));
    bench.renewed();
    bench.run_to(secs(60));
    assert_eq!(bench.orders[1..], timed_out_after(0));
}

#[test]
fn invariant_7_a_renewal_that_succeeds_after_the_deadline_revives_nothing() {
    let mut bench = Bench::leading(1);
    bench.run_to(ms(8_000));
    // The store allows it; the driver slept. Time counts first.
    bench.tell_late(secs(14), Event::Renewed { attempt: bench.last().attempt });
    assert_eq!(bench.valid_until(), None);
    assert_eq!(bench.orders.last(), Some(&(secs(14), Order::Abort)));
}

#[test]
fn invariant_7_an_answer_to_an_attempt_that_was_given_up_is_not_heard() {
    let mut bench = Bench::leading(1);
    bench.run_to(secs(5));
    let given_up = bench.last().attempt;
    bench.run_to(secs(8));
    assert_ne!(bench.last().attempt, given_up);
    bench.tell(Event::Renewed { attempt: given_up });
    assert_eq!(bench.valid_until(), Some(secs(14)));
    bench.tell(Event::Lost { attempt: given_up });
    assert_eq!(bench.orders.len(), 1, "still the leader");
    // Nor are repetitions and answers to what was never sent.
    bench.renewed();
    let before = bench.election.clone();
    for attempt in [bench.last().attempt, AttemptId::default()] {
        bench.tell(Event::Renewed { attempt });
        bench.tell(Event::Lost { attempt });
        bench.tell(Event::Released { attempt });
        bench.tell(Event::Held { attempt, held: held() });
        bench.tell(Event::Failed { attempt, failure: Failure::Refused });
        bench.tell(Event::Acquired { attempt, grant: Grant::new(token(9), LEASE) });
    }
    assert_eq!(bench.election, before);
}

#[test]
fn invariant_9_definite_loss_cancels_now_and_aborts_after_the_grace_period() {
    let mut bench = Bench::leading(1);
    bench.run_to(ms(5_200));
    bench.lost();
    let reason = EndReason::LeaseLost;
    assert_eq!(bench.orders[1..], [(ms(5_200), Order::Cancel(reason))]);
    assert_eq!(bench.valid_until(), None, "somebody else may lead already");
    bench.run_to(secs(60));
    assert_eq!(bench.orders[2..], [(ms(8_200), Order::Abort)]);
    bench.exit(TaskExit::Aborted);
    assert!(bench.times(What::Release).is_empty(), "there is nothing of ours to release");
    assert_eq!(bench.times(What::Renew), [secs(5)], "nor to renew");
    assert!(bench.reported(&Report::Ended { token: token(1), reason }));
}

#[test]
fn invariant_9_a_loss_with_little_time_left_aborts_at_the_end_of_validity() {
    let mut bench = Bench::leading(1);
    bench.run_to(ms(10_900));
    bench.lost();
    bench.run_to(ms(13_899));
    assert_eq!(bench.orders.len(), 2);
    bench.run_to(ms(13_900));
    assert_eq!(bench.orders[2], (ms(13_900), Order::Abort));

    let mut bench = Bench::leading(1);
    bench.run_to(ms(13_500));
    bench.lost();
    bench.run_to(secs(60));
    assert_eq!(bench.orders[2], (secs(14), Order::Abort), "the cancellation at 11 s gave it no more than to 14 s");
}

#[test]
fn invariant_9_a_loss_while_the_task_drains_leaves_it_the_grace_period_and_no_more() {
    let mut bench = Bench::leading(1);
    bench.run_to(secs(4));
    bench.tell(Event::Shutdown);
    bench.run_to(secs(5));
    assert!(bench.valid_now());
    bench.lost();
    assert_eq!(bench.valid_until(), None);
    bench.run_to(secs(60));
    assert_eq!(bench.orders[1..], [(secs(4), Order::Cancel(EndReason::Shutdown)), (secs(8), Order::Abort)]);
    assert_eq!(bench.times(What::Renew), [secs(5)]);
}

#[test]
fn invariant_9_whatever_is_not_definite_loss_is_retried_until_the_deadline() {
    let busy = Failure::Unknown { retry_after: Some(secs(3_600)) };
    for failure in [UNKNOWN, busy, Failure::Refused] {
        let mut bench = Bench::leading(1);
        for at in 5..11 {
            bench.run_to(secs(at));
            assert_eq!((bench.last().at, bench.last().what), (secs(at), What::Renew));
            bench.fail(failure);
            assert_eq!(bench.valid_until(), Some(secs(14)));
        }
        assert_eq!(bench.orders.len(), 1, "the leader leads");
        bench.run_to(secs(60));
        assert_eq!(bench.orders[1..], timed_out_after(0));
    }
}

#[test]
fn invariant_9_one_renewal_that_succeeds_after_failures_is_enough() {
    let mut bench = Bench::leading(1);
    for at in [5, 6, 7] {
        bench.run_to(secs(at));
        bench.fail(UNKNOWN);
    }
    bench.run_to(ms(8_400));
    bench.renewed();
    assert_eq!(bench.valid_until(), Some(secs(22)));
    bench.run_to(secs(13));
    assert_eq!(bench.last().at, secs(13), "and the rhythm is that of a leader again");
}

#[test]
fn invariant_9_retries_are_jittered_by_a_fifth() {
    for (fraction, retry_at) in [(0.0, 5_800), (0.25, 5_900), (0.75, 6_100)] {
        let mut bench = Bench::with_fraction(fraction, |_| {});
        bench.grant(1);
        bench.run_to(secs(5));
        bench.fail(UNKNOWN);
        assert_eq!(bench.next_timeout(), Some(ms(retry_at)));
    }
}

#[test]
fn invariant_10_only_a_grant_starts_a_task_and_with_its_token() {
    let mut bench = Bench::new();
    let attempt = bench.last().attempt;
    bench.held(held());
    bench.tell(Event::Acquired { attempt, grant: Grant::new(token(3), LEASE) });
    bench.run_to(secs(1));
    bench.fail(UNKNOWN);
    bench.run_to(secs(2));
    assert!(bench.orders.is_empty() && bench.reports.is_empty());
    bench.grant(5);
    assert_eq!(bench.orders, [(secs(2), Order::Start(token(5)))]);
    assert_eq!(bench.reports, [(secs(2), Report::Elected { token: token(5) })]);
}

#[test]
fn invariant_12_a_jump_of_the_clock_ends_the_term_and_its_renewals() {
    let mut bench = Bench::leading(1);
    bench.run_to(ms(5_500));
    assert_eq!(bench.last().what, What::Renew);
    let in_flight = bench.last().attempt;
    bench.tell(Event::ClockJumped);
    assert_eq!(bench.orders[1..], [(ms(5_500), Order::Cancel(EndReason::ClockJumped))]);
    assert_eq!(bench.valid_until(), None);
    assert_eq!(bench.abandoned, [in_flight]);
    bench.tell(Event::Renewed { attempt: in_flight });
    assert_eq!(bench.valid_until(), None);
    bench.run_to(secs(60));
    assert_eq!(bench.orders[2..], [(ms(8_500), Order::Abort)]);
    assert_eq!(bench.times(What::Renew), [secs(5)]);
}

/// The driver tells of the jump with the first time that it reads after it, when much else is due as well.
#[test]
fn invariant_12_a_jump_beyond_the_deadlines_is_told_as_a_jump() {
    for jumped_to in [6, 12, 60] {
        let mut bench = Bench::leading(1);
        bench.run_to(secs(4));
        bench.tell_late(secs(jumped_to), Event::ClockJumped);
        assert_eq!(bench.valid_until(), None);
        assert_eq!(bench.orders[1], (secs(jumped_to), Order::Cancel(EndReason::ClockJumped)));
        assert!(bench.times(What::Renew).is_empty(), "no renewal on top of a jump");
    }
}

#[test]
fn invariant_12_a_jump_while_the_task_drains_ends_the_renewals_too() {
    let mut bench = Bench::leading(1);
    bench.run_to(secs(4));
    bench.tell(Event::StepDown { token: token(1) });
    bench.tell(Event::ClockJumped);
    assert_eq!(bench.valid_until(), None);
    bench.run_to(secs(60));
    assert_eq!(bench.orders[1..], [(secs(4), Order::Cancel(EndReason::SteppedDown)), (secs(7), Order::Abort)]);
    assert!(bench.times(What::Renew).is_empty());
}

#[test]
fn invariant_12_a_jump_does_not_disturb_a_candidate_between_two_polls() {
    let mut bench = Bench::new();
    bench.held(held());
    bench.run_to(ms(100));
    bench.tell(Event::ClockJumped);
    assert_eq!(bench.next_timeout(), Some(ms(750)));
}

/// A machine that was restored from a snapshot has the claim id of its other copy, and that one may have been elected since:
/// whoever asks with its id is taken for it.
#[test]
fn invariant_12_a_candidate_whose_clock_jumped_asks_under_another_claim() {
    let mut waiting = Bench::new();
    waiting.held(held());
    let mut asking = Bench::new();
    for bench in [&mut waiting, &mut asking] {
        let (before, jumped_to) = (bench.last().clone(), secs(3600));
        bench.tell_late(jumped_to, Event::ClockJumped);
        bench.run_to(jumped_to + secs(1));
        assert_eq!(bench.last().what, What::Acquire);
        assert_ne!(bench.last().claim.id, before.claim.id);
        assert!(!bench.last().unsettled);
        // What the other copy was granted is not this one's.
        bench.tell(Event::Acquired { attempt: before.attempt, grant: Grant::new(token(1), LEASE) });
        assert!(bench.orders.is_empty());
    }
}

#[test]
fn invariant_12_a_candidate_whose_clock_jumped_releases_nothing_under_the_old_claim() {
    for shut_down_before in [true, false] {
        let mut bench = Bench::new();
        bench.fail(UNKNOWN);
        bench.run_to(secs(1));
        if shut_down_before {
            bench.tell(Event::Shutdown);
        }
        bench.tell_late(secs(3600), Event::ClockJumped);
        bench.tell(Event::Shutdown);
        bench.held(held());
        assert!(bench.election.is_stopped());
        assert!(bench.times(What::Release).is_empty());
    }
}

#[test]
fn invariant_17_validity_is_none_but_from_the_grant_to_the_end() {
    let mut bench = Bench::new();
    assert_eq!(bench.valid_until(), None);
    bench.held(held());
    assert_eq!(bench.valid_until(), None);
    bench.run_to(secs(1));
    bench.grant(1);
    assert_eq!(bench.valid_until(), Some(ms(14_750)));
    bench.tell(Event::StepDown { token: token(1) });
    assert_eq!(bench.valid_until(), Some(ms(14_750)), "work that has begun may be finished: the lease is held");
    bench.exit(TaskExit::Succeeded);
    assert_eq!(bench.valid_until(), None);
    bench.released();
    assert_eq!(bench.valid_until(), None);
}

#[test]
fn invariant_17_validity_ends_with_the_abortion_and_not_with_the_exit() {
    let mut bench = Bench::leading(1);
    bench.tell(Event::Abandoned);
    assert_eq!(bench.orders.last(), Some(&(secs(0), Order::Abort)));
    assert_eq!(bench.valid_until(), None, "an abortion may take its time");
}

/// A drain that leaves most of the lease: the abortion may take as long as that, and the lease is released then.
#[test]
fn invariant_4_an_abortion_has_the_rest_of_the_lease_to_take_effect() {
    let mut bench = Bench::leading_with(1, |settings| settings.drain_limit = ms(500));
    bench.renew_to(secs(5));
    bench.tell(Event::Shutdown);
    bench.run_to(ms(5_500));
    assert_eq!(bench.orders.last(), Some(&(ms(5_500), Order::Abort)));
    bench.run_to(secs(18));
    assert!(!bench.reported(&Report::Overrun { token: token(1) }), "the lease runs until 20 s");
    bench.exit(TaskExit::Aborted);
    assert_eq!(bench.last().what, What::Release);
}

#[test]
fn invariant_4_a_task_that_outlives_its_drain_and_its_lease_is_an_overrun_after_the_end_of_validity() {
    let mut bench = Bench::leading_with(1, |settings| settings.drain_limit = ms(500));
    bench.renew_to(secs(5));
    bench.tell(Event::Shutdown);
    bench.run_to(secs(60));
    let overruns: Vec<_> = bench.reports.iter().filter(|(_, r)| matches!(r, Report::Overrun { .. })).collect();
    assert_eq!(overruns, [&(ms(19_100), Report::Overrun { token: token(1) })], "renewed at 5 s, valid for 14 s");
    assert!(bench.times(What::Release).is_empty(), "nothing is released");
}

/// Another may lead already.
#[test]
fn invariant_4_after_a_loss_an_abortion_has_a_moment_only() {
    let mut bench = Bench::leading(1);
    bench.run_to(secs(5));
    bench.lost();
    bench.run_to(secs(60));
    let overruns: Vec<_> = bench.reports.iter().filter(|(_, r)| matches!(r, Report::Overrun { .. })).collect();
    assert_eq!(overruns, [&(ms(8_250), Report::Overrun { token: token(1) })], "aborted after the grace of 3 s");
}

#[test]
fn invariant_5_what_a_task_has_started_drains_before_the_lease_is_released() {
    let mut bench = Bench::leading(1);
    bench.run_to(secs(1));
    bench.tell(Event::TaskReturned);
    assert_eq!(bench.orders.last(), Some(&(secs(1), Order::Cancel(EndReason::TaskEnded))));
    assert!(bench.valid_now(), "it may finish what it has begun");
    bench.renew_to(secs(6));
    assert_eq!(bench.times(What::Renew).len(), 1, "the lease is kept meanwhile");
    assert!(bench.times(What::Release).is_empty());
    bench.exit(TaskExit::Succeeded);
    assert_eq!(bench.last().what, What::Release);
    assert!(bench.reported(&Report::Ended { token: token(1), reason: EndReason::TaskEnded }));
}

/// The watchdog was first, as the driver was late; a renewal that was answered meanwhile revives nothing.
#[test]
fn invariant_7_a_term_that_was_revoked_stays_ended() {
    let mut bench = Bench::leading(1);
    bench.run_to(secs(5));
    bench.renewed();
    bench.tell(Event::Revoked);
    assert_eq!(bench.valid_until(), None);
    assert_eq!(bench.orders.last(), Some(&(secs(5), Order::Cancel(EndReason::RenewalTimedOut))));
    bench.run_to(secs(60));
    assert_eq!(bench.valid_until(), None);
}

#[test]
fn the_deadlines_tell_what_the_timers_will_do() {
    let mut bench = Bench::leading(1);
    let deadlines = bench.deadlines().expect("a task runs");
    assert_eq!((deadlines.cancel_at, deadlines.abort_at, deadlines.overrun_at), (Some(secs(11)), secs(14), ms(14_100)));
    bench.renew_to(secs(5));
    let deadlines = bench.deadlines().expect("a task runs");
    assert_eq!((deadlines.cancel_at, deadlines.abort_at, deadlines.overrun_at), (Some(secs(16)), secs(19), ms(19_100)));
    bench.tell(Event::Shutdown);
    let deadlines = bench.deadlines().expect("it drains");
    assert_eq!((deadlines.cancel_at, deadlines.abort_at, deadlines.overrun_at), (None, secs(15), ms(19_100)));
    bench.exit(TaskExit::Succeeded);
    assert!(bench.deadlines().is_none(), "no task runs");
}
