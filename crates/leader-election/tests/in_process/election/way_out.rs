//! The way out of a term: drain, release, rest, and what follows.

use leader_election::Grant;
use leader_election::election::{EndReason, Event, Failure, Report, TaskExit};

use crate::election::bench::{Bench, LEASE, Order, UNKNOWN, What, held, ms, secs, token};

fn ended(bench: &Bench) -> Vec<EndReason> {
    let reason = |report: &Report| match report {
        Report::Ended { reason, .. } => Some(*reason),
        _ => None,
    };
    bench.reports.iter().filter_map(|(_, report)| reason(report)).collect()
}

#[test]
fn invariant_5_release_is_sent_only_after_the_task_is_gone() {
    let ways_out = [
        Event::Shutdown,
        Event::StepDown { token: token(1) },
        Event::Abandoned,
        Event::TaskExited { exit: TaskExit::Failed },
    ];
    for way_out in ways_out {
        let mut bench = Bench::leading(1);
        bench.run_to(secs(1));
        bench.tell(way_out.clone());
        if bench.task_runs() {
            bench.renew_to(ms(1_050));
            assert!(bench.times(What::Release).is_empty(), "{way_out:?}: the task still runs");
            bench.exit(TaskExit::Aborted);
        }
        assert_eq!((bench.last().what, bench.last().at), (What::Release, bench.now()), "{way_out:?}");
        assert_eq!(bench.last().claim.id, bench.sent[0].claim.id, "{way_out:?}: the lease of that very term");
    }
}

/// Another copy of the machine, with the same claim id, may be leading since the jump: a release would free its lease.
#[test]
fn invariant_12_nothing_is_released_after_a_jump() {
    let mut bench = Bench::leading(1);
    bench.run_to(secs(1));
    bench.tell(Event::ClockJumped);
    bench.exit(TaskExit::Aborted);
    bench.run_to(secs(60));
    assert!(bench.times(What::Release).is_empty());
    assert_ne!(bench.last().claim.id, bench.sent[0].claim.id, "it contends anew");
}

#[test]
fn invariant_12_nor_is_anything_released_when_a_drain_meets_the_jump() {
    let mut bench = Bench::leading(1);
    bench.run_to(secs(1));
    bench.tell(Event::StepDown { token: token(1) });
    bench.tell(Event::ClockJumped);
    bench.exit(TaskExit::Succeeded);
    bench.run_to(secs(60));
    assert!(bench.times(What::Release).is_empty());
}

#[test]
fn invariant_5_a_task_that_does_not_heed_its_abortion_keeps_its_lease_unreleased() {
    let mut bench = Bench::leading(1);
    bench.tell(Event::StepDown { token: token(1) });
    bench.renew_to(secs(10));
    assert_eq!(bench.orders.last(), Some(&(secs(10), Order::Abort)));
    bench.run_to(secs(3_600));
    assert!(bench.times(What::Release).is_empty());
    assert_eq!(bench.times(What::Renew), [secs(5)], "nor is it kept from running out");
    bench.exit(TaskExit::Aborted);
    assert_eq!(bench.last().what, What::Release);
}

#[test]
fn invariant_5_renewal_goes_on_while_the_task_drains() {
    let mut bench = Bench::leading_with(1, |settings| settings.drain_limit = secs(60));
    bench.renew_to(secs(7));
    bench.tell(Event::Shutdown);
    assert_eq!(bench.orders[1..], [(secs(7), Order::Cancel(EndReason::Shutdown))]);
    bench.renew_to(secs(50));
    assert_eq!(bench.times(What::Renew), (1..=10).map(|n| secs(5 * n)).collect::<Vec<_>>());
    assert!(bench.valid_now());
    bench.renew_to(secs(120));
    assert_eq!(bench.orders[2..], [(secs(67), Order::Abort)]);
}

#[test]
fn invariant_4_a_drain_ends_with_the_validity() {
    let mut bench = Bench::leading_with(1, |settings| settings.drain_limit = secs(60));
    bench.renew_to(secs(7));
    bench.tell(Event::Shutdown);
    bench.run_to(secs(60));
    assert_eq!(bench.orders[2..], [(secs(5 + 14), Order::Abort)]);
}

#[test]
fn invariant_5_a_renewal_in_flight_does_not_overlap_the_release() {
    let mut bench = Bench::leading(1);
    bench.run_to(ms(5_100));
    let renewal = bench.last().attempt;
    bench.exit(TaskExit::Succeeded);
    assert_eq!(bench.last().what, What::Release);
    bench.tell(Event::Renewed { attempt: renewal });
    assert_eq!(bench.valid_until(), None);
}

#[test]
fn invariant_6_nothing_is_acquired_while_a_task_of_an_earlier_term_still_runs() {
    let mut bench = Bench::leading(1);
    bench.run_to(secs(5));
    bench.lost();
    for minute in 1..10 {
        bench.run_to(secs(60 * minute));
        bench.tell(Event::Changed);
        bench.tell(Event::ClockJumped);
    }
    assert_eq!(bench.times(What::Acquire), [secs(0)]);
    assert_eq!(bench.next_timeout(), None, "there is nothing to do but wait for it");
    bench.exit(TaskExit::Aborted);
    bench.run_to(secs(602));
    assert_eq!(bench.last().what, What::Acquire);
}

#[test]
fn invariant_7_a_late_grant_after_shutdown_never_starts_a_task() {
    let mut bench = Bench::new();
    bench.run_to(secs(1));
    bench.tell(Event::Shutdown);
    assert!(!bench.election.is_stopped(), "a release that overtakes the acquire would leave its lease behind");
    bench.run_to(secs(2));
    bench.grant(1);
    assert!(bench.orders.is_empty());
    assert!(bench.reported(&Report::GrantedTooLate { token: token(1) }));
    assert_eq!((bench.last().what, bench.last().claim.id), (What::Release, bench.sent[0].claim.id));
    bench.released();
    assert!(bench.election.is_stopped());
}

#[test]
fn invariant_7_a_grant_after_the_end_changes_nothing() {
    let mut bench = Bench::new();
    let attempt = bench.last().attempt;
    bench.tell(Event::Shutdown);
    bench.held(held());
    assert!(bench.election.is_stopped());
    let before = bench.election.clone();
    bench.tell(Event::Acquired { attempt, grant: Grant::new(token(1), LEASE) });
    bench.tell(Event::StepDown { token: token(1) });
    bench.tell(Event::Changed);
    bench.tell(Event::ClockJumped);
    bench.exit(TaskExit::Succeeded);
    bench.run_to(secs(3_600));
    assert_eq!(bench.election, before);
}

#[test]
fn invariant_8_an_acquire_that_succeeds_too_late_starts_no_task_and_is_released() {
    // A task that would be cancelled at once is not worth its start: granted for 6.6 s at 0 s, it would be at 2.6 s.
    for (answered, starts) in [(2_599, true), (2_600, false), (2_900, false)] {
        let mut bench = Bench::new();
        bench.run_to(ms(answered));
        bench.grant_for(1, ms(6_600));
        assert_eq!(!bench.orders.is_empty(), starts, "answered at {answered} ms");
        assert_eq!(bench.reported(&Report::GrantedTooLate { token: token(1) }), !starts);
        assert_eq!(bench.last().what == What::Release, !starts);
    }
}

#[test]
fn invariant_8_a_late_grant_is_followed_by_a_rest_and_a_new_claim() {
    let mut bench = Bench::new();
    bench.run_to(secs(3));
    assert!(bench.last().unsettled);
    bench.run_to(ms(5_500));
    bench.grant_for(1, secs(6));
    bench.released();
    bench.run_to(ms(7_500));
    assert_eq!((bench.last().what, bench.last().at), (What::Acquire, ms(7_500)));
    assert_ne!(bench.last().claim.id, bench.sent[0].claim.id);
    assert!(!bench.last().unsettled, "the new claim has no past");
}

#[test]
fn invariant_8_a_release_without_an_answer_is_repeated_with_the_same_claim() {
    let mut bench = Bench::leading(1);
    bench.exit(TaskExit::Succeeded);
    let released = bench.last().claim.id;
    bench.run_to(secs(3));
    assert_eq!((bench.last().what, bench.last().claim.id), (What::Release, released));
    bench.released();
    bench.run_to(secs(5));
    assert_eq!(bench.last().what, What::Acquire);
}

#[test]
fn invariant_8_a_release_is_repeated_by_a_driver_whose_timers_are_a_little_late() {
    let mut bench = Bench::leading(1);
    bench.exit(TaskExit::Succeeded);
    bench.late_to(ms(3_005));
    assert_eq!(bench.times(What::Release), [0, 3_005].map(ms), "every real driver is late");
}

#[test]
fn invariant_8_a_release_that_fails_is_repeated_each_second_for_a_while_and_then_left_to_the_lease() {
    let mut bench = Bench::leading(1);
    bench.exit(TaskExit::Succeeded);
    while !bench.reported(&Report::ReleaseFailed) {
        bench.fail(UNKNOWN);
        let next = bench.next_timeout().expect("it goes on");
        bench.run_to(next);
    }
    let tried = bench.times(What::Release);
    assert_eq!(tried, (0..tried.len() as u64).map(secs).collect::<Vec<_>>());
    assert!((4..=6).contains(&tried.len()), "{tried:?}");
    assert_eq!((bench.last().what, bench.last().at), (What::Acquire, tried[tried.len() - 1] + secs(2)));
}

#[test]
fn invariant_8_a_lease_that_has_run_out_anyway_is_released_once_at_most() {
    let mut bench = Bench::leading(1);
    bench.run_to(secs(100));
    bench.exit(TaskExit::Aborted);
    assert_eq!((bench.last().what, bench.last().at), (What::Release, secs(100)));
    bench.fail(UNKNOWN);
    assert_eq!(bench.reports.last(), Some(&(secs(100), Report::ReleaseFailed)));
    assert_eq!(bench.next_timeout(), Some(secs(102)), "the rest after the term");
}

#[test]
fn invariant_8_a_release_that_a_human_must_mend_is_not_repeated() {
    let mut bench = Bench::leading(1);
    bench.exit(TaskExit::Succeeded);
    bench.fail(Failure::Refused);
    assert_eq!(bench.reports.last(), Some(&(secs(0), Report::ReleaseFailed)));
    assert_eq!(bench.next_timeout(), Some(secs(2)), "the rest after the term");
}

#[test]
fn invariant_16_elected_and_ended_alternate_and_each_end_has_its_token_and_reason() {
    let mut bench = Bench::new();
    let ends = [EndReason::TaskEnded, EndReason::SteppedDown, EndReason::LeaseLost, EndReason::RenewalTimedOut];
    for (round, end) in (1..).zip(ends) {
        bench.grant(round);
        let start = bench.now();
        match end {
            EndReason::SteppedDown => bench.tell(Event::StepDown { token: token(round) }),
            EndReason::LeaseLost => {
                bench.run_to(start + secs(5));
                bench.lost();
            }
            EndReason::RenewalTimedOut => bench.run_to(start + secs(20)),
            _ => {}
        }
        bench.exit(TaskExit::Succeeded);
        assert!(bench.reported(&Report::Ended { token: token(round), reason: end }));
        if bench.last().what == What::Release {
            bench.released();
        }
        let next = bench.next_timeout().expect("it contends again");
        bench.run_to(next);
    }
    let count = |is: fn(&Report) -> bool| bench.reports.iter().filter(|(_, report)| is(report)).count();
    assert_eq!(count(|report| matches!(report, Report::Elected { .. })), 4);
    assert_eq!(ended(&bench), ends);
    assert_eq!(count(|report| matches!(report, Report::Stopping { .. })), 3, "all but the task that ended by itself");
}

#[test]
fn invariant_16_the_first_reason_is_the_reason() {
    let mut bench = Bench::leading(1);
    bench.run_to(secs(4));
    bench.tell(Event::StepDown { token: token(1) });
    bench.run_to(secs(5));
    bench.lost();
    bench.tell(Event::Shutdown);
    bench.tell(Event::ClockJumped);
    bench.run_to(secs(60));
    bench.exit(TaskExit::Aborted);
    assert_eq!(ended(&bench), [EndReason::SteppedDown]);
    assert_eq!(bench.orders[1], (secs(4), Order::Cancel(EndReason::SteppedDown)));
}

#[test]
fn invariant_7_a_wish_to_step_down_is_that_of_its_own_term() {
    let mut bench = Bench::leading(2);
    for foreign in [1, 3] {
        bench.tell(Event::StepDown { token: token(foreign) });
        assert_eq!(bench.orders.len(), 1);
    }
    bench.tell(Event::StepDown { token: token(2) });
    assert_eq!(bench.orders[1], (secs(0), Order::Cancel(EndReason::SteppedDown)));
    assert!(!bench.election.is_finishing(), "it contends again after its rest");
}
