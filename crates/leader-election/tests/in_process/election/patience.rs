//! How long an acquire is waited for: as long as the store has shown to need, and no longer than an attempt may take.

use std::time::Duration;

use leader_election::{Timing, TimingOptions};

use crate::election::bench::{Bench, LEASE, What, held, ms, secs};

/// A candidate whose every look was answered at once until then.
fn spoilt_to(end: Duration) -> Bench {
    spoilt_with(end, |_| {})
}

fn spoilt_with(end: Duration, change: impl FnOnce(&mut TimingOptions)) -> Bench {
    let mut options = TimingOptions::for_lease(LEASE);
    change(&mut options);
    let mut bench = Bench::with(|settings| settings.timing = Timing::new(options).expect("valid"));
    bench.held(held());
    bench.deny_to(end, &held());
    bench
}

/// Answers every acquire that is not given up before, so late, until then.
fn deny_after(bench: &mut Bench, delay: Duration, end: Duration) {
    while bench.now() < end {
        let (sent, asked) = (bench.last().at, bench.sent.len());
        bench.run_to(sent + delay);
        if bench.sent.len() == asked {
            bench.held(held());
        }
        if bench.sent.len() == asked {
            let poll = bench.next_timeout().expect("it polls");
            bench.run_to(poll);
        }
    }
}

fn waits(bench: &Bench) -> Vec<Duration> {
    let times = bench.times(What::Acquire);
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn invariant_13_where_the_store_answers_fast_a_lost_acquire_costs_a_poll_and_each_further_one_twice_as_much() {
    let mut bench = spoilt_to(ms(3_750));
    let answered = bench.sent.len();
    bench.run_to(secs(20));
    let times: Vec<_> = bench.times(What::Acquire).split_off(answered);
    // As long as an attempt may take, at the most.
    assert_eq!(times, [4_750, 5_750, 7_250, 10_250, 13_250, 16_250, 19_250].map(ms));
    assert_eq!(bench.abandoned.len(), 6);
}

#[test]
fn invariant_13_a_takeover_is_a_poll_later_when_its_first_request_is_lost() {
    let mut bench = spoilt_to(ms(19_750));
    bench.run_to(ms(20_750));
    let lost = bench.last().clone();
    bench.run_to(ms(21_750));
    let next = bench.last().clone();
    assert_eq!((next.at, next.claim.id), (ms(21_750), lost.claim.id));
    assert!(next.unsettled, "invariant 8: it may still arrive");
    bench.grant(7);
    assert!(bench.task_runs());
}

#[test]
fn invariant_13_a_slow_network_settles_on_the_patience_that_it_needs() {
    let mut bench = spoilt_to(ms(3_750));
    bench.run_to(ms(4_750));
    deny_after(&mut bench, ms(1_200), secs(120));
    assert_eq!(bench.abandoned.len(), 1, "only the first of the slow ones is given up");
    let waits = waits(&bench);
    assert!(waits[10..].iter().all(|wait| *wait == ms(1_200)), "{waits:?}");
}

#[test]
fn invariant_13_answers_that_are_neither_fast_nor_slow_leave_the_patience_as_it_is() {
    // A grant takes up to three requests where a look takes one: an answer within a quarter of the time leaves room for that.
    for (delay, patience) in [(250, 1_000), (260, 1_500), (380, 3_000)] {
        let mut bench = Bench::new();
        deny_after(&mut bench, ms(delay), secs(10));
        let sent = bench.last().at;
        bench.run_to(sent + ms(patience) - ms(1));
        assert_eq!((bench.last().at, bench.abandoned.len()), (sent, 0), "answers after {delay} ms");
        bench.run_to(sent + ms(patience));
        assert_eq!((bench.last().at, bench.abandoned.len()), (bench.now(), 1), "answers after {delay} ms");
    }
}

#[test]
fn invariant_13_before_the_first_answer_an_acquire_has_the_whole_time_of_an_attempt() {
    // The first one connects, and asks for a token.
    let mut bench = Bench::new();
    bench.run_to(ms(2_900));
    bench.held(held());
    assert_eq!(bench.abandoned, []);
}

#[test]
fn invariant_9_renewals_and_releases_have_the_whole_time_of_an_attempt_however_fast_the_store_was() {
    let mut bench = spoilt_to(ms(3_750));
    bench.run_to(ms(4_750));
    bench.grant(7);
    bench.run_to(secs(13));
    assert_eq!(bench.times(What::Renew), [9_750, 12_750].map(ms));
}

#[test]
fn a_candidate_that_polls_more_seldom_than_attempts_take_is_never_less_patient() {
    let mut bench = spoilt_with(secs(29), |options| options.poll_every = secs(5));
    bench.run_to(secs(32));
    let sent = bench.last().at;
    bench.run_to(sent + ms(7_999));
    assert_eq!(bench.abandoned, []);
    bench.run_to(sent + secs(8));
    assert_eq!(bench.abandoned.len(), 1);
}

#[test]
fn a_candidate_that_polls_very_often_waits_for_a_quarter_of_an_attempt_at_the_least() {
    let mut bench = spoilt_with(secs(1), |options| options.poll_every = ms(10));
    let answered = bench.sent.len();
    bench.run_to(secs(6));
    assert_eq!(waits(&bench).split_off(answered), [750, 1_500].map(ms));
}
