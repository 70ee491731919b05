//! The sample `billing`: real processes, killed and paused, and a ledger that is right in the end.

#![cfg(unix)]
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testbed::worker::samples;

/// How long a run may take: several times what it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// The sample; killed when dropped, upon which its workers end by themselves.
struct Billing {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Billing {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(samples().join("billing"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, output }
    }

    /// All that it prints until it ends, and whether it ended well.
    fn whole_run(mut self) -> (String, bool) {
        let (pid, (ended, end)) = (self.pid(), mpsc::channel::<()>());
        let watch = std::thread::spawn(move || {
            if end.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let _ = kill(pid, Signal::SIGKILL);
            }
        });
        let mut said = String::new();
        self.output.read_to_string(&mut said).expect("text");
        drop(ended);
        let ended_well = self.child.wait().expect("reaped").success();
        watch.join().expect("it watches");
        (said, ended_well)
    }

    fn wait_for(&mut self, part: &str) -> String {
        let mut lines = self.output.by_ref().lines().map_while(Result::ok);
        lines.find(|line| line.contains(part)).unwrap_or_else(|| panic!("it ended before it said {part:?}"))
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"))
    }
}

impl Drop for Billing {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the last line says: charged once, charged twice, missed.
fn totals(said: &str) -> [usize; 3] {
    let last = said.lines().last().expect("a last line");
    let numbers: Vec<_> = last.split([' ', '=']).skip(1).step_by(2).map(|number| number.parse().unwrap()).collect();
    assert_eq!(last, format!("charged_once={} charged_twice={} missed={}", numbers[0], numbers[1], numbers[2]));
    numbers.try_into().expect("three numbers")
}

#[test]
fn each_subscription_is_charged_once_though_leaders_are_killed_and_paused() {
    let (said, ended_well) = Billing::start(&["--subscriptions", "20", "--kills", "2", "--pauses", "2"]).whole_run();
    assert_eq!(totals(&said), [20, 0, 0], "{said}");
    assert!(ended_well, "{said}");
    assert!(said.contains("leaders killed: 2, paused: 2"), "{said}");
    // Or the fence was never tried.
    let fenced =
        said.lines().filter(|line| line.contains("hears of its old charge") && line.contains("fenced: a newer"));
    assert_eq!(fenced.count(), 2, "{said}");
}

#[test]
fn without_fencing_a_paused_leader_charges_again() {
    let arguments = ["--no-fencing", "--subscriptions", "20", "--kills", "1", "--pauses", "2"];
    let (said, ended_well) = Billing::start(&arguments).whole_run();
    let [_, twice, missed] = totals(&said);
    assert!(twice > 0, "{said}");
    assert_eq!(missed, 0, "{said}");
    assert!(ended_well, "it shows what it was told to show: {said}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_that_is_killed_leaves_no_worker_behind_not_even_a_paused_one() {
    use std::time::Instant;

    let mut billing = Billing::start(&["--subscriptions", "20", "--kills", "0", "--pauses", "1"]);
    billing.wait_for("is paused");
    let workers = children(billing.child.id());
    assert_eq!(workers.len(), 3);
    billing.child.kill().expect("killed");
    let begun = Instant::now();
    while workers.iter().any(|worker| runs(*worker)) {
        assert!(begun.elapsed() < PATIENCE, "they go on: {workers:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(target_os = "linux")]
fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("processes").map_while(Result::ok);
    let ids = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
    ids.filter(|process| state(*process).is_some_and(|(_, its_parent)| its_parent == parent)).collect()
}

/// One that has ended may stay in the list, for a parent that does not look.
#[cfg(target_os = "linux")]
fn runs(process: u32) -> bool {
    state(process).is_some_and(|(state, _)| state != "Z" && state != "X")
}

/// The state of a process, and its parent.
#[cfg(target_os = "linux")]
fn state(process: u32) -> Option<(String, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program comes before, in brackets, and may hold anything.
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut fields = after_name.split(' ');
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}
