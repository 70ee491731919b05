//! Signals, terminals, and the processes around a command.

use std::process::Command;

use nix::sys::signal::{Signal, kill};

use crate::rig::{
    Election, Worker, answer, eventually, group_runs, leader, process_runs, stderr, stdout, without_settings,
};

/// Writes all the time; for some minutes, should nothing end it.
const WRITE: &str =
    r#"i=0; while [ $i -lt 5000 ]; do echo "$LEADER_FENCING_TOKEN" >> $written; i=$((i+1)); sleep 0.02; done"#;

#[cfg(target_os = "linux")]
#[test]
fn when_leader_and_guardian_are_killed_at_once_the_command_dies_with_them() {
    let election = Election::new();
    let mut first = election.run("first", &[], WRITE);
    let command = first.wait_for_command();
    eventually("it writes", || !election.written().is_empty());
    let mut second = election.run("second", &[], WRITE);
    second.wait_for("standby");
    // As by the memory limit of a container, neither acts on the other's death any more.
    let both = [first.guardian(), first.pid()];
    for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
        both.iter().for_each(|process| kill(*process, signal).expect("signalled"));
    }
    second.wait_for_command();
    assert!(!process_runs(command), "two commands run at once");
    eventually("the second command writes", || election.written().first() != election.written().last());
    election.assert_that_no_older_leader_wrote_after_a_newer_one();
}

#[cfg(target_os = "linux")]
#[test]
fn when_the_guardian_of_a_stopped_leader_is_killed_the_command_dies_with_it() {
    let election = Election::new();
    let mut leader = election.run("leader", &["--lease", "1h"], WRITE);
    let command = leader.wait_for_command();
    eventually("it writes", || !election.written().is_empty());
    let guardian = leader.guardian();
    leader.signal(Signal::SIGSTOP);
    kill(guardian, Signal::SIGKILL).expect("killed");
    eventually("the command is gone", || !process_runs(command));
}

#[cfg(target_os = "linux")]
#[test]
fn a_command_whose_guardian_is_stopped_is_told_to_end_all_the_same() {
    let election = Election::new();
    let script = format!(r#"trap 'echo "$LEADER_FENCING_TOKEN told" >> $written; exit 0' TERM; {WRITE}"#);
    let mut leader = election.run("leader", &["--drain", "1s"], &script);
    let group = leader.wait_for_command();
    eventually("it writes", || !election.written().is_empty());
    kill(leader.guardian(), Signal::SIGSTOP).expect("stopped");
    leader.signal(Signal::SIGTERM);
    assert_eq!(leader.exit_code(), 143);
    assert_eq!(election.written().iter().filter(|line| line.ends_with("told")).count(), 1);
    assert!(!group_runs(group));
    // It was released.
    assert_eq!(election.run("next", &["--once", "--wait", "0s"], "exit 0").exit_code(), 0);
}

#[test]
fn a_worker_that_was_started_to_ignore_sighup_goes_on_and_so_does_its_command() {
    let election = Election::new();
    let mut nohup = without_settings(Command::new("nohup"));
    nohup.arg(env!("CARGO_BIN_EXE_leader"));
    let mut leader = Worker::start(election.run_by(nohup, "leader", &[], &["sh", "-c", WRITE]));
    let command = leader.wait_for_command();
    leader.signal(Signal::SIGHUP);
    kill(command, Signal::SIGHUP).expect("signalled");
    let before = election.written().len();
    eventually("it goes on writing", || election.written().len() > before + 20);
    assert!(leader.runs());
    leader.signal(Signal::SIGTERM);
    assert_eq!(leader.exit_code(), 143);
}

#[test]
fn a_command_that_is_stopped_is_continued_when_it_is_told_to_end() {
    let election = Election::new();
    // As one that reads from a terminal that is not its own is stopped, for good.
    let script = r#"trap 'echo told >> $written; exit 0' TERM; echo ready >> $written; kill -STOP $$; sleep 1000"#;
    let mut leader = election.run("leader", &["--drain", "1h"], script);
    leader.wait_for_command();
    election.wait_for("ready");
    std::thread::sleep(std::time::Duration::from_millis(300));
    leader.signal(Signal::SIGTERM);
    assert_eq!(leader.wait_for("command_ended")["manner"], "told");
    election.wait_for("told");
    assert_eq!(leader.exit_code(), 143);
}

#[test]
fn a_command_gets_one_sigterm_when_the_worker_alone_gets_it() {
    let election = Election::new();
    let script = r#"trap 'echo told >> $written' TERM; echo ready >> $written
        while ! grep -q told $written; do sleep 0.02; done; sleep 1"#;
    let mut leader = election.run("leader", &[], script);
    leader.wait_for_command();
    election.wait_for("ready");
    leader.signal(Signal::SIGTERM);
    assert_eq!(leader.exit_code(), 143);
    assert_eq!(election.written(), ["ready", "told"]);
}

#[test]
fn for_a_program_that_is_not_there_no_lead_is_taken() {
    let election = Election::new();
    std::fs::write(election.file("no-program"), "").expect("written");
    let no_program = election.file("no-program").display().to_string();
    for (program, code) in
        [("no-such-program-anywhere", 127), ("/no/such/program", 127), ("/", 126), (&no_program, 126)]
    {
        let worker = election.run_command("worker", &[], &[program]);
        let events = worker.all_events();
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(events[0]["exit_code"], code, "{events:?}");
    }
    let status = election.ask("status", &["--json"]);
    assert!(stdout(&status).contains(r#""state":"unknown""#), "{}", stdout(&status));
}

#[test]
fn a_program_that_turns_out_not_to_run_ends_the_worker_and_nobody_is_said_to_have_asked_for_it() {
    use std::os::unix::fs::PermissionsExt;
    let election = Election::new();
    let path = election.file("broken");
    std::fs::write(&path, "#!/no/such/interpreter\n").expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("set");
    let events = election.run_command("worker", &[], &[&path.display().to_string()]).all_events();
    assert_eq!(events.last().expect("the last")["exit_code"], 127, "{events:?}");
    let ended = events.iter().find(|event| event["event"] == "ended").expect("it ended");
    assert_eq!(ended["reason"], "task_ended", "{events:?}");
}

#[test]
fn a_worker_within_its_own_command_is_refused_and_does_not_wait_for_itself() {
    let election = Election::new();
    let within = |election_name: &str, script: &str| {
        let bin = env!("CARGO_BIN_EXE_leader");
        format!("{bin} run --store {} --election {election_name} --lease 3s --once -- {script}", election.store())
    };
    let around = |script: String| {
        let mut run = leader();
        run.args(["run", "--quiet", "--store", &election.store(), "--election", "nightly", "--lease", "3s", "--once"]);
        run.args(["--", "sh", "-c", &script]);
        run
    };
    let run = around(within("nightly", "true"));
    let output = answer(run, "");
    assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
    assert!(stderr(&output).contains("would wait for itself"), "{}", stderr(&output));
    // Also from below a worker of another election; and that one by itself is fine.
    let run = around(within("weekly", &within("nightly", "true")));
    assert_eq!(answer(run, "").status.code(), Some(78));
    let run = around(within("weekly", "true"));
    assert_eq!(answer(run, "").status.code(), Some(0));
}

#[test]
fn the_end_of_a_term_is_told_before_the_standby_that_follows_it() {
    for _ in 0..5 {
        let election = Election::new();
        let mut worker = election.run("worker", &["--lease", "1s"], "exit 1");
        for _ in 0..2 {
            worker.wait_for("elected");
            loop {
                let event = worker.next();
                assert_ne!(event["event"], "standby", "it is told before the end of the term");
                if event["event"] == "ended" {
                    break;
                }
            }
        }
    }
}

/// As in a container whose entry point it is.
#[cfg(target_os = "linux")]
#[test]
fn as_the_first_process_it_asks_after_orphans_and_kills_none_that_are_not_the_commands() {
    use crate::rig::{children_of, is_root};
    if !is_root("the first process of a container") {
        return;
    }
    let election = Election::new();
    let mut unshare = without_settings(Command::new("unshare"));
    unshare.args(["--pid", "--fork", "--kill-child", "--mount-proc", env!("CARGO_BIN_EXE_leader")]);
    let mut outer = Worker::start(election.run_by(unshare, "leader", &[], &["sleep", "1000"]));
    outer.wait_for("started");
    let first = children_of(u32::try_from(outer.pid().as_raw()).expect("a number"))[0];
    // As `docker exec` comes in.
    let enter = |script: &str| {
        let mut enter = Command::new("nsenter");
        enter.args(["-t", &first.to_string(), "-p", "-m", "sh", "-c", script]).status().expect("it runs");
    };
    enter("for i in 1 2 3 4 5; do (sleep 0.2 &); done; (setsid sleep 777 > /dev/null 2>&1 &)");
    let named = |name: &str| {
        let all = children_with_zombies(first.as_raw());
        all.into_iter().filter(|(_, line)| line.contains(name)).map(|(process, _)| process).collect::<Vec<_>>()
    };
    eventually("the orphan is adopted", || !named("777").is_empty());
    eventually("no zombie is left", || zombies_of(first.as_raw()) == 0);
    std::thread::sleep(std::time::Duration::from_secs(1));
    let guardian = named("guardian")[0];
    kill(nix::unistd::Pid::from_raw(guardian), Signal::SIGKILL).expect("killed");
    outer.wait_for("command_ended");
    assert_eq!(named("777").len(), 1, "a process that has nothing to do with the command was killed");
    kill(first, Signal::SIGKILL).expect("killed");
    outer.ended();
}

#[cfg(target_os = "linux")]
fn children_with_zombies(parent: i32) -> Vec<(i32, String)> {
    // A list for each thread.
    let threads = std::fs::read_dir(format!("/proc/{parent}/task")).expect("it runs").map_while(Result::ok);
    let list: Vec<_> =
        threads.map(|thread| std::fs::read_to_string(thread.path().join("children")).unwrap_or_default()).collect();
    let list = list.concat();
    let ids = list.split_whitespace().filter_map(|id| id.parse().ok());
    ids.map(|id: i32| {
        let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        (id, String::from_utf8_lossy(&line).replace('\0', " "))
    })
    .collect()
}

#[cfg(target_os = "linux")]
fn zombies_of(parent: i32) -> usize {
    let all = children_with_zombies(parent);
    let is_zombie =
        |id: &i32| std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| stat.contains(") Z "));
    all.iter().filter(|(id, _)| is_zombie(id)).count()
}
