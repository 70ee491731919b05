//! Real workers behind a bad network: killed, stopped and cut off while 8 % of their requests go wrong.
//!
//! Each worker has a way of its own to the store, a proxy that delays, drops and doubles requests, loses answers and answers 503
//! in the server's place. A worker that is cut off goes on trying; what it sent arrives when the way is mended, however late.
//!
//! The plain test runs a few rounds at the pace of real clocks. With `LEADER_FAKETIME=<path of libfaketime.so.1>` and
//! `-- --ignored` the workers and Azurite live ten times as fast, or `LEADER_PACE=2` times, in `LEADER_LANES=24` elections at
//! once: `LEADER_ROUNDS=200` sets how many rounds of each kind, `LEADER_SLOWEST=3` tells what happened in the slowest of them,
//! and `LEADER_PLOT=<file>.svg` draws how long it took until another one led. `LEADER_ONLY='Kill, 8 %'` runs one kind alone.

#![cfg(all(feature = "blob", feature = "cosmos", unix))]
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod support;

use support::critical_section::{Harm, Outcome, Pace, Plan, percentile, run};

const FAULTY_PERCENT: u64 = 8;

#[test]
fn no_stale_write_is_accepted_in_a_document_whatever_becomes_of_the_network() {
    check("cosmos", &[Harm::Cut, Harm::Stop, Harm::Kill], Pace::real(4), 0);
}

#[test]
#[ignore = "needs libfaketime: LEADER_FAKETIME=<path of libfaketime.so.1> cargo test --test process_faults -- --ignored"]
fn many_rounds_on_a_blob() {
    many("blob");
}

#[test]
#[ignore = "needs libfaketime: LEADER_FAKETIME=<path of libfaketime.so.1> cargo test --test process_faults -- --ignored"]
fn many_rounds_in_a_document() {
    many("cosmos");
}

/// Without a fence, what arrives late is accepted: the control.
#[test]
#[ignore = "needs libfaketime: LEADER_FAKETIME=<path of libfaketime.so.1> cargo test --test process_faults -- --ignored"]
fn without_fencing_what_was_cut_off_arrives_late_and_is_accepted() {
    for store in ["blob", "cosmos"] {
        let plan = Plan { store, fencing: false, pace: Pace::fast(12), harms: &[Harm::Cut], faulty_percent: Some(0) };
        let verdict = run(&plan).verdict;
        assert!(verdict.stale_accepted > 0, "the rounds do not reach what fencing is for: {verdict:?}");
    }
}

/// A clear way, so that the failover times are the product's; then the same with faults.
fn many(store: &'static str) {
    let mut drawn = Vec::new();
    for faulty_percent in [0, FAULTY_PERCENT] {
        for harm in [&[Harm::Kill], &[Harm::Stop], &[Harm::Cut]] {
            let kind = format!("{store}, {:?}, {faulty_percent} % faulty", harm[0]);
            if kind.contains(&std::env::var("LEADER_ONLY").unwrap_or_default()) {
                drawn.push((kind, check(store, harm, Pace::fast(12), faulty_percent)));
            }
        }
    }
    if let Ok(path) = std::env::var("LEADER_PLOT") {
        support::plot::failover(&path.replace(".svg", &format!("-{store}.svg")), &drawn);
    }
}

fn check(store: &'static str, harms: &'static [Harm], pace: Pace, faulty_percent: u64) -> Outcome {
    let rate = pace.rate;
    let plan = Plan { store, fencing: true, pace, harms, faulty_percent: Some(faulty_percent) };
    let outcome = run(&plan);
    let verdict = &outcome.verdict;
    assert_eq!((verdict.stale_accepted, verdict.lost), (0, 0), "{verdict:?}");
    // It counts from the last request that the service took from the harmed one: what is doubled on its way may prolong a lease
    // although its sender is gone. The slack is for a busy machine, whose delays a hurried clock makes longer.
    let faults = if faulty_percent > 0 { 3.0 } else { 0.0 };
    let bound = (outcome.lease + outcome.poll).as_secs_f64() + 1.0 + faults + 1.0 + 0.2 * rate;
    for harm in outcome.harms() {
        let p99 = percentile(&outcome.since_the_last_request(harm), 99);
        assert!(p99 < bound, "{harm:?}: {p99:.2} s of {bound:.2} s");
    }
    outcome
}
