//! What `leader status` and `leader watch` say, and the shapes of their JSON.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::rig::{Election, leader, stderr, stdout};

const WAIT: &str = "exec sleep 1000";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn status_tells_an_election_that_nobody_has_led() {
    let election = Election::new();
    let output = election.ask("status", &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = stdout(&output);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("nightly: nobody has ever led") && said.contains(&election.store()), "{said}");
    assert_eq!(json(&stdout(&election.ask("status", &["--json"])))["state"], "unknown");
}

#[test]
fn a_time_that_no_clock_can_count_is_refused() {
    let election = Election::new();
    for (action, option) in [("watch", "--for"), ("break", "--period"), ("status", "--wait")] {
        let output = election.ask(action, &[option, "101y"]);
        assert_eq!(output.status.code(), Some(64), "{}", stderr(&output));
        assert!(stderr(&output).contains("longer than 100 years"), "{}", stderr(&output));
    }
}

#[test]
fn status_tells_who_leads_with_which_token_and_lease() {
    let election = Election::new();
    let mut worker = election.run("worker-7", &[], WAIT);
    let token = worker.wait_for("elected")["fencing_token"].as_u64().expect("a number");
    let output = election.ask("status", &["--wait", "1h"]);
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains(&format!("worker-7 leads, with token {token}, since 20")), "{said}");

    let object = json(&stdout(&election.ask("status", &["--json", "--wait", "1h"])));
    assert_eq!(object["election"], "nightly");
    assert_eq!(object["store"], election.store().as_str());
    assert_eq!(object["state"], "leading");
    assert_eq!(object["holder"], "worker-7");
    assert_eq!(object["fencing_token"], token);
    assert_eq!(object["lease_ms"], 3000);
    assert_eq!(object["renew_every_ms"], 1000);
    assert!(object["elected_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{object}");
    let output = election.ask("status", &["--json", "--wait", "0s"]);
    assert_eq!((output.status.code(), json(&stdout(&output))["state"].as_str()), (Some(0), Some("on_record")));
}

#[test]
fn status_tells_a_leader_on_record_that_has_died_from_one_that_renews() {
    let election = Election::new();
    let mut worker = election.run("worker-7", &[], WAIT);
    worker.wait_for_command();
    worker.signal(Signal::SIGKILL);
    worker.ended();
    let output = election.ask("status", &["--wait", "1h"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stdout(&output);
    assert!(said.contains("nobody leads: worker-7") && said.contains("has not renewed"), "{said}");
}

#[test]
fn status_tells_who_led_last() {
    let election = Election::new();
    assert_eq!(election.run("worker-7", &["--once"], "exit 0").exit_code(), 0);
    let output = election.ask("status", &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let object = json(&stdout(&output));
    assert_eq!((object["state"].as_str(), object["holder"].as_str()), (Some("free"), Some("worker-7")));
}

#[test]
fn errors_are_one_sentence_or_one_object() {
    let election = Election::new();
    std::fs::remove_dir(election.store_directory()).expect("removed");
    let output = election.ask("status", &[]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(78), ""));
    let said = stderr(&output);
    assert!(said.lines().count() == 1 && said.contains("does not exist"), "{said}");
    let object = json(&stderr(&election.ask("status", &["--json"])));
    assert_eq!(object["exit_code"], 78);
    assert!(object["error"].as_str().is_some_and(|error| error.contains("does not exist")), "{object}");
}

#[test]
fn the_events_of_run_are_objects_that_name_time_election_and_holder() {
    let election = Election::new();
    let worker = election.run("worker-7", &["--once"], "exit 0");
    let events = worker.all_events();
    let names: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap_or("?")).collect();
    for name in ["elected", "started", "command_ended", "ended"] {
        assert!(names.contains(&name), "{names:?}");
    }
    for event in events {
        assert_eq!((event["election"].as_str(), event["holder"].as_str()), (Some("nightly"), Some("worker-7")));
        assert!(event["at"].as_str().is_some_and(|at| at.ends_with('Z')), "{event}");
    }
}

#[test]
fn watch_tells_each_change_in_a_line_of_its_own() {
    let election = Election::new();
    let mut watch = leader();
    watch.args(["watch", "--json", "--every", "50ms", "--store", &election.store(), "--election", "nightly"]);
    let mut watch = watch.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(watch.stdout.take().expect("piped")).lines();
    let mut next = |state: &str| loop {
        let object = json(&lines.next().expect("a line").expect("text"));
        if object["state"] == state {
            return object;
        }
    };
    next("unknown");
    let mut worker = election.run("worker-7", &[], WAIT);
    worker.wait_for_command();
    assert_eq!(next("leading")["holder"], "worker-7");
    worker.signal(Signal::SIGKILL);
    next("lapsed");
    let mut worker = election.run("worker-8", &[], WAIT);
    worker.wait_for_command();
    assert_eq!(next("leading")["holder"], "worker-8");
    worker.signal(Signal::SIGTERM);
    assert_eq!(next("free")["holder"], "worker-8");
    watch.kill().expect("killed");
    watch.wait().expect("reaped");
}

#[test]
fn watch_ends_after_the_time_it_is_given() {
    let election = Election::new();
    let output = election.ask("watch", &["--every", "50ms", "--for", "200ms"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stdout(&output).lines().count(), 1, "nothing changed: {}", stdout(&output));
}
