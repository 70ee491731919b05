//! The names of this repository's tests, and those that a document names.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The names of all functions that are tests or rules of the contract.
pub fn tests(root: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in ["src", "tests", "samples", "crates", "proof"] {
        collect(&root.join(folder), &mut names);
    }
    names
}

fn collect(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            collect(&entry, names);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&entry).expect("readable");
            let rules = entry.parent().is_some_and(|folder| folder.ends_with("src/contract"));
            names.extend(functions(&text, rules));
        }
    }
}

/// The functions below a `#[test]` or `#[tokio::test]`; of the contract's rules, all that are public.
fn functions(text: &str, rules: bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        let head = line.strip_prefix("pub ").filter(|_| rules).or(is_test.then_some(line));
        let Some(head) = head else { continue };
        let head = head.strip_prefix("async ").unwrap_or(head);
        if let Some(rest) = head.strip_prefix("fn ") {
            found.extend(rest.split(['(', '<']).next().map(str::to_owned));
            is_test = false;
        }
    }
    found
}

/// The code spans of a text that have the form of a test's name, or of a path to a file of tests.
pub fn named(text: &str) -> Vec<String> {
    let spans = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    let of_a_test = |span: &&str| {
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '*';
        span.matches('_').count() >= 2 && span.chars().all(word) || span.starts_with("tests/") && !span.contains(' ')
    };
    // An option has a name of that form, too.
    spans.filter(of_a_test).filter(|span| *span != "abort_process_on_overrun").map(str::to_owned).collect()
}
