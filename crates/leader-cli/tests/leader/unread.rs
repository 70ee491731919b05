//! A worker whose lines are not read.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::rig::{Election, eventually, leader};

const WRITE: &str =
    r#"i=0; while [ $i -lt 5000 ]; do echo "$LEADER_FENCING_TOKEN" >> $written; i=$((i+1)); sleep 0.02; done"#;

/// One end of a connection that takes nothing more, and the other, which nobody reads.
fn full() -> (UnixStream, UnixStream) {
    let (mut writer, reader) = UnixStream::pair().expect("a pair");
    writer.set_nonblocking(true).expect("set");
    while writer.write(&[b'x'; 512]).is_ok() {}
    while writer.write(b"x").is_ok() {}
    writer.set_nonblocking(false).expect("set");
    (writer, reader)
}

/// Killed when dropped.
struct Unheard(Child);

impl Drop for Unheard {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Unheard {
    fn tell_to_end(&self) {
        kill(Pid::from_raw(i32::try_from(self.0.id()).expect("a number")), Signal::SIGTERM).expect("signalled");
    }

    fn end(&mut self) -> Option<i32> {
        let mut status = None;
        eventually("the worker ends", || {
            status = self.0.try_wait().expect("a child");
            status.is_some()
        });
        status.and_then(|status| status.code())
    }
}

fn start(election: &Election, holder: &str, stderr: UnixStream, rust_log: Option<&str>) -> Unheard {
    let mut run: Command = election.run_by(leader(), holder, &["--drain", "1s"], &["sh", "-c", WRITE]);
    if let Some(filter) = rust_log {
        run.env("RUST_LOG", filter);
    }
    Unheard(run.stdin(Stdio::null()).stderr(OwnedFd::from(stderr)).spawn().expect("it starts"))
}

#[test]
fn a_worker_whose_lines_nobody_reads_runs_its_command_and_ends_when_it_is_told_to() {
    for rust_log in [None, Some("trace")] {
        let election = Election::new();
        let (stderr, reader) = full();
        let mut worker = start(&election, "worker", stderr, rust_log);
        eventually("its command writes", || election.written().len() > 20);
        worker.tell_to_end();
        assert_eq!(worker.end(), Some(143));
        // It was released.
        let next = election.run("next", &["--once", "--wait", "0s"], "exit 0");
        assert_eq!(next.exit_code(), 0);
        drop(reader);
    }
}

#[test]
fn a_worker_goes_on_when_whoever_read_its_log_is_gone() {
    let election = Election::new();
    let (writer, reader) = UnixStream::pair().expect("a pair");
    let mut worker = start(&election, "worker", writer, Some("leader_election=trace"));
    eventually("its command writes", || !election.written().is_empty());
    drop(reader);
    // Each attempt is traced: some renewals.
    std::thread::sleep(std::time::Duration::from_secs(4));
    let before = election.written().len();
    eventually("its command goes on", || election.written().len() > before + 20);
    assert!(worker.0.try_wait().expect("a child").is_none(), "it has ended");
    worker.tell_to_end();
    assert_eq!(worker.end(), Some(143));
}
