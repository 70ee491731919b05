//! What the command is given, what comes of its end, and which signals reach it.

use nix::sys::signal::Signal;

use crate::rig::{Election, answer, eventually, group_runs, leader, stderr, stdout};

/// Writes a line, and waits until a signal ends it.
const WAIT: &str = r#"echo "$LEADER_FENCING_TOKEN ready" >> $written; while :; do sleep 0.02; done"#;

#[test]
fn the_command_finds_token_holder_and_election_in_its_environment() {
    let election = Election::new();
    let script = r#"echo "$LEADER_FENCING_TOKEN $LEADER_HOLDER $LEADER_ELECTION" >> $written"#;
    let mut worker = election.run("worker-7", &["--once"], script);
    let token = worker.wait_for("elected")["fencing_token"].as_u64().expect("a number");
    assert_eq!(worker.exit_code(), 0);
    assert_eq!(election.written(), [format!("{token} worker-7 nightly")]);
}

#[test]
fn store_and_election_may_come_by_the_environment_and_the_stores_url_goes_no_further() {
    let election = Election::new();
    let mut run = leader();
    run.env("LEADER_STORE_URL", election.store()).env("LEADER_ELECTION", "nightly").env("COSMOS_KEY", "of-the-account");
    // A key may be what the command writes with; a signature in the URL is for the lease alone.
    let script = r#"echo "${LEADER_STORE_URL-none} $COSMOS_KEY $LEADER_ELECTION" >&2"#;
    run.args(["run", "--quiet", "--once", "--lease", "3s", "--", "sh", "-c", script]);
    let output = answer(run, "");
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), "none of-the-account nightly"));
    assert_eq!(election.ask("status", &[]).status.code(), Some(1), "it was led, and is free");
    assert!(stdout(&election.ask("status", &[])).contains("led last"));
}

#[test]
fn within_a_job_status_needs_no_name_of_the_election() {
    let election = Election::new();
    let script = format!(r#""{}" status --store "{}" >> $written"#, env!("CARGO_BIN_EXE_leader"), election.store());
    let worker = election.run("worker-7", &["--once"], &script);
    assert_eq!(worker.exit_code(), 0);
    let written = election.written();
    assert!(written.concat().starts_with("nightly: worker-7 leads"), "{written:?}");
}

#[test]
fn with_once_the_exit_code_is_the_commands_own() {
    for (script, code) in [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -TERM $$", 143)] {
        let election = Election::new();
        assert_eq!(election.run("worker", &["--once"], script).exit_code(), code, "{script}");
    }
}

#[test]
fn a_command_that_cannot_be_started_ends_the_worker_with_and_without_once() {
    for options in [&["--once"][..], &[]] {
        for (command, code) in [("/no/such/program", 127), ("/", 126)] {
            let election = Election::new();
            assert_eq!(election.run_command("worker", options, &[command]).exit_code(), code, "{command}");
        }
    }
}

#[test]
fn without_once_a_command_that_ends_is_started_again_with_a_higher_token() {
    let election = Election::new();
    let mut worker = election.run("worker", &[], "echo $LEADER_FENCING_TOKEN >> $written; exit 1");
    for _ in 0..2 {
        let end = worker.wait_for("command_ended");
        assert_eq!((end["code"].as_u64(), end["manner"].as_str()), (Some(1), Some("by-itself")));
    }
    eventually("it was started twice", || election.written().len() >= 2);
    let tokens: Vec<u64> = election.written().iter().map(|token| token.parse().expect("a token")).collect();
    assert!(tokens[0] < tokens[1], "{tokens:?}");
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.exit_code(), 143);
}

#[test]
fn signals_are_passed_on_to_the_command() {
    let election = Election::new();
    let traps = r#"for name in USR1 USR2 WINCH; do trap "echo $LEADER_FENCING_TOKEN $name >> $written" $name; done;"#;
    let mut worker = election.run("worker", &[], &format!("{traps} {WAIT}"));
    worker.wait_for_command();
    election.wait_for("ready");
    for (signal, name) in [(Signal::SIGUSR1, "USR1"), (Signal::SIGUSR2, "USR2"), (Signal::SIGWINCH, "WINCH")] {
        worker.signal(signal);
        election.wait_for(name);
    }
}

#[test]
fn a_signal_that_ends_the_worker_reaches_the_command_first_and_shows_in_the_exit_code() {
    for (signal, name) in
        [(Signal::SIGTERM, "TERM"), (Signal::SIGINT, "INT"), (Signal::SIGHUP, "HUP"), (Signal::SIGQUIT, "QUIT")]
    {
        let election = Election::new();
        let trap = format!(r#"trap "echo $LEADER_FENCING_TOKEN {name} >> $written; exit 0" {name}; {WAIT}"#);
        let mut worker = election.run("worker", &[], &trap);
        worker.wait_for_command();
        election.wait_for("ready");
        worker.signal(signal);
        let end = worker.wait_for("command_ended");
        assert_eq!(end["manner"], "told");
        assert_eq!(worker.exit_code(), 128 + signal as i32);
        election.wait_for(name);
        // It was released when the command had ended: the next one leads at once.
        let next = election.run("next", &["--once", "--wait", "0s"], "exit 0");
        assert_eq!(next.exit_code(), 0);
    }
}

#[test]
fn a_signal_ends_a_standby_as_well() {
    let election = Election::new();
    let mut leader = election.run("leader", &[], WAIT);
    leader.wait_for_command();
    let mut standby = election.run("standby", &[], "exit 0");
    standby.wait_for("standby");
    standby.signal(Signal::SIGINT);
    assert_eq!(standby.exit_code(), 130);
}

#[test]
fn what_the_command_leaves_running_ends_with_it() {
    let election = Election::new();
    let background =
        r#"sh -c "trap '' TERM; while :; do echo $LEADER_FENCING_TOKEN left >> $written; sleep 0.02; done" &"#;
    let mut worker = election.run("worker", &["--once"], &format!("{background} sleep 0.3; exit 5"));
    let group = worker.wait_for_command();
    election.wait_for("left");
    assert_eq!(worker.exit_code(), 5);
    assert!(!group_runs(group), "it goes on");
}

#[test]
fn a_worker_gives_up_waiting_if_told_to() {
    let election = Election::new();
    let mut first = election.run("first", &[], WAIT);
    first.wait_for_command();
    for wait in ["0s", "500ms"] {
        let second = election.run("second", &["--wait", wait], "exit 0");
        assert_eq!(second.exit_code(), 75);
    }
}

#[test]
fn a_job_of_which_everything_was_killed_is_started_again_by_one_that_gives_up_if_somebody_leads() {
    let election = Election::new();
    let mut first = election.run("first", &["--once", "--wait", "0s"], WAIT);
    let group = first.wait_for_command();
    first.signal(Signal::SIGKILL);
    first.ended();
    eventually("its command is gone", || !group_runs(group));
    // The first is still on record.
    assert_eq!(election.run("second", &["--once", "--wait", "0s"], "exit 7").exit_code(), 7);
}

#[test]
fn of_two_that_find_a_dead_leader_on_record_one_leads_and_the_other_gives_up() {
    let election = Election::new();
    let mut first = election.run("first", &[], WAIT);
    first.wait_for_command();
    first.signal(Signal::SIGKILL);
    first.ended();
    let run = |holder| election.run(holder, &["--once", "--wait", "0s"], "sleep 2; exit 7");
    let mut codes = [run("second"), run("third")].map(|worker| worker.exit_code());
    codes.sort_unstable();
    assert_eq!(codes, [7, 75]);
}

#[test]
fn one_that_waits_no_more_does_not_repeat_the_job_of_a_leader_that_ends_before_its_next_renewal() {
    let election = Election::new();
    // It renews every 20 minutes.
    let mut first = election.run("first", &["--lease", "1h"], WAIT);
    first.wait_for_command();
    let mut second = election.run("second", &["--once", "--wait", "0s"], "echo again >> $written");
    second.wait_for("standby");
    first.signal(Signal::SIGTERM);
    assert_eq!(first.exit_code(), 143);
    assert_eq!(second.exit_code(), 75);
    assert!(!election.written().contains(&"again".to_owned()));
}

#[test]
fn wrong_arguments_and_settings_have_exit_codes_of_their_own() {
    let run = |arguments: &[&str]| {
        let mut leader = leader();
        leader.arg("run").args(arguments).args(["--election", "nightly", "--", "true"]);
        let output = answer(leader, "");
        (output.status.code().expect("a code"), stderr(&output))
    };
    let (code, text) = run(&["--store", "gopher://127.0.0.1/?sig=SECRET"]);
    assert_eq!((code, text.lines().count()), (64, 1), "{text}");
    assert!(text.contains("file:/directory") && !text.contains("SECRET"), "{text}");
    let (code, _) = run(&["--store", "file:/tmp", "--no-such-option"]);
    assert_eq!(code, 64);
    let (code, text) = run(&["--store", "file:/tmp", "--lease", "100ms"]);
    assert_eq!((code, text.lines().count()), (78, 1), "{text}");
    assert!(text.contains("lease must be between"), "{text}");
    let (code, text) = run(&["--store", "file:/no/such/directory"]);
    assert_eq!(code, 78);
    assert!(text.lines().last().is_some_and(|line| line.contains("create it")), "{text}");
}
