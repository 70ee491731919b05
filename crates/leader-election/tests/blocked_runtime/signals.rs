//! `shutdown_signal`: the first signal hands over, the second ends the process. It has to be another one than the test's.

use std::io::{BufRead, BufReader, Lines};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use leader_election::{LeaderHost, Leadership, MemoryMutex, shutdown_signal};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{PATIENCE, current_thread};

/// A leader that blocks the only thread of its runtime from the first signal on, if it is told to.
struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    /// One that leads.
    fn leads(role: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process::child", "--nocapture", "--test-threads=1"])
            .env("LEADER_TEST_CHILD", role)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut program = Self { child, lines };
        program.says("leads");
        program
    }

    fn says(&mut self, what: &str) {
        let heard = self.lines.by_ref().map(Result::unwrap).find(|line| line.contains(what));
        assert!(heard.is_some(), "it ended, and did not say {what:?}");
    }

    fn send(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    fn ended(mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A failed test leaves no process behind.
impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_first_signal_hands_over_and_the_process_ends_well() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut program = Program::leads("signal");
        program.send(signal);
        program.says("handed over");
        assert!(program.ended().success());
    }
}

#[test]
fn a_second_signal_ends_the_process_at_once_although_its_runtime_is_blocked() {
    for (signal, status) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130)] {
        let mut program = Program::leads("signal, deaf");
        program.send(signal);
        program.says("blocks");
        let begun = Instant::now();
        // Until the echo of the first is over, one signal after the other counts for nothing.
        while program.child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            program.send(signal);
            std::thread::sleep(Duration::from_millis(100));
        }
        let ended = program.ended();
        assert_eq!((ended.code(), ended.signal()), (Some(status), None));
    }
}

/// As where a terminal sends Ctrl-C to a program and to its parent, which passes it on.
#[test]
fn the_echo_of_a_signal_is_no_second_one() {
    let mut program = Program::leads("signal");
    program.send(Signal::SIGINT);
    program.send(Signal::SIGTERM);
    program.says("handed over");
    assert!(program.ended().success());
}

pub fn play() {
    let deaf = std::env::var("LEADER_TEST_CHILD").unwrap().ends_with("deaf");
    let shutdown = shutdown_signal().expect("outside of a runtime, too");
    let host = LeaderHost::new(MemoryMutex::new());
    let run = host.run(shutdown, move |leader: Leadership| async move {
        println!("leads");
        leader.token().cancelled().await;
        if deaf {
            println!("blocks");
            std::thread::sleep(PATIENCE * 2);
        }
    });
    current_thread().block_on(run).unwrap();
    println!("handed over");
    std::process::exit(0);
}
