//! Several processes on one file. Each child is this test binary again, told by its environment what to do.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use azure_leader_election::{Acquire, DistributedMutex, ErrorKind, Renew};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{claim, granted, open};

const ROLE: &str = "FILE_TEST_CHILD";
const DIRECTORY: &str = "FILE_TEST_DIRECTORY";

/// Ends with the test, however that ends.
struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(role: &str, directory: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "processes::child", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(DIRECTORY, directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    /// The next line of its output that begins so, without that beginning; lines of the test harness are passed over.
    fn says(&mut self, beginning: &str) -> String {
        let mut lines = self.output.by_ref().lines().map_while(Result::ok);
        let found = lines.find_map(|line| line.find(beginning).map(|at| line[at + beginning.len()..].to_owned()));
        found.unwrap_or_else(|| panic!("the child ended before it said {beginning:?}"))
    }

    fn go(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn of_processes_that_race_to_create_the_record_one_leads() {
    for _ in 0..5 {
        let directory = tempfile::tempdir().unwrap();
        let mut racers: Vec<_> = (0..4).map(|_| Process::start("race", directory.path())).collect();
        racers.iter_mut().for_each(|racer| drop(racer.says("ready")));
        racers.iter_mut().for_each(Process::go);
        let said: Vec<_> = racers.iter_mut().map(|racer| racer.says("outcome ")).collect();
        assert_eq!(said.iter().filter(|said| said.starts_with("granted")).count(), 1, "{said:?}");
        assert_eq!(said.iter().filter(|said| said.starts_with("held")).count(), 3, "{said:?}");
    }
}

#[tokio::test]
async fn a_writer_killed_at_any_point_leaves_a_record_that_others_read_and_replace() {
    let directory = tempfile::tempdir().unwrap();
    let mutex = open(directory.path());
    let mut last = None;
    for round in 0..30_u64 {
        let mut writer = Process::start("write", directory.path());
        writer.says("ready");
        std::thread::sleep(Duration::from_micros(round * 700));
        writer.kill();
        let seen = mutex.observe().await.expect("readable");
        let token = seen.latest.expect("the writer has led").fencing_token;
        assert!(Some(token) >= last, "round {round}: {token} follows {last:?}");
        // The lock died with its holder. The killed one may still stand in the record: it has lapsed for all we care.
        let next = claim("next");
        let token = match mutex.try_acquire(&next, None).await.unwrap() {
            Acquire::Held(held) => granted(mutex.try_acquire(&next, held.version.as_ref()).await),
            Acquire::Granted(grant) => grant.fencing_token,
        };
        assert!(Some(token) > last, "round {round}: {token} follows {last:?}");
        last = Some(token);
        mutex.release(&next).await.unwrap();
    }
}

#[tokio::test]
async fn a_paused_holder_of_the_lock_hangs_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let (mutex, leader) = (open(directory.path()), claim("first"));
    granted(mutex.try_acquire(&leader, None).await);
    let mut holder = Process::start("lock", directory.path());
    holder.says("ready");
    holder.signal(Signal::SIGSTOP);

    let error = mutex.renew(&leader).await.expect_err("nobody can write");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("nightly.lock"), "{error}");
    assert!(mutex.observe().await.expect("but all can read").held);

    holder.kill();
    assert_eq!(mutex.renew(&leader).await.unwrap(), Renew::Renewed);
}

/// Does nothing unless a test of this module started the process.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let (Ok(role), Some(directory)) = (std::env::var(ROLE), std::env::var_os(DIRECTORY)) else { return };
    let mutex = open(Path::new(&directory));
    match role.as_str() {
        "race" => {
            println!("ready");
            std::io::stdin().lines().next();
            match mutex.try_acquire(&claim("racer"), None).await {
                Ok(Acquire::Granted(grant)) => println!("outcome granted {}", grant.fencing_token),
                Ok(Acquire::Held(_)) => println!("outcome held"),
                Err(error) => println!("outcome {error}"),
            }
        }
        // Writes without end: it is killed.
        "write" => loop {
            let claim = claim("writer");
            if let Acquire::Held(held) = mutex.try_acquire(&claim, None).await.unwrap() {
                mutex.try_acquire(&claim, held.version.as_ref()).await.unwrap();
            }
            println!("ready");
            mutex.renew(&claim).await.unwrap();
            mutex.release(&claim).await.unwrap();
        },
        "lock" => {
            let lock = std::fs::File::open(Path::new(&directory).join("nightly.lock")).unwrap();
            fs4::FileExt::lock(&lock).unwrap();
            println!("ready");
            std::io::stdin().lines().next();
        }
        other => panic!("no such role: {other}"),
    }
}
