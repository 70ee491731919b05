//! Several processes on one file. Each child is this test binary again, told by its environment what to do.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use leader_election::{Acquire, AcquireRequest, DistributedMutex, ErrorKind, FileMutex, Renew};
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
        Self::start_as(None, role, directory)
    }

    /// As that user, which takes root's rights.
    fn start_as(user: Option<u32>, role: &str, directory: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "processes::child", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(DIRECTORY, directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if let Some(user) = user {
            command.uid(user);
        }
        let mut child = command.spawn().unwrap();
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
        let token = match mutex.try_acquire((&next).into()).await.unwrap() {
            Acquire::Held(held) => {
                granted(mutex.try_acquire(AcquireRequest::new(&next).with_lapsed(held.version.as_ref())).await)
            }
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
    granted(mutex.try_acquire((&leader).into()).await);
    let mut holder = Process::start("lock", directory.path());
    holder.says("ready");
    holder.signal(Signal::SIGSTOP);

    let error = mutex.renew(&leader).await.expect_err("nobody can write");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("nightly.lock"), "{error}");
    assert!(mutex.observe().await.expect("but all can read").is_held());

    holder.kill();
    assert_eq!(mutex.renew(&leader).await.unwrap(), Renew::Renewed);
}

#[test]
fn a_relative_directory_is_the_one_of_the_moment_in_which_the_mutex_was_made() {
    let directory = tempfile::tempdir().unwrap();
    for place in ["one/leases", "two/leases"] {
        std::fs::create_dir_all(directory.path().join(place)).unwrap();
    }
    let mut child = Process::start("chdir", directory.path());
    assert_eq!(child.says("first "), "granted");
    assert_eq!(child.says("second "), "held", "the process has changed its directory, and the mutex has not");
    assert_eq!(child.says("renewal "), "Renewed");
    assert!(directory.path().join("one/leases/nightly.json").exists());
    assert!(!directory.path().join("two/leases/nightly.json").exists());
}

#[test]
fn a_relative_directory_in_a_process_whose_own_one_is_gone_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let said = Process::start("gone", directory.path()).says("outcome ");
    assert!(said.starts_with("InvalidSetting") && said.contains("from the root on"), "{said}");
}

#[test]
fn a_lock_file_of_another_user_in_a_shared_directory_is_named() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o1777)).unwrap();
    let lock = directory.path().join("nightly.lock");
    std::fs::write(&lock, "").unwrap();
    std::fs::set_permissions(&lock, PermissionsExt::from_mode(0o444)).unwrap();
    // Root may write anywhere; anybody else may not write to a file of their own that says so.
    let user = nix::unistd::geteuid().is_root().then_some(65_534);
    let mut child = Process::start_as(user, "race", directory.path());
    child.says("ready");
    child.go();
    let said = child.says("outcome ");
    assert!(said.contains("nightly.lock belongs to another user") && said.contains("as one user"), "{said}");
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
            match mutex.try_acquire((&claim("racer")).into()).await {
                Ok(Acquire::Granted(grant)) => println!("outcome granted {}", grant.fencing_token),
                Ok(Acquire::Held(_)) => println!("outcome held"),
                Err(error) => println!("outcome {error}"),
            }
        }
        // Writes without end: it is killed.
        "write" => loop {
            let claim = claim("writer");
            if let Acquire::Held(held) = mutex.try_acquire((&claim).into()).await.unwrap() {
                mutex.try_acquire(AcquireRequest::new(&claim).with_lapsed(held.version.as_ref())).await.unwrap();
            }
            println!("ready");
            mutex.renew(&claim).await.unwrap();
            mutex.release(&claim).await.unwrap();
        },
        "lock" => {
            let lock = std::fs::File::open(Path::new(&directory).join("nightly.lock")).unwrap();
            lock.lock().unwrap();
            println!("ready");
            std::io::stdin().lines().next();
        }
        "chdir" => {
            let words = |acquire| if matches!(acquire, Acquire::Granted(_)) { "granted" } else { "held" };
            std::env::set_current_dir(Path::new(&directory).join("one")).unwrap();
            let (mutex, leader) = (FileMutex::new("leases", "nightly").unwrap(), claim("first"));
            println!("first {}", words(mutex.try_acquire((&leader).into()).await.unwrap()));
            std::env::set_current_dir(Path::new(&directory).join("two")).unwrap();
            println!("second {}", words(mutex.try_acquire((&claim("second")).into()).await.unwrap()));
            println!("renewal {:?}", mutex.renew(&leader).await.unwrap());
        }
        "gone" => {
            let gone = Path::new(&directory).join("gone");
            std::fs::create_dir(&gone).unwrap();
            std::env::set_current_dir(&gone).unwrap();
            std::fs::remove_dir(&gone).unwrap();
            let error = FileMutex::new("leases", "nightly").unwrap_err();
            println!("outcome {:?}: {error}", error.kind());
        }
        other => panic!("no such role: {other}"),
    }
}
