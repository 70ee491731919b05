//! Invariant 15: shutdown is bounded and idempotent, whatever is in flight and whoever does not answer.

use std::time::Duration;

use leader_election::election::{Event, Report, TaskExit};

use crate::election::bench::{Bench, Order, UNKNOWN, What, held, ms, secs, token};

/// How the leader's task of a test ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Heeds {
    /// Its cancellation.
    Token,
    /// Its abortion only.
    Abortion,
    /// Nothing at all: it blocks its thread.
    Nothing,
}

/// One election in each phase that a shutdown can find it in, with the phase's name. The store of all of them has
/// fallen silent.
fn every_phase() -> Vec<(&'static str, Bench)> {
    let waiting = || {
        let mut bench = Bench::new();
        bench.held(held());
        bench.run_to(ms(100));
        bench
    };
    let unsettled = || {
        let mut bench = Bench::new();
        bench.fail(UNKNOWN);
        bench.run_to(ms(100));
        bench
    };
    let renewing = || {
        let mut bench = Bench::leading(1);
        bench.run_to(secs(6));
        bench
    };
    let after = |event: Event| {
        let mut bench = renewing();
        bench.tell(event);
        bench.run_to(secs(7));
        bench
    };
    let lost = || {
        let mut bench = renewing();
        bench.lost();
        bench
    };
    let timed_out = || {
        let mut bench = Bench::leading(1);
        bench.run_to(secs(12));
        bench
    };
    let aborted = || {
        let mut bench = Bench::leading(1);
        bench.run_to(secs(14));
        bench
    };
    let overrun = || {
        let mut bench = Bench::leading(1);
        bench.run_to(secs(100));
        bench
    };
    let releasing = || {
        let mut bench = Bench::leading(1);
        bench.exit(TaskExit::Succeeded);
        bench.run_to(secs(1));
        bench
    };
    let releasing_again = || {
        let mut bench = releasing();
        bench.fail(UNKNOWN);
        bench
    };
    let resting = || {
        let mut bench = releasing();
        bench.released();
        bench
    };
    vec![
        ("acquiring", Bench::new()),
        ("waiting", waiting()),
        ("waiting, unsettled", unsettled()),
        ("leading", Bench::leading(1)),
        ("leading, renewing", renewing()),
        ("stepping down", after(Event::StepDown { token: token(1) })),
        ("after a jump", after(Event::ClockJumped)),
        ("after a loss", lost()),
        ("timed out", timed_out()),
        ("aborted", aborted()),
        ("overrun", overrun()),
        ("releasing", releasing()),
        ("between two releases", releasing_again()),
        ("resting", resting()),
    ]
}

/// Tells `event` and lets a silent store and such a task be all that follows; the time until the end.
fn time_to_stop(bench: &mut Bench, event: &Event, heeds: Heeds, repeated: bool) -> Duration {
    let start = bench.now();
    bench.tell(event.clone());
    while !bench.election.is_stopped() {
        assert!(bench.now() < start + secs(100), "it never ends");
        let cancelled = matches!(bench.orders.last(), Some((_, Order::Cancel(_))));
        let aborted = matches!(bench.orders.last(), Some((_, Order::Abort)));
        let heeded = match heeds {
            Heeds::Token => cancelled || aborted,
            Heeds::Abortion => aborted,
            Heeds::Nothing => false,
        };
        if heeded && bench.task_runs() {
            bench.exit(TaskExit::Aborted);
            continue;
        }
        if repeated {
            bench.tell(event.clone());
        }
        let next = bench.next_timeout().expect("no endless wait");
        bench.run_to(next);
    }
    bench.now() - start
}

#[test]
fn invariant_15_shutdown_is_bounded_in_every_phase_although_the_store_never_answers() {
    // Of a silent store, a release takes two attempts.
    let attempts = secs(2 * 3);
    for (heeds, drain) in [(Heeds::Token, 0), (Heeds::Abortion, 10), (Heeds::Nothing, 10)] {
        for (phase, mut bench) in every_phase() {
            // A task that heeds nothing is waited for until the end of its validity, 14 s after the last renewal.
            let deaf = if heeds == Heeds::Nothing { secs(14) } else { Duration::ZERO };
            let bound = (secs(drain).max(secs(3)) + attempts).max(deaf) + ms(100);
            let took = time_to_stop(&mut bench, &Event::Shutdown, heeds, false);
            assert!(took <= bound, "{phase}, a task that heeds {heeds:?}: {took:?}");
        }
    }
}

/// Found by the simulator, seed 77437: with a grace longer than the drain limit.
#[test]
fn invariant_15_a_shutdown_cuts_the_grace_that_a_task_already_has() {
    let mut bench = Bench::leading_with(1, |settings| settings.drain_limit = secs(1));
    bench.run_to(secs(2));
    bench.lost();
    bench.run_to(ms(2_100));
    bench.tell(Event::Shutdown);
    bench.run_to(secs(4));
    let aborted = bench.orders.iter().find(|(_, order)| *order == Order::Abort);
    assert_eq!(aborted.map(|(at, _)| *at), Some(ms(3_100)));
}

#[test]
fn invariant_15_an_abandoned_host_gives_its_task_no_time() {
    for heeds in [Heeds::Abortion, Heeds::Nothing] {
        for (phase, mut bench) in every_phase() {
            let orders = bench.orders.len();
            let (ran, start) = (bench.task_runs(), bench.now());
            let took = time_to_stop(&mut bench, &Event::Abandoned, heeds, false);
            let bound = if heeds == Heeds::Nothing { secs(14) } else { secs(3) + secs(6) };
            assert!(took <= bound + ms(100), "{phase}, a task that heeds {heeds:?}: {took:?}");
            let aborted = bench.orders.iter().find(|(_, order)| *order == Order::Abort);
            assert!(!ran || aborted.is_some_and(|(at, _)| *at <= start), "{phase}: {:?}", &bench.orders[orders..]);
        }
    }
}

#[test]
fn invariant_15_shutdown_is_idempotent() {
    for event in [Event::Shutdown, Event::Abandoned] {
        for heeds in [Heeds::Token, Heeds::Abortion, Heeds::Nothing] {
            for ((phase, mut once), (_, mut often)) in every_phase().into_iter().zip(every_phase()) {
                let took = time_to_stop(&mut once, &event, heeds, false);
                assert_eq!(time_to_stop(&mut often, &event, heeds, true), took, "{phase}, {heeds:?}");
                assert_eq!(often.sent, once.sent, "{phase}, {heeds:?}");
                assert_eq!(often.reports, once.reports, "{phase}, {heeds:?}");
                assert_eq!(often.orders, once.orders, "{phase}, {heeds:?}");
            }
        }
    }
}

#[test]
fn invariant_15_every_way_out_leaves_no_task_no_renewal_and_no_request() {
    // What has overrun already is not waited for any more.
    for (phase, mut bench) in every_phase().into_iter().filter(|(phase, _)| *phase != "overrun") {
        time_to_stop(&mut bench, &Event::Shutdown, Heeds::Abortion, false);
        let sent = bench.sent.len();
        assert!(!bench.task_runs(), "{phase}");
        bench.run_to(bench.now() + secs(3_600));
        bench.tell(Event::Changed);
        bench.tell(Event::Abandoned);
        assert_eq!(bench.sent.len(), sent, "{phase}");
    }
}

#[test]
fn invariant_15_what_a_task_ignores_is_not_released_and_its_late_exit_changes_nothing() {
    let mut bench = Bench::leading(1);
    time_to_stop(&mut bench, &Event::Shutdown, Heeds::Nothing, false);
    assert!(bench.reported(&Report::Overrun { token: token(1) }));
    assert!(bench.times(What::Release).is_empty());
    bench.exit(TaskExit::Aborted);
    bench.run_to(secs(100));
    assert!(bench.times(What::Release).is_empty(), "the host is gone; the lease has run out by itself");
}

#[test]
fn invariant_15_a_candidate_that_left_nothing_in_the_store_stops_at_once() {
    let mut bench = Bench::new();
    bench.held(held());
    bench.tell(Event::Shutdown);
    assert!(bench.election.is_stopped());
    assert!(bench.times(What::Release).is_empty());
}

#[test]
fn invariant_15_a_candidate_that_is_told_to_stop_when_a_poll_is_due_sends_no_further_acquire() {
    for event in [Event::Shutdown, Event::Abandoned] {
        let mut bench = Bench::new();
        bench.held(held());
        bench.tell_late(secs(5), event);
        assert!(bench.election.is_stopped());
        assert_eq!(bench.times(What::Acquire), [secs(0)], "it would have to be waited for, and to be released");
    }
}

#[test]
fn invariant_8_a_candidate_that_may_hold_a_lease_unknowingly_releases_it_before_it_stops() {
    let mut bench = Bench::new();
    bench.run_to(secs(2));
    bench.tell(Event::Shutdown);
    // The acquire in flight is waited for; it gets no answer.
    bench.run_to(secs(3));
    assert_eq!((bench.last().what, bench.last().claim.id), (What::Release, bench.sent[0].claim.id));
    bench.released();
    assert!(bench.election.is_stopped());
    assert!(!bench.reported(&Report::ReleaseFailed));
}

/// Whatever makes the attempts fail: this is what the platform's grace period is chosen by.
#[test]
fn invariant_15_a_release_takes_no_longer_than_two_attempts() {
    for last_failure_at in 0..6 {
        let mut bench = Bench::leading(1);
        bench.tell(Event::Shutdown);
        bench.exit(TaskExit::Succeeded);
        for at in 0..=last_failure_at {
            bench.run_to(secs(at));
            bench.fail(UNKNOWN);
        }
        // From here on the store hangs.
        bench.run_to(secs(6));
        assert!(bench.election.is_stopped(), "failures until {last_failure_at} s, then silence");
    }
}
