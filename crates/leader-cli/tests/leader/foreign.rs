//! A command that runs as another user, as under `sudo`: it cannot be ended by its worker, which says so and keeps the lease.
//!
//! A copy of `setpriv` that belongs to root and has the set-user-ID bit stands in for `sudo`. All this takes root.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::rig::{Election, Worker, eventually, is_root, not_tested, process_runs, processor_time, without_settings};

/// Of the user `nobody`.
const NOBODY: u32 = 65534;

/// Ignores SIGTERM, and writes all the time; for a minute, should the test not end it.
const STUBBORN: &str = r#"trap '' TERM; echo $$ >> $written.pids; i=0; while [ $i -lt 3000 ]; do
    echo "$LEADER_FENCING_TOKEN" >> $written; i=$((i+1)); sleep 0.02; done"#;

struct Stage {
    election: Election,
    leader: PathBuf,
    becoming_root: PathBuf,
}

impl Stage {
    fn new() -> Self {
        let election = Election::new();
        election.open_to_all();
        let (leader, becoming_root) = (election.file("leader"), election.file("becoming-root"));
        // Where a user may reach it.
        fs::copy(env!("CARGO_BIN_EXE_leader"), &leader).expect("copied");
        fs::set_permissions(&leader, fs::Permissions::from_mode(0o755)).expect("set");
        fs::copy("/usr/bin/setpriv", &becoming_root).expect("copied");
        fs::set_permissions(&becoming_root, fs::Permissions::from_mode(0o4755)).expect("set");
        fs::write(election.file("written.pids"), "").expect("created");
        Self { election, leader, becoming_root }
    }

    /// A worker of `nobody`, whose command this is.
    fn run(&self, holder: &str, options: &[&str], command: &[&str]) -> Worker {
        let mut leader = without_settings(Command::new(&self.leader));
        leader.uid(NOBODY).gid(NOBODY).current_dir("/");
        Worker::start(self.election.run_by(leader, holder, options, command))
    }

    /// Likewise, of a shell script that runs as root.
    fn run_as_root(&self, holder: &str, options: &[&str], script: &str) -> Worker {
        let becoming_root = self.becoming_root.to_str().expect("text");
        let as_root = [becoming_root, "--reuid=0", "--regid=0", "--clear-groups", "sh", "-c", script];
        self.run(holder, options, &as_root)
    }

    fn pids(&self) -> Vec<Pid> {
        let lines = fs::read_to_string(self.election.file("written.pids")).unwrap_or_default();
        lines.lines().filter_map(|line| line.parse().ok().map(Pid::from_raw)).collect()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for process in self.pids() {
            let _ = kill(process, Signal::SIGKILL);
        }
    }
}

#[test]
fn a_command_that_cannot_be_ended_keeps_the_lease_until_a_second_signal_and_then_it_runs_out() {
    if !is_root("commands of another user, and a second signal") {
        return;
    }
    let stage = Stage::new();
    let mut first = stage.run_as_root("first", &["--drain", "1h"], STUBBORN);
    first.wait_for_command();
    let warning = first.wait_for("foreign_process");
    assert_eq!((warning["user"].as_str(), warning["signal"].as_str()), (Some("root"), None));
    eventually("it writes", || !stage.election.written().is_empty());
    let mut second = stage.run("second", &[], &["sleep", "1000"]);
    second.wait_for("standby");

    first.signal(Signal::SIGTERM);
    assert_eq!(first.wait_for("foreign_process")["signal"], "SIGTERM");
    // Far longer than the lease of 3 s.
    std::thread::sleep(Duration::from_secs(8));
    assert!(first.runs() && second.said().iter().all(|event| event["event"] != "elected"), "{:?}", second.said());

    first.signal(Signal::SIGTERM);
    assert_eq!(first.wait_for("foreign_process")["signal"], "SIGKILL");
    let failure = loop {
        let event = first.next();
        if event["exit_code"].is_u64() {
            break event;
        }
    };
    assert!(failure["error"].as_str().is_some_and(|error| error.contains("could not be ended")), "{failure}");
    let (ended, lease) = (Instant::now(), Duration::from_secs(3));
    assert_eq!(first.exit_code(), 71);
    second.wait_for("elected");
    // It was left to run out. A renewal was at most a third of it ago.
    assert!(ended.elapsed() > lease / 3, "it was released");
}

#[test]
fn a_command_that_cannot_be_ended_is_given_up_a_lease_after_its_time_to_drain() {
    if !is_root("commands of another user, and the time to drain") {
        return;
    }
    let stage = Stage::new();
    let mut worker = stage.run_as_root("worker", &["--drain", "300ms"], STUBBORN);
    worker.wait_for_command();
    eventually("it writes", || !stage.election.written().is_empty());
    worker.signal(Signal::SIGTERM);
    let told = Instant::now();
    assert_eq!(worker.exit_code(), 71);
    assert!(told.elapsed() >= Duration::from_millis(3300), "{:?}", told.elapsed());
    // No other time than that of the lease is known to be enough: it is still on record.
    let status = stage.election.ask("status", &["--wait", "0s", "--json"]);
    assert!(String::from_utf8_lossy(&status.stdout).contains("on_record"), "{status:?}");
}

#[test]
fn a_command_that_cannot_be_ended_and_then_ends_lets_the_worker_end_as_it_was_told() {
    if !is_root("commands of another user that end late") {
        return;
    }
    let stage = Stage::new();
    let script = r#"trap '' TERM; echo $$ >> $written.pids; echo ready >> $written; sleep 5"#;
    let mut worker = stage.run_as_root("worker", &["--drain", "300ms", "--lease", "20s"], script);
    worker.wait_for_command();
    stage.election.wait_for("ready");
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.exit_code(), 143);
    let next = stage.run("next", &["--once", "--wait", "0s"], &["true"]);
    assert_eq!(next.exit_code(), 0, "the lease was released");
}

#[test]
fn a_guardian_that_is_left_with_a_process_that_it_cannot_kill_says_so_and_rests() {
    if !is_root("commands of another user without a leader") {
        return;
    }
    let stage = Stage::new();
    let mut worker = stage.run_as_root("worker", &[], STUBBORN);
    worker.wait_for_command();
    eventually("it writes", || !stage.election.written().is_empty());
    let (guardian, command) = (worker.guardian(), stage.pids()[0]);
    worker.signal(Signal::SIGKILL);
    worker.ended();
    let said = worker.wait_for_text("goes on without a leader");
    assert!(said.contains(&format!("process {command} ")) && said.contains("root"), "{said}");
    // Once it has found its slowest pace.
    std::thread::sleep(Duration::from_secs(3));
    let (before, began) = (processor_time(guardian), Instant::now());
    std::thread::sleep(Duration::from_secs(4));
    let used = Duration::from_millis((processor_time(guardian) - before) * 10);
    assert!(used < began.elapsed() / 30, "the guardian used {used:?} of {:?}", began.elapsed());
    kill(command, Signal::SIGKILL).expect("killed");
    eventually("the guardian ends", || !process_runs(guardian));
}

#[test]
fn a_guardian_forgets_a_group_that_is_empty_whose_number_others_may_get() {
    const LAST: &str = "/proc/sys/kernel/ns_last_pid";
    if !is_root("process groups whose numbers are used again") {
        return;
    }
    let stage = Stage::new();
    let becoming_root = stage.becoming_root.to_str().expect("text");
    // The command ends, and what it leaves in another session cannot be killed: so its guardian goes on killing.
    let script = format!(
        r#"setsid {becoming_root} --reuid=0 --regid=0 --clear-groups sh -c '{}' & sleep 0.5"#,
        "trap \"\" TERM; echo $$ >> $written.pids; sleep 60"
    );
    let mut worker = stage.run("worker", &[], &["sh", "-c", &script]);
    let group = worker.wait_for_command();
    eventually("it has left something", || !stage.pids().is_empty());
    eventually("the command has ended", || !process_runs(group) && killpg(group, None).is_err());
    // Another program of the same user gets that number; others on this machine start processes, too.
    let mut other = None;
    for _ in 0..200 {
        if fs::write(LAST, (group.as_raw() - 1).to_string()).is_err() {
            not_tested("process groups whose numbers are used again", "numbers of processes cannot be chosen here");
            return;
        }
        let mut child = Command::new("sleep");
        child.arg("1000").uid(NOBODY).process_group(0).stdin(Stdio::null());
        let mut child = child.spawn().expect("it starts");
        if i64::from(child.id()) == i64::from(group.as_raw()) {
            other = Some(child);
            break;
        }
        child.kill().expect("killed");
        child.wait().expect("reaped");
    }
    let mut other = other.expect("the number is given out again");
    // Many rounds of killing.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(other.try_wait().expect("a child"), None, "a program that has nothing to do with it was killed");
    other.kill().expect("killed");
    other.wait().expect("reaped");
}
