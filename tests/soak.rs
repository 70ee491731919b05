//! All that is run on request: `cargo soak`.
//!
//! It needs what `cargo test` needs (Node 20 or later with npm, and git), libfaketime (`apt install faketime`; it is looked for
//! below `/usr/lib` unless `LEADER_FAKETIME` names it), 4 GB of memory, and three hours on four cores, five on two. Fuzzing and
//! `cargo mutants` are no part of it: they take tools that are to be installed first.
//!
//! It prints each command before it runs it, so that any can be run alone, and ends with the last lines of each.
//! `SOAK=<part of a name>` runs only those.

#![allow(clippy::expect_used)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Name, environment, arguments of `cargo test`.
type Step = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);

const STEPS: [Step; 12] = [
    // With the contract of every store, fencing and the canary for secrets, none of which has more to run on request.
    ("everything of a change", &[], &[]),
    ("model", &[("MODEL_TIER", "soak")], &["--release", "-p", "proof", "--test", "model", "--", "--nocapture"]),
    (
        "simulation",
        &[("SIM_SEEDS", "1000000")],
        &["--release", "-p", "proof", "--test", "simulation", "--", "--nocapture"],
    ),
    (
        "exploration of the core",
        &[("ELECTION_SEEDS", "1000000")],
        &["--release", "-p", "proof", "--test", "election", "exploration", "--", "--nocapture"],
    ),
    ("virtual days", &[("VIRTUAL_DAYS", "30")], &["--release", "--test", "virtual_days", "--", "--nocapture"]),
    // Thirty-three of them, here and in the next step: more than ten million cases.
    (
        "properties",
        &[("PROPTEST_CASES", "350000")],
        &["--release", "-p", "leader-election", "--test", "in_process", "properties"],
    ),
    ("properties of what is private", &[("PROPTEST_CASES", "350000")], &["--release", "--lib", "generated"]),
    (
        "critical sections",
        &[("LEADER_ROUNDS", "200")],
        &["--test", "critical_section", "--", "--ignored", "--nocapture", "--test-threads", "1"],
    ),
    (
        "bad networks",
        &[("LEADER_ROUNDS", "200"), ("LEADER_PACE", "2"), ("LEADER_LANES", "24"), ("LEADER_PLOT", "docs/failover.svg")],
        &["--test", "process_faults", "--", "--ignored", "--nocapture", "--test-threads", "1"],
    ),
    (
        "real clocks",
        &[("LEADER_ROUNDS", "20")],
        &["--test", "critical_section", "--test", "process_faults", "--test", "processes", "--", "--nocapture"],
    ),
    (
        "clocks an hour apart",
        &[("LEADER_ROUNDS", "20")],
        &["--test", "processes_cosmos", "--", "--include-ignored", "--nocapture"],
    ),
    ("planted faults", &[], &["--test", "planted_faults", "--", "--ignored", "--nocapture"]),
];

#[test]
#[ignore = "takes hours: cargo soak"]
fn soak() {
    let wanted = std::env::var("SOAK").unwrap_or_default();
    // Looked for now, and not after the hours that do without.
    let faketime = faketime();
    let mut summary = Vec::new();
    let mut failed = Vec::new();
    for (name, environment, arguments) in STEPS.into_iter().filter(|(name, ..)| name.contains(&wanted)) {
        let variables: Vec<_> = environment.iter().map(|(key, value)| format!("{key}={value} ")).collect();
        println!("\n== {name}: {}cargo test {}", variables.concat(), arguments.join(" "));
        let began = Instant::now();
        let (passed, figures) = run(&faketime, environment, arguments);
        let seconds = began.elapsed().as_secs();
        summary.push(format!("{} {name}, {seconds} s", if passed { "passed" } else { "FAILED" }));
        summary.extend(figures.into_iter().map(|line| format!("    {line}")));
        if !passed {
            failed.push(name);
        }
    }
    assert!(!summary.is_empty(), "no step has {wanted:?} in its name");
    println!("\n{}", summary.join("\n"));
    assert!(failed.is_empty(), "failed: {failed:?}");
}

/// The library by which workers' clocks run at rates of their own.
fn faketime() -> PathBuf {
    let named = std::env::var_os("LEADER_FAKETIME").map(PathBuf::from);
    let library = named.or_else(|| find(Path::new("/usr/lib"), "libfaketime.so.1"));
    let library = library.expect("libfaketime is not installed: apt install faketime, or LEADER_FAKETIME=<its path>");
    assert!(library.is_file(), "there is no {}", library.display());
    println!("LEADER_FAKETIME={}", library.display());
    library
}

/// A file of that name in the folder, or in a folder of that.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries: Vec<_> = folder.read_dir().ok()?.filter_map(Result::ok).collect();
    let file = entries.iter().map(|entry| entry.path()).find(|path| path.ends_with(name));
    // Links between folders can make a ring.
    let mut folders = entries.iter().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    file.or_else(|| folders.find_map(|entry| find(&entry.path(), name)))
}

/// Runs it, shows all that it prints, and keeps the lines with figures.
fn run(faketime: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> (bool, Vec<String>) {
    let mut child = Command::new(env!("CARGO"))
        .arg("test")
        .args(arguments)
        .env("LEADER_FAKETIME", faketime)
        .envs(environment.iter().copied())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("cargo runs");
    let mut figures = Vec::new();
    for line in BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok) {
        println!("{line}");
        let told =
            ["violations=", "LEADER_SEED=", "takeover", "stale_accepted=", "missed=", "drawn:", "test result: FAILED"];
        if told.iter().any(|figure| line.contains(figure)) {
            figures.push(line);
        }
    }
    (child.wait().expect("it ends").success(), figures)
}
