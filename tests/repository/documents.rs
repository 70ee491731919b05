//! The documents: every link leads somewhere, no example hides a line, every test that is named exists, and the public enums are as
//! their rule says.

mod growth;
mod links;
mod names;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Shown by GitHub, crates.io and docs.rs, where neither files nor the crate's items can be linked to.
const README: &str = "README.md";

const DOCUMENTS: [&str; 15] = [
    README,
    "RELIABILITY.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/azure-claims.md",
    "docs/decisions.md",
    "docs/kubernetes.md",
    "docs/leader.md",
    "crates/leader-election/docs/telemetry.md",
    "infra/README.md",
    "fuzz/README.md",
    "samples/aks-worker/README.md",
    "samples/container-apps-worker/README.md",
    "tests/faults/README.md",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_link_of_a_document_leads_somewhere() {
    let dead: Vec<String> = DOCUMENTS.iter().flat_map(|path| links::dead(&root(), path, &read(path))).collect();
    assert_eq!(dead, [""; 0]);
}

#[test]
fn every_link_of_the_readme_works_wherever_it_is_shown() {
    assert_eq!(links::bound_to_a_place(&read(README)), [""; 0]);
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let text = "## A head: of `two` words\n[a](src/lib.rs) [b](https://example.org/) [c](#a-head-of-two-words) `[d](none)`\n\
                ```rust\nlist[0](1)\n```\n";
    assert_eq!(links::dead(&root(), README, text), [""; 0]);
    for (link, fault) in [
        ("[x](LeaderHost::run)", "README.md:1: no such file: LeaderHost::run"),
        ("[x](docs/none.md)", "README.md:1: no such file: docs/none.md"),
        ("[x](#none)", "README.md:1: no such heading: #none"),
        ("[x](docs/leader.md#none)", "README.md:1: no such heading: docs/leader.md#none"),
        ("see [two\nwords](none)", "README.md:2: no such file: none"),
        ("see [`FileMutex::new`].", "README.md:1: no target: [`FileMutex::new`]"),
    ] {
        assert_eq!(links::dead(&root(), README, link), [fault]);
    }
    assert_eq!(links::bound_to_a_place("[a](#x) [b](https://example.org) [c](docs/leader.md)"), ["docs/leader.md"]);
}

#[test]
fn examples_in_documents_are_shown_whole() {
    for path in DOCUMENTS {
        assert_eq!(hidden_lines(&read(path)), [""; 0], "{path}");
    }
    let hidden = "```rust,no_run\n# use a::b;\n#[tokio::main]\n  #\n## shown\n```\n```sh\n# a comment\n```\n# A head\n";
    assert_eq!(hidden_lines(hidden), ["# use a::b;", "#"]);
}

/// Lines of Rust that rustdoc leaves out, and GitHub shows with their mark.
fn hidden_lines(text: &str) -> Vec<String> {
    let blocks = links::blocks(text).into_iter().filter(|block| block.language.starts_with("rust"));
    let lines = blocks.flat_map(|block| block.lines).map(str::trim);
    lines.filter(|line| *line == "#" || line.starts_with("# ")).map(str::to_owned).collect()
}

#[test]
fn every_test_that_reliability_names_exists() {
    let tests = names::tests(&root());
    assert!(tests.len() > 500, "{} tests found", tests.len());
    let named = names::named(&read("RELIABILITY.md"));
    assert!(named.len() > 50, "{named:?}");
    let missing: Vec<&String> = named.iter().filter(|name| !exists(&tests, name)).collect();
    assert_eq!(missing, [""; 0]);
    assert!(
        !exists(&tests, "invariant_99_*") && !exists(&tests, "none_of_that_name") && !exists(&tests, "tests/no.rs")
    );
}

/// A test by its name, by the beginning of one before a `*`, or a file of tests.
fn exists(tests: &BTreeSet<String>, name: &str) -> bool {
    match name.strip_suffix('*') {
        Some(beginning) => tests.iter().any(|test| test.starts_with(beginning)),
        None => tests.contains(name) || (name.contains('/') && Path::new(&root().join(name)).exists()),
    }
}

#[test]
fn a_public_enum_may_grow_or_not_as_the_rule_says() {
    let rule = read("ARCHITECTURE.md");
    let exhaustive = growth::listed(&rule, "- **An enum that a caller");
    let informs = growth::listed(&rule, "- **An enum that informs");
    let said = exhaustive.into_iter().map(|name| (name, false)).chain(informs.into_iter().map(|name| (name, true)));
    assert_eq!(growth::enums(&root()), said.collect::<BTreeSet<_>>());
}

#[test]
fn an_enum_that_breaks_the_rule_is_found() {
    let text = "#[non_exhaustive]\n#[derive(Debug)]\npub enum One {\n}\n/// Not.\npub enum Two {\n}\npub(crate) enum Three {}\n";
    assert_eq!(growth::declared(text), [("One".to_owned(), true), ("Two".to_owned(), false)]);
}
