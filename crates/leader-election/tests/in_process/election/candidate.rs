//! A candidate of a lease store: when it asks, with which claim, and what it makes of the answers.

use leader_election::election::{Event, Failure, Report, TaskExit};
use leader_election::{Held, Timing, TimingOptions};

use crate::election::bench::{Bench, LEASE, UNKNOWN, What, held, ms, secs, token};

fn hint(retry_after: std::time::Duration) -> Held {
    held().with_retry_after(Some(retry_after))
}

#[test]
fn invariant_13_a_candidate_asks_at_once_and_then_once_per_poll() {
    let mut bench = Bench::new();
    bench.held(held());
    bench.deny_to(ms(4_000), &held());
    assert_eq!(bench.times(What::Acquire), [0, 750, 1_750, 2_750, 3_750].map(ms));
}

#[test]
fn invariant_13_the_first_poll_comes_at_a_random_time_between_half_a_poll_and_a_whole_one() {
    for (fraction, first) in [(0.0, 500), (0.2, 600), (0.98, 990)] {
        let mut bench = Bench::with_fraction(fraction, |_| {});
        bench.held(held());
        bench.deny_to(secs(3), &held());
        let times = bench.times(What::Acquire);
        assert_eq!(times[..3], [0, first, first + 1_000].map(ms), "only the first interval is cut");
    }
}

#[test]
fn invariant_13_the_poll_interval_counts_from_request_to_request() {
    let mut bench = Bench::new();
    bench.run_to(ms(700));
    bench.held(held());
    assert_eq!(bench.next_timeout(), Some(ms(750)));
    bench.run_to(ms(750));
    // An answer that takes longer than the interval is followed at once, and by one request.
    bench.run_to(ms(2_750));
    bench.held(held());
    assert_eq!(bench.times(What::Acquire), [0, 750, 2_750].map(ms));
    bench.run_to(ms(5_700));
    assert_eq!(bench.times(What::Acquire).len(), 3);
}

#[test]
fn invariant_13_an_unanswered_acquire_is_given_up_and_sent_again_without_a_pause() {
    let mut bench = Bench::new();
    bench.run_to(ms(2_999));
    assert_eq!(bench.times(What::Acquire).len(), 1);
    bench.run_to(secs(9));
    assert_eq!(bench.times(What::Acquire), [0, 3, 6, 9].map(secs));
}

#[test]
fn invariant_13_a_failed_acquire_is_repeated_at_the_next_poll() {
    let mut bench = Bench::new();
    bench.fail(UNKNOWN);
    bench.run_to(secs(1));
    bench.fail(UNKNOWN);
    bench.run_to(secs(2));
    assert_eq!(bench.times(What::Acquire), [0, 750, 1_750].map(ms));
}

#[test]
fn invariant_13_a_store_that_knows_the_expiry_is_asked_right_then() {
    let mut bench = Bench::new();
    bench.held(hint(ms(300)));
    assert_eq!(bench.next_timeout(), Some(ms(300)));
    // It counts from the answer.
    bench.run_to(ms(500));
    bench.held(hint(ms(300)));
    assert_eq!(bench.next_timeout(), Some(ms(800)));
}

#[test]
fn invariant_13_a_later_expiry_does_not_put_off_the_poll() {
    let mut bench = Bench::new();
    bench.held(hint(secs(10)));
    assert_eq!(bench.next_timeout(), Some(ms(750)));
}

#[test]
fn invariant_13_a_change_that_the_store_tells_hastens_the_poll_but_never_puts_it_off() {
    let mut bench = Bench::new();
    bench.held(held());
    bench.run_to(ms(200));
    bench.tell(Event::Changed);
    assert_eq!(bench.next_timeout(), Some(ms(300)));
    for at in [220, 250, 290] {
        bench.run_to(ms(at));
        bench.tell(Event::Changed);
        assert_eq!(bench.next_timeout(), Some(ms(300)), "a second change puts nothing off");
    }
    bench.run_to(ms(300));
    bench.held(held());
    bench.run_to(ms(1_250));
    bench.tell(Event::Changed);
    assert_eq!(bench.next_timeout(), Some(ms(1_300)), "the poll itself comes first");
}

#[test]
fn invariant_13_a_change_while_an_attempt_is_in_flight_is_not_lost() {
    let mut bench = Bench::new();
    // The acquire may have found the lease held just before it was released.
    bench.tell(Event::Changed);
    bench.run_to(ms(50));
    bench.held(held());
    assert_eq!(bench.next_timeout(), Some(ms(150)));
    // And it is followed by one attempt, not by all.
    bench.run_to(ms(150));
    bench.held(held());
    assert_eq!(bench.next_timeout(), Some(ms(1_150)));
}

#[test]
fn invariant_13_a_store_that_changes_all_the_time_makes_no_hot_loop() {
    let mut bench = Bench::new();
    bench.held(held());
    for at in 1..10_000 {
        bench.deny_to(ms(at), &held());
        bench.tell(Event::Changed);
    }
    assert!(bench.sent.len() <= 101, "{} requests in 10 polls", bench.sent.len());
}

#[test]
fn invariant_13_a_change_does_not_cut_the_rest_after_a_term() {
    let mut bench = Bench::leading(1);
    bench.run_to(secs(1));
    bench.exit(TaskExit::Succeeded);
    bench.released();
    for at in 1_100..2_999 {
        bench.run_to(ms(at));
        bench.tell(Event::Changed);
    }
    assert_eq!(bench.times(What::Acquire), [secs(0)]);
    bench.run_to(secs(3));
    assert_eq!(bench.times(What::Acquire), [0, 3].map(secs));
}

#[test]
fn invariant_13_a_busy_store_is_given_the_time_it_asks_for_but_a_lease_at_most() {
    let busy = |retry_after| Failure::Unknown { retry_after: Some(retry_after) };
    for (wait, until) in [(ms(200), ms(750)), (secs(5), secs(5)), (secs(15), LEASE), (secs(86_400), LEASE)] {
        let mut bench = Bench::new();
        bench.fail(busy(wait));
        assert_eq!(bench.next_timeout(), Some(until));
    }
}

#[test]
fn invariant_8_an_acquire_without_an_answer_is_repeated_with_the_same_claim() {
    let mut bench = Bench::new();
    let first = bench.last().claim.clone();
    assert!(!bench.last().unsettled, "nothing was sent before");
    bench.run_to(secs(3));
    assert_eq!(bench.last().claim.id, first.id);
    assert!(bench.last().unsettled);
    bench.fail(UNKNOWN);
    bench.run_to(secs(4));
    assert_eq!(bench.last().claim.id, first.id);
    assert!(bench.last().unsettled);
}

#[test]
fn invariant_8_a_refused_acquire_is_unsettled_too() {
    // It may have been the second of a store's requests that was refused.
    let mut bench = Bench::with(|settings| settings.stop_if_refused_at_start = false);
    bench.fail(Failure::Refused);
    bench.run_to(secs(5));
    assert!(bench.last().unsettled);
}

#[test]
fn invariant_8_a_claim_stays_unsettled_until_a_whole_lease_has_passed() {
    let mut bench = Bench::new();
    let id = bench.last().claim.id;
    bench.fail(UNKNOWN);
    // Sent at 0.75 s, 1.75 s and so on. The acquire at 15.75 s is the first one that is sent a lease after the lost
    // one, and it is unsettled still: only its answer shows that the lost one came to nothing.
    bench.deny_to(secs(20), &held());
    for sent in &bench.sent {
        assert_eq!(sent.claim.id, id, "one claim for one candidacy");
        assert_eq!(sent.unsettled, sent.at > secs(0) && sent.at <= ms(15_750), "at {:?}", sent.at);
    }
}

#[test]
fn invariant_8_each_lost_answer_makes_the_claim_unsettled_anew() {
    let mut bench = Bench::new();
    bench.fail(UNKNOWN);
    bench.deny_to(secs(10), &held());
    bench.run_to(ms(10_750));
    bench.fail(UNKNOWN);
    bench.deny_to(secs(40), &held());
    let settled = bench.sent[1..].iter().find(|sent| !sent.unsettled).expect("settled in the end");
    assert_eq!(settled.at, ms(10_750) + LEASE + secs(1));
}

#[test]
fn invariant_8_answers_that_came_leave_nothing_unsettled() {
    let mut bench = Bench::new();
    bench.held(held());
    bench.deny_to(secs(20), &held());
    assert!(bench.sent.iter().all(|sent| !sent.unsettled));
}

#[test]
fn invariant_7_each_candidacy_has_a_new_claim() {
    let mut bench = Bench::new();
    let mut ids = vec![];
    for round in 1..=5 {
        bench.fail(UNKNOWN);
        bench.run_to(bench.now() + secs(1));
        assert!(!ids.contains(&bench.last().claim.id));
        ids.push(bench.last().claim.id);
        bench.grant(round);
        bench.exit(TaskExit::Failed);
        bench.released();
        let rest = bench.next_timeout().expect("a next candidacy");
        bench.run_to(rest);
        assert!(!bench.last().unsettled, "the new claim has no past");
    }
}

#[test]
fn a_first_answer_that_refuses_ends_the_election() {
    let mut bench = Bench::new();
    bench.fail(UNKNOWN);
    bench.run_to(secs(1));
    bench.fail(Failure::Refused);
    // The refused acquire may have left something; one release is owed, and it is refused as well.
    assert_eq!(bench.last().what, What::Release);
    bench.fail(Failure::Refused);
    assert!(bench.election.is_stopped());
}

#[test]
fn a_first_answer_that_refuses_is_tried_again_if_the_user_says_so() {
    let mut bench = Bench::with(|settings| settings.stop_if_refused_at_start = false);
    bench.fail(Failure::Refused);
    assert!(!bench.election.is_finishing());
    bench.run_to(secs(10));
    assert_eq!(bench.times(What::Acquire)[..2], [0, 5].map(secs), "a third of a lease later");
}

#[test]
fn a_refusal_after_the_store_has_once_answered_never_ends_the_election() {
    let mut bench = Bench::new();
    bench.held(held());
    for _ in 0..10 {
        let next = bench.next_timeout().expect("it goes on");
        bench.run_to(next);
        bench.fail(Failure::Refused);
    }
    let gaps: Vec<_> = bench.times(What::Acquire).windows(2).skip(1).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| *gap == secs(5)), "a refusal takes a human, so there is no hurry: {gaps:?}");

    let next = bench.next_timeout().expect("it goes on");
    bench.run_to(next);
    bench.grant(9);
    assert!(bench.reported(&Report::Elected { token: token(9) }), "and it leads once the human has acted");
}

#[test]
fn a_refusal_after_a_term_does_not_end_the_election() {
    let mut bench = Bench::leading(1);
    bench.exit(TaskExit::Succeeded);
    bench.released();
    bench.run_to(secs(2));
    bench.fail(Failure::Refused);
    assert!(!bench.election.is_finishing());
}

/// Such as a proxy that weakens ETags, or a tool that rewrites the record all the time: nobody leads, and nobody is told.
#[test]
fn refusals_that_name_no_leader_are_told_when_they_repeat() {
    let silent = Held::default;
    let mut bench = Bench::new();
    bench.held(silent());
    bench.deny_to(ms(1_500), &silent());
    assert!(!bench.reported(&Report::RefusedWithoutLeader), "a race or two are nothing to tell");
    bench.deny_to(secs(60), &silent());
    let told = |bench: &Bench| bench.reports.iter().filter(|(_, r)| *r == Report::RefusedWithoutLeader).count();
    assert_eq!(told(&bench), 1, "once");
    bench.deny_to(secs(70), &held());
    bench.deny_to(secs(80), &silent());
    assert_eq!(told(&bench), 2, "and again after a leader was seen");
}

/// A store that grants a lease and writes the leader's name takes two requests for it, which an attempt may take its whole time for.
#[test]
fn refusals_without_a_name_are_told_no_sooner_than_a_new_leader_has_had_time_to_write_its_own() {
    let often = TimingOptions { poll_every: ms(100), ..TimingOptions::default() };
    let timing = Timing::new(often).expect("it can be");
    let limit = timing.attempt_timeout();
    let mut bench = Bench::with(|settings| settings.timing = timing);
    bench.held(Held::default());
    bench.deny_to(limit - ms(100), &Held::default());
    assert!(!bench.reported(&Report::RefusedWithoutLeader), "its name may still be on its way");
    bench.deny_to(limit * 2, &Held::default());
    assert!(bench.reported(&Report::RefusedWithoutLeader));
}
