//! What `leader list` says, and the shape of its JSON.

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::rig::{Election, Worker, answer, leader, stderr, stdout};

fn list(election: &Election, options: &[&str]) -> std::process::Output {
    let mut command = leader();
    command.args(["list", "--store", &election.store()]).args(options);
    answer(command, "")
}

fn worker(election: &Election, name: &str, options: &[&str]) -> Worker {
    let mut run = leader();
    run.args([
        "run",
        "--json",
        "--store",
        &election.store(),
        "--election",
        name,
        "--holder",
        &format!("worker-of-{name}"),
    ]);
    run.args(["--lease", "3s"]).args(options).args(["--", "sleep", "1000"]);
    let mut worker = Worker::start(run);
    worker.wait_for_command();
    worker
}

/// Of each line: the election, its state and its holder.
fn objects(output: &std::process::Output) -> Vec<(String, String, String)> {
    let text = |object: &Value, name: &str| object[name].as_str().unwrap_or("-").to_owned();
    let objects = stdout(output);
    let objects = objects.lines().map(|line| serde_json::from_str::<Value>(line).expect("an object"));
    objects.map(|object| (text(&object, "election"), text(&object, "state"), text(&object, "holder"))).collect()
}

fn row(election: &str, state: &str, holder: &str) -> (String, String, String) {
    (election.to_owned(), state.to_owned(), holder.to_owned())
}

#[test]
fn all_elections_are_listed_with_who_leads_each() {
    let election = Election::new();
    let mut dead = worker(&election, "billing", &[]);
    dead.signal(Signal::SIGKILL);
    dead.ended();
    let mut released = worker(&election, "reports", &[]);
    released.signal(Signal::SIGTERM);
    released.ended();
    let _lives = worker(&election, "nightly", &[]);

    let output = list(&election, &["--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let (billing, nightly) = ("worker-of-billing", "worker-of-nightly");
    let reports = row("reports", "free", "worker-of-reports");
    let expected = [row("billing", "on_record", billing), row("nightly", "on_record", nightly), reports.clone()];
    assert_eq!(objects(&output), expected);

    let output = list(&election, &["--json", "--wait", "1h"]);
    let expected = [row("billing", "lapsed", billing), row("nightly", "leading", nightly), reports];
    assert_eq!(objects(&output), expected, "they were watched");

    let said = stdout(&list(&election, &[]));
    let begins =
        ["billing  worker-of-billing leads, as", "nightly  worker-of-nightly leads, as", "reports  nobody leads;"];
    assert_eq!(said.lines().count(), begins.len(), "{said}");
    assert!(said.lines().zip(begins).all(|(line, begin)| line.starts_with(begin)), "{said}");
}

#[test]
fn a_store_without_elections_says_so() {
    let election = Election::new();
    let output = list(&election, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), format!("there is no election in {} yet", election.store()));
    let output = list(&election, &["--json"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""));
}

#[test]
fn a_store_that_cannot_be_listed_is_an_error_as_for_status() {
    let election = Election::new();
    std::fs::remove_dir(election.store_directory()).expect("removed");
    let output = list(&election, &[]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(78), ""));
    assert!(stderr(&output).contains("does not exist"), "{}", stderr(&output));
}

#[test]
fn who_names_no_election_is_told_how_to_list_them() {
    let election = Election::new();
    for action in ["status", "watch", "break"] {
        let mut command = leader();
        command.args([action, "--store", &election.store()]);
        let output = answer(command, "");
        assert_eq!(output.status.code(), Some(64));
        let said = stderr(&output);
        assert!(said.contains("--election") && said.contains("leader list --store"), "{said}");
    }
}
