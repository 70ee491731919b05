//! Each numbered invariant of the core is cited at a line that enforces it, held by a test that bears its number, and violated by
//! a planted fault.
//!
//! All of it is read as text, so that whoever looks for an invariant finds the same by `grep -rn "// Invariant 4"`. The files are
//! found by the names of their folders, `src` and `tests`, wherever in the repository these stand.

mod files;
mod reading;

use std::collections::BTreeSet;

use files::Repository;

/// The numbers of the list in the documentation of the core.
fn listed(repository: &Repository) -> BTreeSet<u32> {
    let lists: Vec<_> =
        repository.sources.iter().map(|file| reading::list(&file.text)).filter(|list| !list.is_empty()).collect();
    assert_eq!(lists.len(), 1, "one file of the source lists the invariants");
    let numbers: BTreeSet<u32> = lists[0].iter().copied().collect();
    // A list that cannot be read would lack nothing.
    assert!(numbers.len() >= 17, "only {numbers:?} are listed");
    assert!(numbers.iter().copied().eq(1..=numbers.len() as u32), "{numbers:?} has gaps");
    numbers
}

/// Panics unless these are the numbers of the list.
fn judge(listed: &BTreeSet<u32>, found: &[(u32, String)], what: &str) {
    let unknown: Vec<_> = found.iter().filter(|(number, _)| !listed.contains(number)).collect();
    assert!(unknown.is_empty(), "no such invariant: {unknown:?}");
    let found: BTreeSet<u32> = found.iter().map(|(number, _)| *number).collect();
    let bare: Vec<_> = listed.difference(&found).collect();
    assert!(bare.is_empty(), "{what}: {bare:?}");
}

#[test]
fn every_invariant_is_cited_at_a_line_that_enforces_it() {
    let repository = Repository::read();
    let mut found = Vec::new();
    for file in &repository.sources {
        for citation in reading::citations(&file.text) {
            assert!(citation.is_sound, "{}: nothing is said, or no code follows: {}", file.path, citation.line);
            found.extend(citation.numbers.into_iter().map(|number| (number, file.path.clone())));
        }
    }
    judge(&listed(&repository), &found, "no line `// Invariant <number>: …` in the source cites these");
}

#[test]
fn every_invariant_has_a_test_that_bears_its_number() {
    let repository = Repository::read();
    let tests = repository.tests.iter().chain(&repository.sources);
    let found: Vec<_> = tests
        .flat_map(|file| reading::tests(&file.text).into_iter().map(|number| (number, file.path.clone())))
        .collect();
    judge(&listed(&repository), &found, "no test `invariant_<number>_…` and no test's documentation names these");
}

#[test]
fn every_invariant_has_a_fault_that_is_planted_for_it() {
    let repository = Repository::read();
    let named = |file: &files::Text| match reading::planted_for(&file.text) {
        reading::Aim::Invariant(number) => Some((number, file.path.clone())),
        reading::Aim::Fencing => None,
        reading::Aim::Unknown => panic!("{} does not say which invariant it is planted for", file.path),
    };
    let found: Vec<_> = repository.faults.iter().filter_map(named).collect();
    judge(&listed(&repository), &found, "no head of a patch in a folder `faults` names these first");
    assert!(found.len() < repository.faults.len(), "no fault is planted for `fencing`");
}
