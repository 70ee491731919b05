//! Wrong traces, planted: the referee refuses each by the name of the rule that it breaks, and lets its near-miss pass.
//!
//! `cargo test -p testkit -- --nocapture` prints the table; `PLANTED=OneLeader` prints that rule's traces as JSON lines.

#![allow(clippy::expect_used, clippy::unwrap_used)]

#[path = "planted/cases.rs"]
mod cases;
#[path = "planted/steps.rs"]
mod steps;

use testkit::trace::{from_lines, to_lines};
use testkit::{Event, Referee, Rule, Violation};

/// A trace that breaks a rule with its last event, and one that hardly does not.
pub struct Case {
    rule: Rule,
    /// What is wrong, in words.
    fault: &'static str,
    before: Vec<Event>,
    wrong: Vec<Event>,
    near: Vec<Event>,
}

/// The first violation, and after how many events.
fn judged(trace: &[Event]) -> Option<(usize, Violation)> {
    let mut referee = Referee::default();
    trace.iter().enumerate().find_map(|(number, event)| Some((number + 1, referee.observe(event).err()?)))
}

#[test]
fn each_planted_wrong_trace_is_refused_by_its_rules_name_and_its_near_miss_is_not() {
    let shown = std::env::var("PLANTED").ok();
    let mut wrongly = Vec::new();
    println!("{:<22} {:<10} {:<80} {:<22} near-miss", "rule", "invariant", "planted", "refused by");
    for Case { rule, fault, before, wrong, near } in cases::all() {
        let (wrong, near) = ([&before[..], &wrong].concat(), [&before[..], &near].concat());
        let (refused, passed) = (judged(&wrong), judged(&near));
        let (name, invariants) = (rule.name(), rule.invariants().join(", "));
        let by = refused.as_ref().map_or("nothing", |(_, violation)| violation.rule.name());
        let verdict = if passed.is_none() { "passes" } else { "REFUSED" };
        println!("{name:<22} {invariants:<10} {fault:<80} {by:<22} {verdict}");
        if shown.as_deref() == Some(name) {
            println!("# wrong\n{}# near-miss\n{}", to_lines(&wrong), to_lines(&near));
        }
        let as_planted = refused.as_ref().is_some_and(|(after, violation)| {
            (violation.rule, *after) == (rule, wrong.len()) && violation.to_string().contains(name)
        });
        if !as_planted || passed.is_some() {
            wrongly.push(format!("{name}, {fault}: {refused:?}; the near-miss: {passed:?}"));
        }
    }
    assert!(wrongly.is_empty(), "{}", wrongly.join("\n"));
}

#[test]
fn every_rule_has_a_planted_wrong_trace() {
    let planted: Vec<_> = cases::all().into_iter().map(|case| case.rule).collect();
    let bare: Vec<_> = Rule::ALL.iter().filter(|rule| !planted.contains(rule)).collect();
    assert!(bare.is_empty(), "no trace breaks these: {bare:?}");
}

#[test]
fn every_invariant_that_a_trace_can_show_is_a_rules() {
    for number in (1..=13).chain(15..=17) {
        let number = number.to_string();
        assert!(Rule::ALL.iter().any(|rule| rule.invariants().contains(&number.as_str())), "invariant {number}");
    }
}

#[test]
fn a_trace_that_was_written_and_read_again_is_judged_alike() {
    for case in cases::all() {
        let trace = [case.before, case.wrong].concat();
        let again = from_lines(&to_lines(&trace)).expect("what was written can be read");
        assert_eq!(again, trace);
        assert_eq!(judged(&again).map(|(_, violation)| violation.rule), Some(case.rule));
    }
}

/// A violation is told, and the rules go on from what happened: so a harness may count them.
#[test]
fn the_referee_goes_on_after_a_violation() {
    let case = cases::all().into_iter().find(|case| case.rule == Rule::FenceHolds).expect("there is one");
    let mut referee = Referee::default();
    let trace = [&case.before[..], &case.wrong, &case.wrong].concat();
    assert_eq!(trace.iter().filter(|event| referee.observe(event).is_err()).count(), 2 * case.wrong.len());
}
