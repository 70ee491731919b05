//! All that is run on request: `cargo soak`.
//!
//! It takes some hours on two cores, prints each command before it runs it, so that any can be run alone, and ends with the last
//! lines of each. `SOAK=<part of a name>` runs only those.

#![allow(clippy::expect_used)]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Name, environment, arguments of `cargo test`.
type Step = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);

const STEPS: [Step; 10] = [
    ("model", &[("MODEL_TIER", "soak")], &["--release", "--test", "model", "--", "--nocapture"]),
    ("simulation", &[("SIM_SEEDS", "1000000")], &["--release", "--test", "simulation", "--", "--nocapture"]),
    (
        "exploration of the core",
        &[("ELECTION_SEEDS", "1000000")],
        &["--release", "--test", "election", "exploration", "--", "--nocapture"],
    ),
    ("virtual days", &[("VIRTUAL_DAYS", "30")], &["--release", "--test", "virtual_days", "--", "--nocapture"]),
    // Some 40 of them: ten million cases.
    ("properties", &[("PROPTEST_CASES", "300000")], &["--release", "--test", "properties"]),
    ("properties of what is private", &[("PROPTEST_CASES", "300000")], &["--release", "--lib", "properties"]),
    (
        "critical sections",
        &[("LEADER_ROUNDS", "200")],
        &["--test", "critical_section", "--", "--ignored", "--nocapture", "--test-threads", "1"],
    ),
    (
        "bad networks",
        &[("LEADER_ROUNDS", "200"), ("LEADER_PLOT", "docs/failover.svg")],
        &["--test", "process_faults", "--", "--ignored", "--nocapture", "--test-threads", "1"],
    ),
    (
        "real clocks",
        &[("LEADER_ROUNDS", "20")],
        &["--test", "critical_section", "--test", "process_faults", "--test", "processes", "--", "--nocapture"],
    ),
    ("planted faults", &[], &["--test", "planted_faults", "--", "--ignored", "--nocapture"]),
];

#[test]
#[ignore = "takes hours: cargo soak"]
fn soak() {
    let wanted = std::env::var("SOAK").unwrap_or_default();
    let mut summary = Vec::new();
    let mut failed = Vec::new();
    for (name, environment, arguments) in STEPS.into_iter().filter(|(name, ..)| name.contains(&wanted)) {
        let variables: Vec<_> = environment.iter().map(|(key, value)| format!("{key}={value} ")).collect();
        println!("\n== {name}: {}cargo test {}", variables.concat(), arguments.join(" "));
        let began = Instant::now();
        let (passed, figures) = run(environment, arguments);
        let seconds = began.elapsed().as_secs();
        summary.push(format!("{} {name}, {seconds} s", if passed { "passed" } else { "FAILED" }));
        summary.extend(figures.into_iter().map(|line| format!("    {line}")));
        if !passed {
            failed.push(name);
        }
    }
    println!("\n{}", summary.join("\n"));
    assert!(failed.is_empty(), "failed: {failed:?}");
}

/// Runs it, shows all that it prints, and keeps the lines with figures.
fn run(environment: &[(&str, &str)], arguments: &[&str]) -> (bool, Vec<String>) {
    let mut child = Command::new(env!("CARGO"))
        .arg("test")
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("cargo runs");
    let mut figures = Vec::new();
    for line in BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok) {
        println!("{line}");
        if ["violations=", "LEADER_SEED=", "takeover", "stale_accepted=", "missed=", "drawn:"]
            .iter()
            .any(|figure| line.contains(figure))
        {
            figures.push(line);
        }
    }
    (child.wait().expect("it ends").success(), figures)
}
