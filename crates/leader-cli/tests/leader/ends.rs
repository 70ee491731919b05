//! However a leader ends, or hangs: its command is gone before the next leader's starts.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::rig::{Election, Worker, eventually, group_runs, process_runs};

/// Three processes that do not heed SIGTERM and write all the time: the command, a child, and a grandchild.
const STUBBORN: &str = r#"
    trap '' TERM
    work() { while :; do echo "$LEADER_FENCING_TOKEN $1" >> $written; sleep 0.02; done; }
    ( ( work grandchild ) & work child ) &
    work command
"#;

/// Heeds SIGTERM; otherwise the same.
const MEEK: &str = r#"while :; do echo "$LEADER_FENCING_TOKEN command" >> $written; sleep 0.02; done"#;

/// The leader, the process group of its command, and a standby.
fn two_contenders(election: &Election, options: &[&str], first: &str, second: &str) -> (Worker, Pid, Worker) {
    let mut first = election.run("first", options, first);
    let group = first.wait_for_command();
    let mut second = election.run("second", &[], second);
    second.wait_for("standby");
    (first, group, second)
}

#[test]
fn when_the_leader_is_killed_its_whole_process_group_dies_before_the_next_leader_starts() {
    let election = Election::new();
    let (first, group, mut second) = two_contenders(&election, &[], STUBBORN, STUBBORN);
    election.wait_for("grandchild");
    first.signal(Signal::SIGKILL);
    let next = second.wait_for_command();
    assert!(!group_runs(group), "two commands run at once");
    wait_for_the_second_leaders_work(&election);
    election.assert_that_no_older_leader_wrote_after_a_newer_one();
    assert!(group_runs(next));
}

fn wait_for_the_second_leaders_work(election: &Election) {
    let token = |line: Option<&String>| line.and_then(|line| line.split(' ').next()).map(str::to_owned);
    eventually("the second leader's command writes", || {
        let lines = election.written();
        token(lines.first()) != token(lines.last())
    });
}

#[cfg(target_os = "linux")]
#[test]
fn not_even_a_process_that_has_left_the_group_outlives_a_killed_leader() {
    let election = Election::new();
    let daemon = r#"setsid sh -c 'echo "$LEADER_FENCING_TOKEN daemon $$" >> $written; exec sleep 1000' & "#;
    // Of so long a lease that nothing but the leader's end can be why.
    let mut leader = election.run("leader", &["--lease", "1h"], &format!("{daemon} {STUBBORN}"));
    let group = leader.wait_for_command();
    election.wait_for("daemon");
    election.wait_for("grandchild");
    let lines = election.written();
    let line = lines.iter().find(|line| line.contains("daemon")).expect("written");
    let daemon = Pid::from_raw(line.rsplit(' ').next().expect("a word").parse().expect("a process id"));
    assert!(process_runs(daemon));
    leader.signal(Signal::SIGKILL);
    eventually("all are gone", || !process_runs(daemon) && !group_runs(group));
}

#[test]
fn when_the_leader_is_stopped_for_ten_seconds_its_command_is_gone_before_the_next_leaders_starts() {
    let election = Election::new();
    let (mut first, group, mut second) = two_contenders(&election, &[], STUBBORN, STUBBORN);
    election.wait_for("grandchild");
    first.signal(Signal::SIGSTOP);
    let stopped = Instant::now();
    second.wait_for_command();
    // It is the guardian that has killed it, not the fence that refuses it: the first leader is still stopped.
    assert!(!group_runs(group), "two commands run at once");
    wait_for_the_second_leaders_work(&election);
    std::thread::sleep(Duration::from_secs(10).saturating_sub(stopped.elapsed()));
    first.signal(Signal::SIGCONT);
    assert_eq!(first.wait_for("command_ended")["manner"], "killed");
    first.wait_for("standby");
    election.assert_that_no_older_leader_wrote_after_a_newer_one();
}

#[test]
fn a_command_that_heeds_sigterm_gets_it_while_its_leader_is_stopped_and_the_lease_still_runs() {
    let election = Election::new();
    let trap = r#"trap 'echo "$LEADER_FENCING_TOKEN told" >> $written; exit 0' TERM;"#;
    let (first, _, mut second) = two_contenders(&election, &[], &format!("{trap} {MEEK}"), MEEK);
    first.signal(Signal::SIGSTOP);
    second.wait_for_command();
    wait_for_the_second_leaders_work(&election);
    first.signal(Signal::SIGCONT);
    assert!(election.written().iter().any(|line| line.contains("told")), "it was not told to end");
    election.assert_that_no_older_leader_wrote_after_a_newer_one();
}

#[test]
fn a_command_that_ignores_sigterm_is_killed_by_the_deadline_when_the_lease_cannot_be_renewed() {
    let election = Election::new();
    let trap = r#"trap 'echo "$LEADER_FENCING_TOKEN told" >> $written' TERM;"#;
    let mut leader = election.run("leader", &[], &format!("{trap} {MEEK}"));
    let group = leader.wait_for_command();
    election.wait_for("command");
    let away = election.store_directory().with_extension("away");
    fs::rename(election.store_directory(), &away).expect("moved");
    assert_eq!(leader.wait_for("stopping")["reason"], "renewal_timed_out");
    let end = leader.wait_for("command_ended");
    assert_eq!((end["manner"].as_str(), end["code"].as_u64()), (Some("killed"), Some(137)));
    assert!(!group_runs(group));
    let told = election.written().iter().filter(|line| line.contains("told")).count();
    assert_eq!(told, 1, "SIGTERM comes once, before SIGKILL");
}

#[test]
fn a_command_that_ignores_sigterm_is_killed_when_its_time_to_drain_is_up_and_at_once_by_a_second_signal() {
    for (drain, signals) in [("300ms", 1), ("1h", 2)] {
        let election = Election::new();
        let mut leader = election.run("leader", &["--drain", drain], STUBBORN);
        let group = leader.wait_for_command();
        election.wait_for("grandchild");
        leader.signal(Signal::SIGTERM);
        leader.wait_for("stopping");
        (1..signals).for_each(|_| leader.signal(Signal::SIGTERM));
        assert_eq!(leader.wait_for("command_ended")["manner"], "killed");
        assert_eq!(leader.exit_code(), 143);
        assert!(!group_runs(group));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn when_the_guardian_is_killed_or_stopped_the_leader_ends_the_command_itself() {
    for signal in [Signal::SIGKILL, Signal::SIGSTOP] {
        let election = Election::new();
        let mut leader = election.run("leader", &[], STUBBORN);
        let group = leader.wait_for_command();
        election.wait_for("grandchild");
        let guardian = leader.guardian();
        kill(guardian, signal).expect("signalled");
        if signal == Signal::SIGSTOP {
            // What is left to do is then the leader's.
            fs::rename(election.store_directory(), election.store_directory().with_extension("away")).expect("moved");
        }
        assert_eq!(leader.wait_for("command_ended")["manner"], "killed");
        assert!(!group_runs(group), "the command goes on without a guardian");
        assert!(!process_runs(guardian));
    }
}

#[test]
fn the_lease_is_released_only_after_the_last_process_of_the_group_is_gone() {
    let election = Election::new();
    let (first, group, mut second) = two_contenders(&election, &["--drain", "1s"], STUBBORN, MEEK);
    election.wait_for("grandchild");
    first.signal(Signal::SIGTERM);
    second.wait_for_command();
    assert!(!group_runs(group), "two commands run at once");
    wait_for_the_second_leaders_work(&election);
    election.assert_that_no_older_leader_wrote_after_a_newer_one();
    assert_eq!(first.exit_code(), 143);
}
