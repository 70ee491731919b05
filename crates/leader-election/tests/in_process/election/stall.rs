//! Leaders that stand still: a heartbeat that stops, a runtime that is blocked.

use std::time::Duration;

use leader_election::election::{EndReason, Event, Moment, Report, TaskExit};

use crate::election::bench::{Bench, Order, What, ms, secs, token};

fn heartbeat(at: Duration) -> Event {
    Event::Heartbeat { at: Moment::from_origin(at) }
}

fn alive(at: Duration) -> Event {
    Event::RuntimeAlive { at: Moment::from_origin(at) }
}

fn with_heartbeat_limit(limit: Duration) -> Bench {
    Bench::leading_with(1, |settings| settings.heartbeat_limit = Some(limit))
}

fn with_stall_limit(limit: Duration) -> Bench {
    Bench::leading_with(1, |settings| settings.stall_limit = Some(limit))
}

/// When the term was cancelled as stalled.
fn stalled_at(bench: &Bench) -> Option<Duration> {
    bench.orders.iter().find(|(_, order)| *order == Order::Cancel(EndReason::Stalled)).map(|(at, _)| *at)
}

#[test]
fn invariant_11_a_task_that_shows_no_life_steps_down_at_its_limit() {
    for mut bench in [with_heartbeat_limit(secs(20)), with_stall_limit(secs(20))] {
        bench.renew_to(ms(19_999));
        assert_eq!(stalled_at(&bench), None);
        bench.renew_to(secs(60));
        assert_eq!(stalled_at(&bench), Some(secs(20)));
        assert_eq!(bench.orders[2..], [(secs(23), Order::Abort)], "it has the grace period");
    }
}

#[test]
fn invariant_11_a_stalled_leader_has_no_validity_but_its_lease_is_kept_until_it_is_gone() {
    let mut bench = with_heartbeat_limit(secs(4));
    bench.renew_to(secs(4));
    assert_eq!(bench.valid_until(), None);
    bench.renew_to(secs(5));
    assert_eq!(bench.times(What::Renew), [secs(5)], "it may still write something");
    bench.exit(TaskExit::Succeeded);
    assert_eq!(bench.last().what, What::Release);
    assert!(bench.reported(&Report::Ended { token: token(1), reason: EndReason::Stalled }));
    bench.released();
    assert!(bench.next_timeout().is_some(), "and it contends again");
}

#[test]
fn invariant_11_each_sign_of_life_puts_the_limit_off() {
    let mut beating = with_heartbeat_limit(secs(8));
    let mut alive_at = with_stall_limit(secs(8));
    for second in (0..300).step_by(7) {
        beating.renew_to(secs(second));
        beating.tell(heartbeat(secs(second)));
        alive_at.renew_to(secs(second));
        alive_at.tell(alive(secs(second)));
    }
    assert_eq!((stalled_at(&beating), stalled_at(&alive_at)), (None, None));
    beating.renew_to(secs(400));
    alive_at.renew_to(secs(400));
    assert_eq!((stalled_at(&beating), stalled_at(&alive_at)), (Some(secs(302)), Some(secs(302))));
}

#[test]
fn invariant_11_one_sign_of_life_does_not_stand_for_the_other() {
    let mut bench = Bench::leading_with(1, |settings| {
        settings.heartbeat_limit = Some(secs(20));
        settings.stall_limit = Some(secs(10));
    });
    for second in 0..60 {
        bench.renew_to(secs(second));
        bench.tell(heartbeat(secs(second)));
    }
    assert_eq!(stalled_at(&bench), Some(secs(10)), "a blocked runtime");

    let mut bench = Bench::leading_with(1, |settings| {
        settings.heartbeat_limit = Some(secs(20));
        settings.stall_limit = Some(secs(10));
    });
    for second in 0..60 {
        bench.renew_to(secs(second));
        bench.tell(alive(secs(second)));
    }
    assert_eq!(stalled_at(&bench), Some(secs(20)), "a stuck task on a sound runtime");
}

#[test]
fn invariant_11_a_sign_of_life_counts_from_when_it_was_given() {
    let mut bench = with_heartbeat_limit(secs(8));
    bench.renew_to(secs(6));
    bench.tell(heartbeat(secs(2)));
    bench.renew_to(secs(30));
    assert_eq!(stalled_at(&bench), Some(secs(10)));
}

#[test]
fn invariant_11_an_old_sign_of_life_takes_nothing_back() {
    let mut bench = with_heartbeat_limit(secs(8));
    bench.renew_to(secs(6));
    bench.tell(heartbeat(secs(6)));
    bench.tell(heartbeat(secs(1)));
    bench.renew_to(secs(30));
    assert_eq!(stalled_at(&bench), Some(secs(14)));
}

/// The task beat in time; it was the driver that was late to look.
#[test]
fn invariant_11_a_sign_of_life_given_in_time_counts_when_it_is_noticed_late() {
    let mut bench = with_heartbeat_limit(secs(4));
    bench.tell_late(ms(4_500), heartbeat(ms(3_500)));
    assert_eq!(stalled_at(&bench), None);
    let mut bench = with_stall_limit(secs(4));
    bench.tell_late(ms(4_500), alive(ms(3_500)));
    assert_eq!(stalled_at(&bench), None);
    bench.renew_to(secs(30));
    assert_eq!(stalled_at(&bench), Some(ms(7_500)));
}

#[test]
fn invariant_11_without_limits_nobody_asks_for_signs_of_life() {
    let mut bench = Bench::leading(1);
    bench.tell(heartbeat(secs(0)));
    bench.tell(alive(secs(0)));
    bench.renew_to(secs(3_600));
    assert_eq!(bench.orders.len(), 1);
}

#[test]
fn invariant_11_signs_of_life_of_a_term_that_ends_revive_nothing() {
    let mut bench = with_heartbeat_limit(secs(4));
    bench.run_to(secs(4));
    bench.tell(heartbeat(secs(4)));
    assert_eq!(bench.valid_until(), None);
    bench.run_to(secs(7));
    assert_eq!(bench.orders[2..], [(secs(7), Order::Abort)]);
}

#[test]
fn invariant_11_a_new_term_has_a_new_limit() {
    let mut bench = with_heartbeat_limit(secs(8));
    bench.run_to(secs(1));
    bench.tell(heartbeat(secs(1)));
    bench.exit(TaskExit::Succeeded);
    bench.run_to(secs(2));
    bench.released();
    let next = bench.next_timeout().expect("it contends again");
    bench.run_to(next);
    bench.grant(2);
    bench.renew_to(next + secs(60));
    assert_eq!(stalled_at(&bench), Some(next + secs(8)));
}
