//! The log, which alerts and people read.

use std::net::TcpListener;

use nix::sys::signal::Signal;

use crate::cosmos;
use crate::rig::{Environment, Worker, azurite, eventually};
use testbed::cosmos::{Emulator, EmulatorOptions};

#[test]
fn a_log_that_nobody_reads_keeps_no_leader_from_renewing_and_no_worker_from_ending() {
    let emulator = Emulator::start(EmulatorOptions::default());
    // All that there is to log, so that the pipe is full soon.
    let worker = cosmos::on(&emulator).with("LEADER_LEASE_SECONDS", "10").with("RUST_LOG", "trace").replica("unread");
    let (_, took_over) = worker.wait_for("took_over");
    let steps = || worker.status()["checkpoint"]["steps"].as_u64().unwrap_or_default();
    let token = worker.status()["leader"]["fencing_token"].clone();
    worker.leave_its_log_unread();
    // One each second: longer than a lease.
    let wanted = took_over["steps"].as_u64().unwrap() + 20;
    eventually("it works on", || steps() >= wanted);
    assert_eq!(worker.status()["leader"]["fencing_token"], token, "in the same term");

    worker.signal(Signal::SIGTERM);
    let (end, lines, stderr) = worker.ended_with_lines();
    assert!(end.success(), "{end}: {stderr}");
    assert!(!lines.iter().any(|line| line.text.contains("\"told_to_end\"")), "the log had come to a halt before");
}

#[test]
fn the_last_line_says_why_a_worker_ended_by_itself() {
    let taken = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (end, log, _) = Worker::start(Environment::on(azurite()).with("PORT", &port)).ended();
    assert_eq!(end.code(), Some(1), "{end}");
    let last = log.last().expect("a line");
    assert_eq!(last["event"], "failed");
    assert!(last["error"].as_str().unwrap().contains(&port), "{last}");
}

#[test]
fn the_lines_that_alerts_need_are_logged_whatever_rust_log_says() {
    let environment = Environment::on(azurite());
    for (name, level) in [("first", "warn"), ("second", "off")] {
        let worker = environment.clone().with("RUST_LOG", level).replica(name);
        let (_, leading) = worker.wait_for("leading");
        assert_eq!((&leading["election"], &leading["holder"]), (&"nightly".into(), &name.into()), "{leading}");
        worker.signal(Signal::SIGTERM);
        assert!(worker.ended().0.success());
    }
}
