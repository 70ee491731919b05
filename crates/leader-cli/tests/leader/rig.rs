//! An election on files, workers that run shell scripts, and what those write.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// Many times what anything takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A directory with an election in it, and the file that its commands write to.
pub struct Election {
    directory: TempDir,
}

impl Election {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join("store")).expect("created");
        fs::write(directory.path().join("written"), "").expect("created");
        Self { directory }
    }

    pub fn store(&self) -> String {
        format!("file:{}", self.store_directory().display())
    }

    pub fn store_directory(&self) -> PathBuf {
        self.directory.path().join("store")
    }

    /// A worker with a lease of 3 s, unless the options say otherwise, that runs this shell script. In it, `written` is the file to write to.
    pub fn run(&self, holder: &str, options: &[&str], script: &str) -> Worker {
        self.run_command(holder, options, &["sh", "-c", script])
    }

    pub fn run_command(&self, holder: &str, options: &[&str], command: &[&str]) -> Worker {
        Worker::start(self.run_by(leader(), holder, options, command))
    }

    /// The same, started by that program, which may be `leader` or what starts it in its turn.
    pub fn run_by(&self, mut leader: Command, holder: &str, options: &[&str], command: &[&str]) -> Command {
        leader.args(["run", "--json", "--store", &self.store(), "--election", "nightly", "--holder", holder]);
        if !options.contains(&"--lease") {
            leader.args(["--lease", "3s"]);
        }
        leader.args(options).arg("--").args(command).env("written", self.written_file());
        leader
    }

    /// What `leader <action>` says, and how it ends.
    pub fn ask(&self, action: &str, options: &[&str]) -> Output {
        let mut leader = leader();
        leader.args([action, "--store", &self.store(), "--election", "nightly"]).args(options);
        answer(leader, "")
    }

    pub fn written(&self) -> Vec<String> {
        let text = fs::read_to_string(self.written_file()).expect("text");
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until a line has been written that contains this.
    pub fn wait_for(&self, part: &str) {
        eventually(&format!("{part:?} is written"), || self.written().iter().any(|line| line.contains(part)));
    }

    /// Lets workers of other users take part.
    pub fn open_to_all(&self) {
        for path in [self.directory.path(), &self.store_directory()] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("opened");
        }
        fs::set_permissions(self.written_file(), fs::Permissions::from_mode(0o666)).expect("opened");
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn written_file(&self) -> PathBuf {
        self.directory.path().join("written")
    }

    /// Each line begins with the token of the leader whose command wrote it: no older one may come after a newer one.
    pub fn assert_that_no_older_leader_wrote_after_a_newer_one(&self) {
        let lines = self.written();
        let tokens: Vec<u64> = lines.iter().filter_map(|line| line.split(' ').next()?.parse().ok()).collect();
        assert!(tokens.is_sorted(), "an older leader's command wrote after a newer one's: {lines:?}");
    }
}

pub fn leader() -> Command {
    // These tests may have been started to ignore some signals, which is inherited.
    let mut leader = Command::new("/usr/bin/env");
    if cfg!(target_os = "linux") {
        leader.arg("--default-signal=HUP,INT,QUIT");
    }
    leader.arg(env!("CARGO_BIN_EXE_leader"));
    without_settings(leader)
}

/// Without what the environment of these tests may say to a worker.
pub fn without_settings(mut leader: Command) -> Command {
    for name in [
        "LEADER_STORE_URL",
        "LEADER_ELECTION",
        "LEADER_CREDENTIAL",
        "LEADER_HOLDER",
        "LEADER_WITHIN",
        "COSMOS_KEY",
        "REDIS_PASSWORD",
        "ETCD_USER",
        "ETCD_PASSWORD",
        "ETCD_CERT",
        "ETCD_KEY",
        "ETCD_CA",
        "RUST_LOG",
        "CONTAINER_APP_REPLICA_NAME",
    ] {
        leader.env_remove(name);
    }
    leader
}

/// Whether these tests may do what takes root; says so where they may not. CI runs them as root.
pub fn is_root(what: &str) -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root {
        not_tested(what, "it takes root");
    }
    is_root
}

/// Says so in the output of the tests, which does not show what a test that passes has printed.
pub fn not_tested(what: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "NOT TESTED, as {why}: {what}");
}

/// What the command says when it is told this, and how it ends; it must end by itself.
pub fn answer(mut command: Command, told: &str) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("piped");
    // One that does not ask does not read either.
    let _ = stdin.write_all(told.as_bytes());
    drop(stdin);
    let pid = pid_of(&child);
    let (ended, end) = channel::<()>();
    let watch = std::thread::spawn(move || {
        if end.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            let _ = kill(pid, Signal::SIGKILL);
        }
    });
    let output = child.wait_with_output().expect("its output");
    drop(ended);
    watch.join().expect("it watches");
    output
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text").trim_end().to_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text").trim_end().to_owned()
}

/// A process of `leader run`; killed when dropped, upon which its command ends.
pub struct Worker {
    child: Child,
    events: Receiver<Value>,
    seen: Vec<Value>,
}

impl Worker {
    pub fn start(mut leader: Command) -> Self {
        let mut child = leader.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        Self { child, events, seen: Vec::new() }
    }

    /// The next event of that name.
    pub fn wait_for(&mut self, name: &str) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.events.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(event) => {
                    self.seen.push(event.clone());
                    if event["event"] == name {
                        return event;
                    }
                }
                Err(error) => panic!("no {name}: {error}; but {:#?}", self.seen),
            }
        }
    }

    /// Whatever it says next.
    pub fn next(&mut self) -> Value {
        let event = self.events.recv_timeout(PATIENCE);
        let event = event.unwrap_or_else(|error| panic!("nothing: {error}; but {:#?}", self.seen));
        self.seen.push(event.clone());
        event
    }

    /// The next line that contains this, which may be no event.
    pub fn wait_for_text(&mut self, part: &str) -> String {
        loop {
            let said = self.next();
            let text = said.as_str().map_or_else(|| said.to_string(), str::to_owned);
            if text.contains(part) {
                return text;
            }
        }
    }

    /// Waits until the command runs; returns its process.
    pub fn wait_for_command(&mut self) -> Pid {
        let started = self.wait_for("started");
        Pid::from_raw(i32::try_from(started["process"].as_i64().expect("a process id")).expect("a process id"))
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("signalled");
    }

    pub fn pid(&self) -> Pid {
        pid_of(&self.child)
    }

    /// The guardian of its command.
    #[cfg(target_os = "linux")]
    pub fn guardian(&self) -> Pid {
        *children_of(self.child.id()).first().expect("it has a guardian")
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the worker ends", || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        });
        status.expect("it has ended")
    }

    pub fn exit_code(mut self) -> i32 {
        let status = self.ended();
        status.code().unwrap_or_else(|| panic!("{status}"))
    }

    /// What it has said so far and was not waited for.
    pub fn said(&mut self) -> &[Value] {
        self.seen.extend(self.events.try_iter());
        &self.seen
    }

    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// All events, once it has ended.
    pub fn all_events(mut self) -> Vec<Value> {
        self.ended();
        let mut seen = std::mem::take(&mut self.seen);
        seen.extend(self.events.iter());
        seen
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a process id"))
}

/// Waits until it is so.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "it does not come to be that {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether anything runs in that process group; what has ended and was not asked after does not.
pub fn group_runs(group: Pid) -> bool {
    if cfg!(target_os = "linux") {
        processes().any(|stat| stat.group == group && stat.runs)
    } else {
        killpg(group, None).is_ok()
    }
}

pub fn process_runs(process: Pid) -> bool {
    if cfg!(target_os = "linux") {
        processes().any(|stat| stat.process == process && stat.runs)
    } else {
        kill(process, None).is_ok()
    }
}

/// The time that a process has had of processors so far, in hundredths of a second.
#[cfg(target_os = "linux")]
pub fn processor_time(process: Pid) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
    let fields: Vec<_> = stat.rsplit_once(") ").expect("a name").1.split(' ').collect();
    fields[11..13].iter().map(|field| field.parse::<u64>().expect("a number")).sum()
}

/// What `process` has started, and runs.
#[cfg(target_os = "linux")]
pub fn children_of(process: u32) -> Vec<Pid> {
    let parent = Pid::from_raw(i32::try_from(process).expect("a process id"));
    processes().filter(|stat| stat.parent == parent && stat.runs).map(|stat| stat.process).collect()
}

struct Stat {
    process: Pid,
    parent: Pid,
    group: Pid,
    runs: bool,
}

fn processes() -> impl Iterator<Item = Stat> {
    let entries = fs::read_dir("/proc").expect("processes").map_while(Result::ok);
    entries.filter_map(|entry| {
        let process = entry.file_name().to_str()?.parse().ok()?;
        stat(&entry.path(), process)
    })
}

fn stat(folder: &Path, process: i32) -> Option<Stat> {
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    // The name of the program comes before, in brackets, and may hold anything.
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut fields = after_name.split(' ');
    let runs = !matches!(fields.next()?, "Z" | "X");
    let mut number = || fields.next()?.parse().ok().map(Pid::from_raw);
    Some(Stat { process: Pid::from_raw(process), parent: number()?, group: number()?, runs })
}
