//! A candidate of a document store: when may it replace a record?

use std::time::Duration;

use leader_election::election::{Event, TaskExit};
use leader_election::{Timing, Version};

use crate::election::bench::{Bench, LEASE, UNKNOWN, document, held, ms, secs};

fn version(name: &str) -> Option<Version> {
    Some(Version::new(name).expect("valid"))
}

/// A candidate that has read version `v` at zero and since then; it asks next at 14.75 s and, if nothing comes in
/// between, as soon as the version has lapsed.
fn watching_a_dead_leader() -> Bench {
    let mut bench = Bench::new();
    bench.held(document("v"));
    bench.deny_to(ms(14_000), &document("v"));
    bench
}

#[test]
fn invariant_3_a_version_lapses_a_whole_lease_after_the_end_of_the_read_that_first_showed_it() {
    let mut bench = Bench::new();
    // The read was sent at zero and ends at two seconds: nobody knows when in between the leader renewed.
    bench.run_to(secs(2));
    bench.held(document("v"));
    bench.deny_to(secs(17), &document("v"));
    let first = bench.sent.iter().find(|sent| sent.lapsed.is_some()).expect("it lapses");
    assert_eq!((first.at, &first.lapsed), (secs(17), &version("v")));
}

#[test]
fn invariant_13_a_lapsed_version_is_replaced_at_once_and_not_at_the_next_poll() {
    let mut bench = watching_a_dead_leader();
    bench.deny_to(ms(14_999), &document("v"));
    assert_eq!(bench.last().at, ms(14_750), "the last poll before");
    assert_eq!(bench.last().lapsed, None);
    bench.run_to(secs(15));
    assert_eq!((bench.last().at, &bench.last().lapsed), (secs(15), &version("v")));
}

/// Found by the simulator, seed 1752.
#[test]
fn invariant_13_a_version_that_lapses_while_a_poll_is_on_its_way_is_replaced_at_once() {
    let mut bench = watching_a_dead_leader();
    bench.run_to(ms(14_750));
    assert_eq!((bench.last().at, &bench.last().lapsed), (ms(14_750), &None), "the last poll before");
    bench.run_to(ms(15_200));
    bench.held(document("v"));
    bench.run_to(ms(15_200));
    assert_eq!((bench.last().at, &bench.last().lapsed), (ms(15_200), &version("v")));
}

#[test]
fn invariant_3_a_version_that_moves_is_watched_anew() {
    let mut bench = Bench::new();
    bench.held(document("0"));
    // A leader that renews each 5 s.
    for second in 1..100 {
        bench.deny_to(secs(second), &document(&(second / 5).to_string()));
    }
    assert!(bench.sent.iter().all(|sent| sent.lapsed.is_none()), "the leader lives");
    // The poll at 94.75 s was the first to read its last version.
    bench.deny_to(secs(120), &document("19"));
    let lapsed = bench.sent.iter().find(|sent| sent.lapsed.is_some()).expect("the leader is dead");
    assert_eq!((lapsed.at, &lapsed.lapsed), (ms(94_750) + LEASE, &version("19")));
}

#[test]
fn invariant_3_a_record_with_a_longer_lease_is_watched_for_as_long_as_that() {
    let long = document("v").with_lease(Some(secs(40)));
    let mut bench = Bench::new();
    bench.held(long.clone());
    bench.deny_to(secs(41), &long);
    let lapsed = bench.sent.iter().find(|sent| sent.lapsed.is_some()).expect("it lapses");
    assert_eq!(lapsed.at, secs(40));
}

#[test]
fn invariant_3_a_record_that_vanished_in_between_is_watched_anew() {
    let mut bench = watching_a_dead_leader();
    // One answer without a version: released and taken by a store that did not say more.
    bench.run_to(ms(14_750));
    bench.held(held());
    bench.deny_to(secs(40), &document("v"));
    let lapsed = bench.sent.iter().find(|sent| sent.lapsed.is_some()).expect("it lapses");
    assert_eq!(lapsed.at, ms(15_750) + LEASE);
}

#[test]
fn invariant_3_reads_that_failed_neither_show_nor_hide_a_version() {
    let mut bench = Bench::new();
    bench.held(document("v"));
    for _ in 0..20 {
        let next = bench.next_timeout().expect("it goes on");
        bench.run_to(next);
        bench.fail(UNKNOWN);
    }
    let lapsed = bench.sent.iter().find(|sent| sent.lapsed.is_some()).expect("it lapses");
    // Nothing was read between 0 s and 15 s; what is replaced must still be that very version, or the store refuses.
    assert!(lapsed.at >= LEASE && lapsed.at <= LEASE + secs(1), "{:?}", lapsed.at);
}

#[test]
fn invariant_13_a_lapsed_record_that_cannot_be_replaced_makes_no_hot_loop() {
    let mut bench = watching_a_dead_leader();
    bench.deny_to(secs(30), &document("v"));
    let tries: Vec<_> = bench.sent.iter().filter(|sent| sent.lapsed.is_some()).map(|sent| sent.at).collect();
    assert_eq!(tries, (15..=30).map(secs).collect::<Vec<_>>(), "once per poll");
}

#[test]
fn invariant_7_nothing_seen_before_a_term_counts_after_it() {
    let mut bench = watching_a_dead_leader();
    bench.run_to(ms(14_750));
    bench.grant(1);
    bench.exit(TaskExit::Succeeded);
    bench.released();
    bench.run_to(ms(16_750));
    assert_eq!(bench.last().lapsed, None);
    bench.held(document("v"));
    bench.deny_to(secs(30), &document("v"));
    assert!(bench.sent.iter().all(|sent| sent.lapsed.is_none()));
}

#[test]
fn invariant_7_nothing_seen_before_a_grant_that_came_too_late_counts_after_it() {
    let mut bench = watching_a_dead_leader();
    bench.run_to(secs(15));
    bench.grant_for(1, secs(2));
    bench.released();
    bench.run_to(secs(17));
    assert_eq!((bench.last().at, &bench.last().lapsed), (secs(17), &None));
}

#[test]
fn invariant_12_a_jump_of_the_clock_starts_the_observation_anew() {
    let mut bench = watching_a_dead_leader();
    let seen = bench.now();
    bench.tell(Event::ClockJumped);
    bench.deny_to(seen + LEASE, &document("v"));
    assert!(bench.sent.iter().all(|sent| sent.lapsed.is_none()));
    bench.deny_to(seen + LEASE + secs(1), &document("v"));
    assert_eq!(bench.last().lapsed, version("v"));
}

/// The driver learns of a jump by reading a time that lies after it: in the core's eyes the poll and the lapse are both
/// due in the very call that tells of the jump.
#[test]
fn invariant_12_a_jump_over_the_lapse_starts_the_observation_anew() {
    let mut bench = Bench::new();
    bench.held(document("v"));
    bench.tell_late(secs(40), Event::ClockJumped);
    assert_eq!(bench.last().lapsed, None, "the leader may have renewed a second ago: it saw no jump");
}

#[test]
fn invariant_12_a_jump_while_a_read_is_in_flight_starts_the_observation_anew() {
    let mut bench = watching_a_dead_leader();
    bench.run_to(ms(14_750));
    bench.tell_late(ms(14_800) + secs(60), Event::ClockJumped);
    assert!(bench.sent.iter().all(|sent| sent.lapsed.is_none()));
}

/// A store that tells a version but not how long its lease is: the configured one counts, or nobody would ever lead.
#[test]
fn invariant_14_a_version_without_a_lease_lapses_after_the_configured_one() {
    let unknown = document("v").with_lease(None);
    let mut bench = Bench::new();
    bench.held(unknown.clone());
    bench.deny_to(secs(100), &unknown);
    let lapsed = bench.sent.iter().find(|sent| sent.lapsed.is_some()).expect("it lapses");
    assert_eq!(lapsed.at, LEASE);
}

#[test]
fn invariant_14_a_record_that_lapses_at_once_makes_no_hot_loop() {
    let mut bench = Bench::new();
    let zero = document("v").with_lease(Some(Duration::ZERO));
    bench.held(zero.clone());
    bench.deny_to(secs(10), &zero);
    // A poll each second, and one at the lapse.
    assert!(bench.sent.len() <= 12, "{} requests in 10 polls", bench.sent.len());
}

/// A store whose version moves with each read, or a record written over and over, with a lease of next to nothing.
#[test]
fn invariant_14_records_that_lapse_at_once_again_and_again_make_no_hot_loop() {
    let mut bench = Bench::new();
    let mut reads = 0;
    while bench.now() < secs(1) && reads < 1_000 {
        reads += 1;
        bench.held(document(&reads.to_string()).with_lease(Some(Duration::from_micros(1))));
        let next = bench.next_timeout().expect("it goes on");
        bench.run_to(next);
    }
    assert!(reads <= 11, "{reads} requests within {:?}", bench.now());
}

/// A leader of this election asked for the lease that is configured here. A record that says less must not make anybody
/// wait for less.
#[test]
fn invariant_14_a_short_lease_in_a_record_does_not_make_it_lapse_before_our_own_lease() {
    for short in [Duration::ZERO, Duration::from_nanos(1), ms(1), LEASE - ms(1)] {
        let record = document("v").with_lease(Some(short));
        let mut bench = Bench::new();
        bench.held(record.clone());
        bench.deny_to(secs(16), &record);
        let lapsed = bench.sent.iter().find(|sent| sent.lapsed.is_some()).expect("it lapses");
        assert_eq!(lapsed.at, LEASE, "a lease of {short:?}");
    }
}

/// No leader of this crate has a lease above [`Timing::MAX_LEASE`].
/// Whoever wrote such a record and died must not keep everybody waiting for ever.
#[test]
fn invariant_14_an_absurdly_long_lease_in_a_record_is_not_waited_for_for_ever() {
    let record = document("v").with_lease(Some(Duration::MAX));
    let mut bench = Bench::new();
    bench.held(record.clone());
    bench.deny_to(Timing::MAX_LEASE + secs(1), &record);
    assert!(bench.sent.iter().any(|sent| sent.lapsed.is_some()), "nobody leads until a human acts");
}
