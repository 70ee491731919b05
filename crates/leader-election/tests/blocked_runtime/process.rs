//! The process that ends itself on an overrun. It has to be another one than the test's.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use leader_election::{LeaderHostOptions, Timing};

use crate::support::{Blocker, PATIENCE, Store, Worker, current_thread, host, work};

/// Names what the child is to do.
const ROLE: &str = "LEADER_TEST_CHILD";

/// How a child ended, and what it said.
pub fn run_child(role: &str) -> (std::process::ExitStatus, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process::child", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let mut ended = false;
    while !ended && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(5));
        ended = child.try_wait().unwrap().is_some();
    }
    if !ended {
        child.kill().unwrap();
    }
    let status = child.wait().unwrap();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(ended, "the child did not end; it said: {said}");
    (status, said)
}

#[test]
fn an_overrun_ends_the_process_before_another_leads() {
    let (status, said) = run_child("abort");
    assert_eq!(status.signal(), Some(nix::sys::signal::Signal::SIGABRT as i32), "{status}: {said}");
    assert!(said.contains("a leads"), "{said}");
    assert!(!said.contains("b leads"), "{said}");
}

#[test]
fn an_overrun_does_not_end_the_process_where_that_is_turned_off() {
    let (status, said) = run_child("go on");
    assert!(status.success(), "{status}: {said}");
    assert!(said.contains("a leads") && said.contains("b leads"), "{said}");
}

/// Does nothing unless a test of this module started the process.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    match role.as_str() {
        "abort" | "go on" => overrun(&role),
        #[cfg(feature = "signal")]
        signalled if signalled.starts_with("signal") => crate::signals::play(),
        other => crate::children::play(other),
    }
}

fn overrun(role: &str) {
    let store = Store::default();
    // Ten seconds, so that on a busy machine too the end comes well before the lease's.
    let timing = Timing::for_lease(Duration::from_secs(10)).unwrap();
    let first = host("a", &store, |options| {
        options.timing = timing.clone();
        options.stall_limit = Some(Duration::from_millis(300));
        // As it is when nobody chooses.
        let default = LeaderHostOptions::default().abort_process_on_overrun;
        options.abort_process_on_overrun = role == "abort" && default;
    });
    let second = host("b", &store, |options| options.timing = timing);
    let (led_second, second_leads) = mpsc::channel();
    let blocker = Blocker::new();
    let _first = Worker::start(&first, current_thread(), blocker.task());
    blocker.leads();
    println!("a leads");
    let _second = Worker::start(&second, current_thread(), work(&led_second));
    second_leads.recv_timeout(PATIENCE).unwrap();
    println!("b leads");
    std::process::exit(0);
}
