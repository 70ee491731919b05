//! Whether a test has found the fault.

use std::collections::BTreeSet;

use crate::fault::Fault;
use crate::tree::Outcome;

/// The line that shows it; or else why it does not count. A test that does not build, that is killed, that runs out of memory or
/// of time has found nothing; nor has one that fails for a reason of its own, and so it has to name what is violated.
pub fn evidence(fault: &Fault, outcome: &Outcome) -> Result<String, String> {
    match outcome.status {
        None => return Err("it did not come to its end".to_owned()),
        Some(status) if status.success() => return Err("it passes".to_owned()),
        // What a Rust test ends with that has failed.
        Some(status) if status.code() != Some(101) => return Err(format!("{status}")),
        Some(_) => {}
    }
    let failed = outcome.text.lines().any(|line| line.starts_with("test result: FAILED"));
    if !failed {
        return Err("no test says that it failed".to_owned());
    }
    // What passed has the numbers of invariants in its name, too.
    let lines = outcome.text.lines().filter(|line| !line.ends_with("... ok") && !line.ends_with("... ignored"));
    let violated = |line: &str| named(line).iter().any(|invariant| fault.invariants.contains(invariant));
    let said = |line: &str| fault.shown_by.as_ref().is_some_and(|text| line.contains(text.as_str()));
    let shown = lines.clone().find(|line| violated(line) || said(line));
    shown.map(|line| line.trim().chars().take(160).collect()).ok_or_else(|| {
        let numbers = format!("invariant {}", fault.invariants.join(" or "));
        let wanted = fault.shown_by.as_ref().map_or(numbers, |text| format!("{text:?}"));
        let others: BTreeSet<_> = lines.flat_map(named).collect();
        format!("it fails, but says nothing of {wanted}, only of {others:?}:\n{}", outcome.tail())
    })
}

/// The invariants whose numbers are in the line, in words or as tests are named.
fn named(line: &str) -> Vec<String> {
    let line = line.replace('_', " ");
    let number = |(at, word): (usize, &str)| line[at + word.len()..].chars().take_while(char::is_ascii_digit).collect();
    line.match_indices("invariant ").map(number).filter(|number: &String| !number.is_empty()).collect()
}

#[test]
fn an_invariant_is_named_by_its_whole_number() {
    assert_eq!(named("      then: invariant 5: released only after the task is gone"), ["5"]);
    assert_eq!(named("at 3.2 s: host 1: a second request in flight (invariant 6)"), ["6"]);
    assert_eq!(named("test late::invariant_7_no_late_reply ... FAILED"), ["7"]);
    assert_eq!(named("invariant 12: a jump of the clock ends the term"), ["12"]);
    assert!(named("invariants_1_to_17_hold_whatever_happens").is_empty());
}
