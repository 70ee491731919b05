//! Faults that are planted one at a time in a copy of this crate, to see that its tests find them.
//!
//! `tests/faults/*.patch` each break one thing. The head of a patch says what, which invariants that violates, and which tests
//! must find it; see [`fault`]. Found is what is seen to be found: a test that fails and names such an invariant, or says what
//! the patch says it must; see [`verdict`]. A test that finds no fault proves nothing.
//!
//! ```sh
//! cargo test --test planted_faults -- --ignored --nocapture                     # all of them
//! FAULTS=12 cargo test --test planted_faults -- --ignored --nocapture           # so many, spread over the invariants
//! FAULTS=release,skew cargo test --test planted_faults -- --ignored --nocapture # those whose names have one of these in them
//! FAULTS_BY='model, election exploration' cargo test --test planted_faults …    # by these tests instead of their own
//! FAULTS_TABLE=write cargo test --test planted_faults                           # tests/faults/README.md anew
//! ```
//!
//! One run at a time: two would build under the same names. It takes a quarter of an hour on two cores of their own, and Node, as some of the
//! tests talk to Azurite.

#![allow(clippy::expect_used)]

#[path = "faults/fault.rs"]
mod fault;
#[path = "faults/net.rs"]
mod net;
#[path = "faults/table.rs"]
mod table;
#[path = "faults/tree.rs"]
mod tree;
#[path = "faults/verdict.rs"]
mod verdict;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use fault::Fault;
use net::Net;
use tree::Tree;

/// Where the patches are, and the table of them.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults")
}

#[test]
#[ignore = "builds the crate once for each fault: cargo test --test planted_faults -- --ignored --nocapture"]
fn every_planted_fault_is_found() {
    let faults = fault::chosen(Fault::all(&folder()));
    let tree = Tree::copy();
    let began = Instant::now();

    let nets: BTreeSet<&Net> = faults.iter().flat_map(|fault| &fault.caught_by).collect();
    for run in tree.build(nets.iter().copied(), fault::SCHEDULES) {
        let outcome = run.finish();
        assert!(outcome.passed(), "{} fails without a fault:\n{}", outcome.net, outcome.tail());
    }
    println!("{} tests pass without a fault, {} s", nets.len(), began.elapsed().as_secs());

    let mut missed = Vec::new();
    for fault in &faults {
        let began = Instant::now();
        tree.apply(&fault.path, false);
        for run in tree.build(&fault.caught_by, fault.schedules) {
            let outcome = run.finish();
            let (verdict, why) = match verdict::evidence(fault, &outcome) {
                Ok(evidence) => ("found", evidence),
                Err(why) => ("MISSED", why),
            };
            let seconds = began.elapsed().as_secs();
            println!("{verdict} by {}: {} ({}), {seconds} s: {why}", outcome.net, fault.name, fault.what);
            if verdict == "MISSED" {
                missed.push(format!("{} by {}", fault.name, outcome.net));
            }
        }
        tree.apply(&fault.path, true);
    }
    println!("faults={} missed={}", faults.len(), missed.len());
    assert!(missed.is_empty(), "not found: {missed:?}");
}

/// One that does not is found by nothing.
#[test]
fn every_planted_fault_fits_the_source() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for fault in Fault::all(&folder()) {
        let mut check = std::process::Command::new("git");
        let output =
            check.args(["apply", "--check"]).arg(&fault.path).current_dir(root).output().expect("git is there");
        assert!(output.status.success(), "{}: {}", fault.name, String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn every_fault_is_found_twice_or_says_why_not() {
    let faults = Fault::all(&folder());
    let wanting: Vec<_> = faults.iter().flat_map(fault::wanting).collect();
    assert!(wanting.is_empty(), "{wanting:#?}");
    table::check(&folder().join("README.md"), &faults);
}
