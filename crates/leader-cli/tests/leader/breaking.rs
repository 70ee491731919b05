//! `leader break`: it asks, and then nobody leads beside the old leader.

use crate::rig::{Election, answer, group_runs, leader, stderr, stdout};

const WAIT: &str = r#"while :; do echo "$LEADER_FENCING_TOKEN" >> $written; sleep 0.02; done"#;

fn break_it(election: &Election, options: &[&str], told: &str) -> std::process::Output {
    let mut command = leader();
    command.args(["break", "--store", &election.store(), "--election", "nightly"]).args(options);
    answer(command, told)
}

#[test]
fn it_asks_and_changes_nothing_unless_the_election_is_named() {
    let election = Election::new();
    let mut worker = election.run("worker-7", &[], WAIT);
    worker.wait_for_command();
    for told in ["", "y\n", "nightl\n"] {
        let output = break_it(&election, &[], told);
        assert_eq!(output.status.code(), Some(1));
        let said = stderr(&output);
        assert!(said.contains("lead of worker-7") && said.contains("Type the election's name to confirm"), "{said}");
        assert!(said.contains("nothing was changed"), "{said}");
    }
    assert_eq!(election.ask("status", &[]).status.code(), Some(0));
}

#[test]
fn the_old_leaders_command_is_gone_before_another_one_starts() {
    let election = Election::new();
    let mut first = election.run("first", &[], WAIT);
    let group = first.wait_for_command();
    let mut second = election.run("second", &[], WAIT);
    second.wait_for("standby");
    let output = break_it(&election, &["--json"], "nightly\n");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("at the latest in 3s"), "{}", stderr(&output));
    let object: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("an object");
    assert_eq!(object["broken"], true);
    assert_eq!(object["leader"]["holder"], "first");
    assert_eq!(object["free_in_ms"], 3000, "a candidate watches the record stand still for so long");
    assert_eq!(first.wait_for("ended")["reason"], "lease_lost");
    assert!(!group_runs(group));
    // Which of the two leads next is open; its token is above that of the term that was broken.
    election.assert_that_no_older_leader_wrote_after_a_newer_one();
    let leads = |worker: &mut crate::rig::Worker| worker.wait_for("elected")["fencing_token"].as_u64();
    let broken = object["leader"]["fencing_token"].as_u64();
    first.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(leads(&mut second) > broken);
}

#[test]
fn a_period_shorter_than_the_lease_comes_with_a_warning() {
    let election = Election::new();
    let mut worker = election.run("worker-7", &[], WAIT);
    worker.wait_for_command();
    let output = break_it(&election, &["--yes", "--period", "0s"], "");
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("WARNING") && stderr(&output).contains("fence"), "{}", stderr(&output));
    assert_eq!(stdout(&output), "nightly: broken: another worker can lead now");
    assert_eq!(worker.wait_for("ended")["reason"], "lease_lost");
}

#[test]
fn a_period_that_a_file_cannot_count_is_refused_in_the_stores_words_and_nothing_is_broken() {
    let election = Election::new();
    let mut worker = election.run("worker-7", &["--lease", "1s"], WAIT);
    let token = worker.wait_for("elected")["fencing_token"].clone();
    worker.wait_for_command();
    for period in ["500ms", "2s"] {
        let output = break_it(&election, &["--yes", "--period", period], "");
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(78), ""), "{}", stderr(&output));
        assert!(stderr(&output).contains("no clock that could count a period"), "{}", stderr(&output));
    }
    let status = stdout(&election.ask("status", &["--json", "--wait", "1h"]));
    let object: serde_json::Value = serde_json::from_str(&status).expect("an object");
    assert_eq!((object["state"].as_str(), &object["fencing_token"]), (Some("leading"), &token));
}

#[test]
fn a_lead_that_was_broken_is_shown_as_such_until_its_lease_has_run_out() {
    let election = Election::new();
    let mut worker = election.run("worker-7", &["--lease", "1h"], WAIT);
    worker.wait_for_command();
    worker.signal(nix::sys::signal::Signal::SIGKILL);
    worker.ended();
    assert_eq!(break_it(&election, &["--yes"], "").status.code(), Some(0));
    let record = || std::fs::read(election.store_directory().join("nightly.json")).expect("a record");
    let broken = record();
    for _ in 0..2 {
        let output = election.ask("status", &["--json"]);
        assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
        assert!(stdout(&output).contains(r#""state":"breaking""#), "{}", stdout(&output));
        let again = break_it(&election, &["--yes"], "");
        assert!(stderr(&again).contains("was broken already"), "{}", stderr(&again));
        assert!(record() == broken, "written anew, it would have to stand still for a whole lease once more");
    }
    let output = break_it(&election, &["--yes", "--period", "0s"], "");
    assert_eq!(stdout(&output), "nightly: broken: another worker can lead now");
    assert!(stdout(&election.ask("status", &[])).contains("nobody leads; worker-7 led last"));
}

#[test]
fn where_nobody_leads_there_is_nothing_to_break() {
    let election = Election::new();
    let output = break_it(&election, &[], "");
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("nothing to break"));
}
