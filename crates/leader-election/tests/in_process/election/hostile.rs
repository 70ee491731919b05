//! Invariant 14: what a store says is untrusted. No panic, no overflow, no endless wait, no shorter safety.

use std::time::Duration;

use leader_election::election::{Event, Failure, Report, TaskExit};
use leader_election::{Held, Timing};

use crate::election::bench::{Bench, LEASE, Order, What, document, held, ms, secs};

fn held_for(lease: Duration) -> Held {
    Held::default().with_lease(Some(lease))
}

fn foreign_leases(bench: &Bench) -> Vec<Duration> {
    let lease = |report: &Report| match report {
        Report::ForeignLease { lease } => Some(*lease),
        _ => None,
    };
    bench.reports.iter().filter_map(|(_, report)| lease(report)).collect()
}

#[test]
fn invariant_14_an_endless_grant_is_valid_no_longer_than_the_lease_asked_for() {
    for lease in [LEASE + secs(1), Timing::MAX_LEASE, Duration::MAX] {
        let mut bench = Bench::new();
        bench.grant_for(1, lease);
        assert_eq!(bench.valid_until(), Some(secs(14)));
        bench.run_to(secs(60));
        assert_eq!(bench.orders.last(), Some(&(secs(14), Order::Abort)));
    }
}

#[test]
fn invariant_14_a_grant_of_nothing_starts_no_task() {
    for lease in [Duration::ZERO, Duration::from_nanos(1), secs(1), secs(4)] {
        let mut bench = Bench::new();
        bench.grant_for(1, lease);
        assert!(bench.orders.is_empty(), "{lease:?} leaves no time before the token would be cancelled");
        assert_eq!(bench.last().what, What::Release);
        assert_eq!(bench.valid_until(), None);
    }
}

#[test]
fn invariant_14_a_store_that_grants_nothing_again_and_again_makes_no_hot_loop() {
    let mut bench = Bench::new();
    let mut value = 0;
    while bench.now() < secs(100) {
        value += 1;
        bench.grant_for(value, Duration::ZERO);
        bench.released();
        let next = bench.next_timeout().expect("it goes on");
        bench.run_to(next);
    }
    assert!(value <= 51, "{value} candidacies in 50 rests");
}

#[test]
fn invariant_14_the_highest_token_there_is_does_not_overflow() {
    let mut bench = Bench::leading((1 << 53) - 1);
    bench.exit(TaskExit::Succeeded);
    bench.released();
    bench.run_to(secs(2));
    bench.grant((1 << 53) - 1);
    assert_eq!(bench.orders.len(), 1);
}

#[test]
fn invariant_14_a_foreign_lease_longer_than_ours_is_reported_once() {
    let mut bench = Bench::new();
    bench.held(held_for(secs(60)));
    bench.deny_to(secs(30), &held_for(secs(60)));
    assert_eq!(foreign_leases(&bench), [secs(60)]);
    bench.deny_to(secs(60), &held_for(secs(30)));
    assert_eq!(foreign_leases(&bench), [60, 30].map(secs), "another mismatch is another report");
}

#[test]
fn invariant_14_a_foreign_lease_that_is_not_longer_than_ours_is_no_mismatch() {
    for lease in [Duration::ZERO, secs(1), LEASE] {
        let mut bench = Bench::new();
        bench.held(held_for(lease));
        bench.deny_to(secs(30), &held_for(lease));
        assert!(foreign_leases(&bench).is_empty());
    }
}

#[test]
fn invariant_14_absurd_foreign_leases_do_not_keep_a_candidate_from_asking() {
    for lease in [Duration::MAX, Duration::ZERO, Duration::from_nanos(1)] {
        for record in [held_for(lease), document("v").with_lease(Some(lease))] {
            let mut bench = Bench::new();
            bench.held(record.clone());
            bench.deny_to(secs(100), &record);
            assert!((100..=110).contains(&bench.sent.len()), "{lease:?}: {} requests", bench.sent.len());
            bench.run_to(secs(101));
            bench.grant(1);
            assert!(bench.valid_now(), "{lease:?}");
        }
    }
}

#[test]
fn invariant_14_absurd_hints_neither_silence_a_candidate_nor_make_a_hot_loop() {
    for wait in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
        let hint = held().with_retry_after(Some(wait));
        let mut bench = Bench::new();
        bench.held(hint.clone());
        bench.deny_to(secs(10), &hint);
        assert!((10..=101).contains(&bench.sent.len()), "{wait:?}: {} requests in 10 polls", bench.sent.len());
    }
}

#[test]
fn invariant_14_absurd_waits_after_a_failure_neither_silence_a_candidate_nor_make_a_hot_loop() {
    for wait in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
        let mut bench = Bench::new();
        for _ in 0..10 {
            bench.fail(Failure::Unknown { retry_after: Some(wait) });
            let next = bench.next_timeout().expect("it goes on");
            bench.run_to(next);
        }
        assert!(bench.now() >= secs(9), "{wait:?}: {:?}", bench.now());
        assert!(bench.now() <= LEASE * 10, "{wait:?}: {:?}", bench.now());
    }
}

/// The end of time is 584 years away; arithmetic near it saturates.
#[test]
fn invariant_14_an_election_at_the_end_of_time_does_not_panic() {
    let end = Duration::from_nanos(u64::MAX);
    let mut bench = Bench::new();
    bench.held(document("v"));
    bench.late_to(end - ms(1));
    bench.grant(1);
    assert!(bench.orders.is_empty(), "there is no time left to lead in");
    bench.tell(Event::Shutdown);
    bench.released();
    assert!(bench.election.is_stopped());
}
