//! What follows a term: a rest that grows, another candidacy, or the end.

use leader_election::election::{AfterTask, Event, TaskExit};

use crate::election::bench::{Bench, LEASE, Order, What, ms, secs, token};

/// Runs `terms` terms, one after another, each of which `end` brings to its end, and returns the rests between them.
fn rests_after(terms: u64, bench: &mut Bench, mut end: impl FnMut(&mut Bench, u64)) -> Vec<u64> {
    let first = 1 + bench.reports.len() as u64;
    let mut rests = vec![];
    for number in first..first + terms {
        bench.grant(number);
        end(bench, number);
        let next = bench.next_timeout().expect("it contends again");
        rests.push((next - bench.now()).as_secs());
        bench.run_to(next);
    }
    rests
}

/// The same for terms of this length whose tasks fail.
fn rests_after_terms_of(length: std::time::Duration, terms: u64, bench: &mut Bench) -> Vec<u64> {
    rests_after(terms, bench, |bench, _| {
        bench.renew_to(bench.now() + length);
        bench.exit(TaskExit::Failed);
        bench.released();
    })
}

#[test]
fn the_rest_after_a_term_doubles_while_terms_are_short_up_to_four_leases() {
    let mut bench = Bench::new();
    assert_eq!(rests_after_terms_of(ms(1), 8, &mut bench), [2, 4, 8, 16, 32, 60, 60, 60]);
    assert_eq!(rests_after_terms_of(LEASE, 2, &mut bench), [2, 2], "a term of a whole lease is a sound one");
    assert_eq!(rests_after_terms_of(LEASE - ms(1), 2, &mut bench), [2, 4]);
}

#[test]
fn a_rest_longer_than_four_leases_is_kept_but_not_doubled() {
    let mut bench = Bench::with(|settings| settings.pause = secs(100));
    assert_eq!(rests_after_terms_of(ms(1), 3, &mut bench), [100, 100, 100]);
}

/// A task that is not to blame for the end of its term does not make its worker's rest longer.
#[test]
fn terms_that_are_lost_at_once_do_not_make_the_rest_longer() {
    let rests = rests_after(4, &mut Bench::new(), |bench, _| {
        bench.run_to(bench.now() + secs(5));
        bench.lost();
        bench.exit(TaskExit::Succeeded);
    });
    assert_eq!(rests, [2, 2, 2, 2]);
}

#[test]
fn terms_that_are_stepped_down_from_do_not_make_the_rest_longer() {
    let rests = rests_after(4, &mut Bench::new(), |bench, number| {
        bench.run_to(bench.now() + secs(1));
        bench.tell(Event::StepDown { token: token(number) });
        bench.exit(TaskExit::Succeeded);
        bench.released();
    });
    assert_eq!(rests, [2, 2, 2, 2]);
}

#[test]
fn a_rest_after_stepping_down_ends_with_news_of_another_worker_but_not_before_a_poll() {
    let mut bench = Bench::with(|settings| settings.pause = secs(8));
    bench.grant(1);
    bench.run_to(secs(1));
    bench.tell(Event::StepDown { token: token(1) });
    bench.exit(TaskExit::Succeeded);
    bench.released();
    bench.tell(Event::Changed);
    assert_eq!(bench.next_timeout(), Some(secs(2)), "it may be the news of its own release: others have a poll");
    bench.run_to(ms(1_950));
    bench.tell(Event::Changed);
    assert_eq!(bench.next_timeout(), Some(secs(2)));
}

#[test]
fn no_news_cut_the_rest_after_a_task_that_ended_by_itself() {
    let mut bench = Bench::with(|settings| settings.pause = secs(8));
    bench.grant(1);
    bench.run_to(secs(1));
    bench.exit(TaskExit::Failed);
    bench.released();
    bench.tell(Event::Changed);
    assert_eq!(bench.next_timeout(), Some(secs(9)));
}

/// A worker that was cut off is needed again as soon as it is back.
#[test]
fn terms_whose_renewals_were_not_answered_do_not_make_the_rest_longer() {
    let rests = rests_after(4, &mut Bench::new(), |bench, _| {
        bench.run_to(bench.now() + secs(12));
        bench.exit(TaskExit::Succeeded);
        bench.released();
    });
    assert_eq!(rests, [2, 2, 2, 2]);
}

#[test]
fn tokens_that_do_not_rise_are_asked_for_ever_more_slowly() {
    let mut bench = Bench::leading(100);
    bench.renew_to(LEASE);
    bench.exit(TaskExit::Succeeded);
    bench.released();
    let mut rests = vec![];
    for round in 1..=4 {
        let next = bench.next_timeout().expect("it contends again");
        rests.push((next - bench.now()).as_secs());
        bench.run_to(next);
        bench.grant(round);
        bench.released();
    }
    assert_eq!(rests, [2, 2, 4, 8]);
}

#[test]
fn a_task_that_ended_by_itself_ends_the_host_if_the_user_says_so() {
    let cases = [
        (TaskExit::Succeeded, AfterTask::EndHost, AfterTask::ContendAgain, true),
        (TaskExit::Succeeded, AfterTask::ContendAgain, AfterTask::EndHost, false),
        (TaskExit::Failed, AfterTask::ContendAgain, AfterTask::EndHost, true),
        (TaskExit::Failed, AfterTask::EndHost, AfterTask::ContendAgain, false),
        (TaskExit::Aborted, AfterTask::ContendAgain, AfterTask::EndHost, true),
    ];
    for (exit, after_success, after_failure, ends) in cases {
        let mut bench = Bench::leading_with(1, |settings| {
            settings.after_success = after_success;
            settings.after_failure = after_failure;
        });
        bench.exit(exit);
        assert_eq!(bench.election.is_finishing(), ends, "{exit:?}");
        assert_eq!(bench.last().what, What::Release, "the lease is released in any case");
        bench.released();
        assert_eq!(bench.election.is_stopped(), ends, "{exit:?}");
    }
}

#[test]
fn a_task_that_was_told_to_end_does_not_end_the_host() {
    for event in [Event::StepDown { token: token(1) }, Event::ClockJumped] {
        let mut bench = Bench::leading_with(1, |settings| {
            settings.after_success = AfterTask::EndHost;
            settings.after_failure = AfterTask::EndHost;
        });
        bench.tell(event.clone());
        bench.exit(TaskExit::Failed);
        bench.released();
        assert!(!bench.election.is_finishing(), "{event:?}");
        bench.run_to(secs(2));
        assert_eq!(bench.last().what, What::Acquire, "{event:?}");
    }
}

#[test]
fn a_single_term_ends_the_election_however_it_ends() {
    type End = fn(&mut Bench);
    let ends: [End; 4] = [
        |_| {},
        |bench| bench.tell(Event::StepDown { token: token(1) }),
        |bench| bench.tell(Event::ClockJumped),
        |bench| {
            bench.run_to(secs(5));
            bench.lost();
        },
    ];
    for end in ends {
        let mut bench = Bench::leading_with(1, |settings| settings.single_term = true);
        end(&mut bench);
        assert!(!bench.election.is_stopped());
        bench.exit(TaskExit::Succeeded);
        if bench.last().what == What::Release {
            bench.released();
        }
        assert!(bench.election.is_stopped());
    }
}

#[test]
fn a_single_term_is_not_spent_on_a_grant_that_came_too_late() {
    let mut bench = Bench::with(|settings| settings.single_term = true);
    bench.run_to(ms(2_900));
    bench.grant_for(1, secs(6));
    bench.released();
    let next = bench.next_timeout().expect("it contends again");
    bench.run_to(next);
    bench.grant(2);
    assert_eq!(bench.orders, [(next, Order::Start(token(2)))]);
}
