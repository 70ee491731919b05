//! Faults that are planted one at a time in a copy of this crate, to see that its tests find them.
//!
//! `tests/faults/*.patch` each break one thing. The head of a patch says what, which invariant that violates, and which tests
//! must fail with it; they pass without it. A test that finds no fault proves nothing.
//!
//! ```sh
//! cargo test --test planted_faults -- --ignored --nocapture
//! FAULT=release-while-draining cargo test --test planted_faults -- --ignored --nocapture   # one of them
//! ```

#![allow(clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

/// A patch, and what its head says of it.
struct Fault {
    name: String,
    path: PathBuf,
    what: String,
    caught_by: Vec<String>,
}

#[test]
#[ignore = "builds the crate once for each fault: cargo test --test planted_faults -- --ignored --nocapture"]
fn every_planted_fault_is_found() {
    let faults = faults();
    assert!(faults.len() >= 12 || std::env::var_os("FAULT").is_some(), "only {} faults", faults.len());
    let tree = tempfile::tempdir().expect("a folder");
    copy_to(tree.path());

    let mut tests: Vec<_> = faults.iter().flat_map(|fault| fault.caught_by.clone()).collect();
    tests.sort();
    tests.dedup();
    for test in &tests {
        let output = run(tree.path(), test);
        assert!(output.status.success(), "{test} fails without a fault:\n{}", tail(&output));
    }

    let mut missed = Vec::new();
    for fault in &faults {
        let began = Instant::now();
        git_apply(tree.path(), &fault.path, false);
        build(tree.path(), &fault.caught_by, &fault.name);
        for test in &fault.caught_by {
            let output = run(tree.path(), test);
            let found = !output.status.success();
            let (verdict, seconds) = (if found { "found" } else { "MISSED" }, began.elapsed().as_secs());
            println!("{verdict} by {test}: {} ({}), {seconds} s", fault.name, fault.what);
            if !found {
                missed.push(format!("{} by {test}", fault.name));
            }
        }
        git_apply(tree.path(), &fault.path, true);
    }
    println!("faults={} missed={}", faults.len(), missed.len());
    assert!(missed.is_empty(), "not found: {missed:?}");
}

fn faults() -> Vec<Fault> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults");
    let wanted = std::env::var("FAULT").ok();
    let mut faults: Vec<_> = fs::read_dir(folder)
        .expect("the folder of faults")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "patch"))
        .map(Fault::read)
        .filter(|fault| wanted.as_ref().is_none_or(|wanted| *wanted == fault.name))
        .collect();
    faults.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(!faults.is_empty(), "there is no such fault");
    faults
}

impl Fault {
    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).expect("text");
        let head = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key));
            line.unwrap_or_else(|| panic!("{} has no line {key:?}", path.display())).trim().to_owned()
        };
        let caught_by = head("Caught by:").split(',').map(|test| test.trim().to_owned()).collect();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        Self { name, what: format!("{}; invariant {}", head("Fault:"), head("Invariant:")), caught_by, path }
    }
}

/// What is tracked, and what is about to be.
fn copy_to(folder: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .expect("git lists the files");
    assert!(listed.status.success(), "not a git checkout: {}", String::from_utf8_lossy(&listed.stderr));
    for file in String::from_utf8(listed.stdout).expect("names in UTF-8").lines() {
        let (from, to) = (root.join(file), folder.join(file));
        if from.is_file() {
            fs::create_dir_all(to.parent().expect("below the folder")).expect("a folder");
            fs::copy(from, to).expect("copied");
        }
    }
}

fn git_apply(tree: &Path, patch: &Path, reverse: bool) {
    let mut apply = Command::new("git");
    apply.arg("apply").args(reverse.then_some("--reverse")).arg(patch).current_dir(tree);
    let output = apply.output().expect("git applies");
    assert!(
        output.status.success(),
        "{} does not fit the source any more: {}",
        patch.display(),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A fault that does not build is none.
fn build(tree: &Path, tests: &[String], name: &str) {
    let targets = tests.iter().flat_map(|test| ["--test", test]);
    let output = cargo(tree).args(["--no-run"]).args(targets).output().expect("cargo runs");
    assert!(output.status.success(), "{name} does not build:\n{}", tail(&output));
}

fn run(tree: &Path, test: &str) -> Output {
    cargo(tree).args(["--test", test]).output().expect("cargo runs")
}

/// Of the member that builds in no time, and in the target folder of this very build, which has its dependencies from the
/// second run on.
fn cargo(tree: &Path) -> Command {
    let test = std::env::current_exe().expect("this test has a path");
    let target = test.ancestors().nth(3).expect("a cargo target folder");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["test", "--quiet", "--locked", "-p", "proof"]).current_dir(tree).env("CARGO_TARGET_DIR", target);
    // Faults are found early or not at all.
    cargo.env("SIM_SEEDS", "300").env("MODEL_TIER", "quick");
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    cargo
}

fn tail(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
