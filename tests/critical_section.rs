//! A critical section in real processes: the leader reads, thinks, and writes, and is stopped or killed while it thinks.
//!
//! A stopped leader writes when it goes on, whatever has become of its lease, as code does that was already on its way. Without
//! fencing the register then loses what the newer leader wrote meanwhile; with it the service refuses the write.
//!
//! The plain tests run a few rounds at the pace of real clocks. With `LEADER_FAKETIME=<path of libfaketime.so.1>` and
//! `-- --ignored` the workers and Azurite live ten times as fast: `LEADER_ROUNDS=200` sets how many rounds. Every test ends
//! with a line `rounds=<n> stale_accepted=<n> p99=<s>`. `LEADER_SEED` is as in `tests/process_faults.rs`.

#![cfg(unix)]
#![allow(clippy::expect_used, clippy::unwrap_used)]

#[path = "critical_section/checker.rs"]
mod checker;

use testbed::critical_section::{Harm, Pace, Plan, run};

#[test]
fn a_stale_write_to_a_fenced_blob_is_refused() {
    fenced("blob", Pace::real(4));
}

#[test]
fn a_stale_write_to_a_fenced_document_is_refused() {
    fenced("cosmos", Pace::real(4));
}

#[test]
fn without_fencing_a_stale_write_to_a_blob_is_accepted() {
    unfenced("blob", Pace::real(4));
}

#[test]
fn without_fencing_a_stale_write_to_a_document_is_accepted() {
    unfenced("cosmos", Pace::real(4));
}

#[test]
#[ignore = "needs libfaketime: LEADER_FAKETIME=<path of libfaketime.so.1> cargo test --test critical_section -- --ignored"]
fn many_stale_writes_to_a_fenced_blob_are_all_refused() {
    fenced("blob", Pace::fast(60));
}

#[test]
#[ignore = "needs libfaketime: LEADER_FAKETIME=<path of libfaketime.so.1> cargo test --test critical_section -- --ignored"]
fn many_stale_writes_to_a_fenced_document_are_all_refused() {
    fenced("cosmos", Pace::fast(60));
}

#[test]
#[ignore = "needs libfaketime: LEADER_FAKETIME=<path of libfaketime.so.1> cargo test --test critical_section -- --ignored"]
fn without_fencing_many_stale_writes_to_a_blob_are_accepted() {
    unfenced("blob", Pace::fast(20));
}

#[test]
#[ignore = "needs libfaketime: LEADER_FAKETIME=<path of libfaketime.so.1> cargo test --test critical_section -- --ignored"]
fn without_fencing_many_stale_writes_to_a_document_are_accepted() {
    unfenced("cosmos", Pace::fast(20));
}

fn fenced(store: &'static str, pace: Pace) {
    let harms = &[Harm::Stop, Harm::Stop, Harm::Stop, Harm::Kill];
    let outcome = run(&Plan { store, fencing: true, pace, harms, faulty_percent: 0 });
    outcome.print_last_line();
    let (verdict, seed) = (&outcome.verdict, outcome.seed);
    assert_eq!((verdict.stale_accepted, verdict.lost), (0, 0), "LEADER_SEED={seed}: {verdict:?}");
    outcome.assert_that_it_bites();
}

/// The contrast, and the proof that the rounds reach what fencing is for.
fn unfenced(store: &'static str, pace: Pace) {
    let outcome = run(&Plan { store, fencing: false, pace, harms: &[Harm::Stop], faulty_percent: 0 });
    outcome.print_last_line();
    let (verdict, seed) = (&outcome.verdict, outcome.seed);
    assert!(verdict.stale_accepted > 0 && verdict.lost > 0, "LEADER_SEED={seed}: {verdict:?}");
}
