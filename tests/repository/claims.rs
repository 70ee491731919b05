//! What is claimed of Azure: each claim has a number of its own, a source, and a word on how it is checked; and each number that
//! `leader check` prints is one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const CLAIMS: &str = "docs/azure-claims.md";
/// Where steps of the check stand. A new store adds its own.
const STEPS: [&str; 6] =
    ["src/check.rs", "src/check", "src/blob/check.rs", "src/blob/check", "src/cosmos/check.rs", "src/cosmos/check"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

struct Claim {
    number: String,
    cells: Vec<String>,
}

impl Claim {
    fn check(&self) -> &str {
        &self.cells[4]
    }
}

/// The rows of the tables, without their heads.
fn claims(text: &str) -> Vec<Claim> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let rows = rows.map(|row| row.split(" | ").map(str::to_owned).collect::<Vec<_>>());
    rows.filter(|cells| is_number(&cells[0])).map(|mut cells| Claim { number: cells.remove(0), cells }).collect()
}

fn is_number(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|letter| "PBCRSI".contains(letter))
        && !letters.as_str().is_empty()
        && letters.all(|digit| digit.is_ascii_digit())
}

/// The numbers that stand in the source of the steps, in quotes.
fn printed(root: &Path) -> BTreeSet<String> {
    let mut numbers = BTreeSet::new();
    for path in STEPS.map(|path| root.join(path)) {
        let files = if path.is_dir() {
            fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()).collect()
        } else {
            vec![path]
        };
        for file in files {
            numbers.extend(quoted_numbers(&fs::read_to_string(file).expect("text")));
        }
    }
    numbers
}

fn quoted_numbers(source: &str) -> impl Iterator<Item = String> {
    source.split('"').skip(1).step_by(2).filter(|text| is_number(text)).map(str::to_owned)
}

/// What is wrong with a list of claims, of which these are printed.
fn faults(text: &str, printed: &BTreeSet<String>) -> Vec<String> {
    let claims = claims(text);
    let mut faults = Vec::new();
    let mut seen = BTreeMap::new();
    for claim in &claims {
        let number = &claim.number;
        if let Some(other) = seen.insert(number.clone(), claim.cells.first().cloned()) {
            faults.push(format!("{number} stands twice: {other:?}"));
        }
        if claim.cells.len() != 5 || claim.cells.iter().any(|cell| cell.trim().is_empty()) {
            faults.push(format!("{number} has {} cells, and needs 5 that say something", claim.cells.len()));
            continue;
        }
        let others = |text: &str| text.split(|c: char| !c.is_alphanumeric()).filter(|word| is_number(word)).count();
        let is_checked = printed.contains(number);
        match claim.check() {
            "yes" if is_checked => {}
            "yes" => faults.push(format!("{number} is checked by nothing")),
            _ if is_checked => faults.push(format!("{number} is checked, and does not say so")),
            by if by.starts_with("by ") && others(by) > 0 => {}
            no if no.starts_with("no: ") && no.len() > "no: ".len() + 10 => {}
            other => faults.push(format!("{number} says neither how it is checked nor why it is not: {other}")),
        }
        let named = claim.check().split(|c: char| !c.is_alphanumeric()).filter(|word| is_number(word));
        faults.extend(
            named
                .filter(|word| !printed.contains(*word))
                .map(|word| format!("{number} names {word}, which nothing checks")),
        );
        if claim.cells[3] != "no" && !claim.cells[3].starts_with("20") {
            faults.push(format!("{number} is verified on Azure at a date, or not: {}", claim.cells[3]));
        }
    }
    faults.extend(
        printed.iter().filter(|number| !seen.contains_key(*number)).map(|number| format!("{number} is no claim")),
    );
    faults
}

#[test]
fn each_claim_of_azure_has_a_number_a_source_and_a_word_on_how_it_is_checked() {
    let text = fs::read_to_string(root().join(CLAIMS)).expect("text");
    let printed = printed(&root());
    assert!(claims(&text).len() > 80 && printed.len() > 50, "{} of {}", printed.len(), claims(&text).len());
    assert_eq!(faults(&text, &printed), [""; 0]);
}

#[test]
fn a_claim_that_lacks_something_is_found() {
    let printed = |numbers: &[&str]| numbers.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let good = "| B1 | A | LB | Azurite | no | yes |\n| B2 | B | LB | – | no | by B1, in such a state |\n\
                | B3 | C | LB | – | 2027-01-02 | no: it takes a failover |\n";
    assert_eq!(faults(good, &printed(&["B1"])), [""; 0]);
    for (row, numbers, fault) in [
        ("| B1 | D | LB | – | no | yes |", &["B1"][..], "B1 stands twice"),
        ("| B4 | D | LB | – | no | no |", &["B1"], "B4 says neither"),
        ("| B4 | D |  | – | no | yes |", &["B1", "B4"], "B4 has 5 cells"),
        ("| B4 | D | LB | – | no | yes |", &["B1"], "B4 is checked by nothing"),
        ("| B4 | D | LB | – | no | no: it takes a failover |", &["B1", "B4"], "B4 is checked, and does not say so"),
        ("| B4 | D | LB | – | no | by B7 |", &["B1"], "B4 names B7"),
        ("| B4 | D | LB | – | yes | by B1 |", &["B1"], "B4 is verified on Azure"),
        ("", &["B1", "B9"], "B9 is no claim"),
    ] {
        let found = faults(&format!("{good}{row}"), &printed(numbers));
        assert!(found.iter().any(|found| found.starts_with(fault)), "{fault}: {found:?}");
    }
}
