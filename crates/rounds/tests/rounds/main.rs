//! Rounds of real processes on each store.
//!
//! `LEADER_ROUNDS=100` sets how many rounds of each kind, `LEADER_LANES=10` how many elections at once, `LEADER_SEED=<number>` when in
//! the leaders' rhythm they are harmed, and `LEADER_HARMS=Kill,Stop` which of the kinds.

#![cfg(unix)]
#![allow(clippy::expect_used)]

mod etcd;
mod files;
mod kube;
mod quorum;
mod redis;
mod service_bus;

use std::time::Duration;

use rounds::outcome::Outcome;
use rounds::{Harm, Plan, Service, run};

/// What is played, at the pace of real clocks.
fn play(service: &dyn Service, harms: &[Harm], lease: Duration, rounds: usize) -> Outcome {
    let rounds = asked_for("LEADER_ROUNDS").unwrap_or(rounds);
    let lanes = asked_for("LEADER_LANES").unwrap_or(10).min(rounds);
    let seed = asked_for("LEADER_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let wanted: Option<String> = asked_for("LEADER_HARMS");
    let chosen =
        |harm: &&Harm| wanted.as_ref().is_none_or(|wanted| wanted.split(',').any(|word| word == format!("{harm:?}")));
    let harms: Vec<_> = harms.iter().filter(chosen).copied().collect();
    let plan = Plan {
        service,
        name: "rounds",
        worker: env!("CARGO_BIN_EXE_round-worker"),
        lease,
        poll: lease / 6,
        harms: &harms,
        rounds,
        lanes,
        seed,
    };
    let outcome = run(&plan);
    outcome.print();
    outcome
}

/// What the environment asks for.
fn asked_for<T: std::str::FromStr>(variable: &str) -> Option<T> {
    let asked = std::env::var(variable).ok()?;
    // What is misspelt must not run something else in silence.
    Some(asked.parse().unwrap_or_else(|_| panic!("{variable}={asked}")))
}
