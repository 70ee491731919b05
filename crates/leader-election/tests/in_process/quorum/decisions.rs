//! What a quorum decides, answer by answer.

use leader_election::FencingToken;
use leader_election::quorum::{Answer, Ballot, Outcome, Sight, Step, Tally, Verdict, Vote};

fn token(number: u64) -> FencingToken {
    FencingToken::new(number).expect("in range")
}

fn nothing_lapses(_: usize) -> bool {
    false
}

/// A ballot of which these members have told their tokens, and all are free.
fn asked(members: usize, tokens: &[(usize, Option<u64>)]) -> (Ballot, Step) {
    let mut ballot = Ballot::new(vec![false; members], None, None);
    assert_eq!(ballot.step(&nothing_lapses), Step::Look);
    for (member, latest) in tokens {
        ballot.hear(*member, 1, Answer::Seen(Sight { held: false, token: latest.map(token) }));
    }
    let step = ballot.step(&nothing_lapses);
    (ballot, step)
}

#[test]
fn each_member_counts_once() {
    let mut tally = Tally::new(vec![false; 5]);
    for _ in 0..3 {
        tally.hear(2, Vote::Yes);
        tally.hear(3, Vote::Yes);
    }
    assert_eq!(tally.verdict(), Verdict::Wait, "two of five");
    tally.hear(3, Vote::No);
    tally.hear(0, Vote::Yes);
    assert_eq!(tally.verdict(), Verdict::Yes);

    let (mut ballot, _) = asked(3, &[(0, None), (1, None)]);
    for _ in 0..3 {
        ballot.hear(1, 2, Answer::Granted(token(7)));
    }
    assert_eq!(ballot.step(&nothing_lapses), Step::Wait, "one of three");
    ballot.hear(2, 2, Answer::Granted(token(7)));
    assert_eq!(ballot.step(&nothing_lapses), Step::Over(Outcome::Granted(token(7))));
}

#[test]
fn an_answer_to_an_earlier_request_is_not_heard() {
    let (mut ballot, _) = asked(3, &[(0, Some(3)), (1, Some(3))]);
    ballot.hear(2, 1, Answer::Seen(Sight { held: true, token: Some(token(9)) }));
    ballot.hear(0, 2, Answer::Granted(token(4)));
    ballot.hear(1, 2, Answer::Granted(token(6)));
    assert_eq!(ballot.step(&nothing_lapses), Step::Ask { round: 3, members: vec![(0, Some(token(5)))] });
    ballot.hear(0, 2, Answer::Granted(token(6)));
    assert_eq!(ballot.step(&nothing_lapses), Step::Wait, "it was asked once more since");
    ballot.hear(0, 3, Answer::Granted(token(6)));
    assert_eq!(ballot.step(&nothing_lapses), Step::Over(Outcome::Granted(token(6))));
}

#[test]
fn all_are_asked_above_the_highest_token_that_any_has_told_and_one_without_a_record_tells_its_own() {
    let (_, step) = asked(3, &[(0, Some(3)), (1, Some(8))]);
    let floor = Some(token(8));
    assert_eq!(step, Step::Ask { round: 2, members: vec![(0, floor), (1, floor), (2, floor)] });
    let (_, step) = asked(3, &[(0, None), (1, Some(8))]);
    assert_eq!(step, Step::Ask { round: 2, members: vec![(0, None), (1, floor), (2, floor)] });
}

#[test]
fn tokens_that_never_agree_are_no_grant() {
    let (mut ballot, _) = asked(3, &[(0, None), (1, None)]);
    let mut next = 10;
    let mut step = Step::Wait;
    for round in 2..10 {
        for member in 0..3 {
            // Clocks that run on, whatever the floor is.
            ballot.hear(member, round, Answer::Granted(token(next)));
            next += 1;
        }
        step = ballot.step(&nothing_lapses);
        if matches!(step, Step::Over(_)) {
            break;
        }
    }
    assert_eq!(step, Step::Over(Outcome::Unknown));
    assert_eq!(ballot.may_hold().count(), 3, "all is given back");
}

#[test]
fn whoever_was_silent_before_is_not_waited_for_once_a_majority_has_answered() {
    let seen = |held| Answer::Seen(Sight { held, token: None });
    for (silent, outcome) in [(false, Step::Wait), (true, Step::Over(Outcome::Held))] {
        let mut ballot = Ballot::new(vec![false, false, silent], None, None);
        ballot.step(&nothing_lapses);
        ballot.hear(0, 1, seen(true));
        ballot.hear(1, 1, seen(false));
        assert_eq!(ballot.step(&nothing_lapses), outcome);
    }
}

/// Rule 4, where a member without a record has told a token of its own clock after the majority had agreed.
#[test]
fn a_claim_that_is_granted_again_keeps_its_token_whatever_a_slower_member_has_granted_since() {
    let again = || {
        let mut ballot = Ballot::new(vec![false; 3], None, Some(Some(token(5))));
        assert!(matches!(ballot.step(&nothing_lapses), Step::Ask { round: 2, .. }));
        ballot.hear(0, 2, Answer::Granted(token(5)));
        ballot.hear(2, 2, Answer::Granted(token(9)));
        assert_eq!(ballot.step(&nothing_lapses), Step::Wait, "the third may have it as well");
        ballot
    };
    let mut kept = again();
    kept.hear(1, 2, Answer::Granted(token(5)));
    assert_eq!(kept.step(&nothing_lapses), Step::Over(Outcome::Granted(token(5))));

    let mut lost = again();
    lost.hear(1, 2, Answer::Refused);
    let raised = Step::Ask { round: 3, members: vec![(0, Some(token(8)))] };
    assert_eq!(lost.step(&nothing_lapses), raised, "no majority has it any more");
}
