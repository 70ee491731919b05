//! Worker processes, watched by their log and asked by HTTP.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::runtime::Runtime;

use testbed::azurite::Azurite;
use testbed::names;

/// How long a test waits for what must come: generous, as the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Drives the servers of the tests.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().expect("a runtime"))
}

pub fn azurite() -> &'static Azurite {
    runtime().block_on(Azurite::http())
}

/// What a worker finds in its environment; nothing else is there.
#[derive(Debug, Clone)]
pub struct Environment(BTreeMap<&'static str, String>);

impl Environment {
    pub fn empty() -> Self {
        Self(BTreeMap::from([("PORT", "0".to_owned())]))
    }

    /// An election of its own on this Azurite.
    pub fn on(azurite: &Azurite) -> Self {
        Self::empty()
            .with("LEADER_STORE_URL", azurite.container_url(&names::unique("leases")))
            .with("LEADER_STATE_URL", azurite.container_url(&names::unique("state")))
            .with("LEADER_ELECTION", "nightly")
            .with("WORKER_STEP_SECONDS", "1")
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.insert(name, value.into());
        self
    }

    pub fn replica(self, name: &str) -> Worker {
        Worker::start(self.with("CONTAINER_APP_REPLICA_NAME", name))
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_container-apps-worker"));
        command.env_clear().envs(&self.0).stdin(Stdio::null());
        command
    }
}

/// A process; killed when dropped.
pub struct Worker {
    pub name: String,
    child: Child,
    lines: Receiver<String>,
    /// Whether its log is read.
    is_read: Arc<AtomicBool>,
    seen: Mutex<Vec<Line>>,
    port: OnceLock<u16>,
    /// All that it said elsewhere.
    stderr: Arc<Mutex<String>>,
}

/// A line of the log, and when it came.
#[derive(Debug, Clone)]
pub struct Line {
    pub at: Instant,
    pub text: String,
}

impl Line {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("no JSON: {:?}: {error}", self.text))
    }
}

impl Worker {
    pub fn start(environment: Environment) -> Self {
        let mut child =
            environment.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the worker starts");
        let (stdout, mut errors) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let ((sender, lines), is_read) = (channel(), Arc::new(AtomicBool::new(true)));
        let may_read = Arc::clone(&is_read);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                while !may_read.load(Ordering::Acquire) {
                    std::thread::sleep(Duration::from_millis(10));
                }
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let stderr = Arc::<Mutex<String>>::default();
        let into = Arc::clone(&stderr);
        std::thread::spawn(move || {
            let text = std::io::read_to_string(&mut errors).unwrap_or_default();
            into.lock().expect("not poisoned").push_str(&text);
        });
        let name = environment.0.get("CONTAINER_APP_REPLICA_NAME").cloned().unwrap_or_default();
        Self { name, child, lines, is_read, seen: Mutex::default(), port: OnceLock::new(), stderr }
    }

    /// The first line of that event; it may have come already.
    pub fn wait_for(&self, event: &str) -> (Instant, Value) {
        let end = Instant::now() + PATIENCE;
        let mut seen = self.seen.lock().expect("not poisoned");
        loop {
            if let Some(line) = seen.iter().find(|line| line.json()["event"] == event) {
                return (line.at, line.json());
            }
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(text) => seen.push(Line { at: Instant::now(), text }),
                Err(error) => panic!("{}: no {event}: {error}; but {seen:#?}", self.name),
            }
        }
    }

    /// The path's status and body.
    pub fn get(&self, path: &str) -> (u16, String) {
        let answer = client().get(self.url(path)).send().expect("it answers");
        (answer.status().as_u16(), answer.text().expect("text"))
    }

    pub fn url(&self, path: &str) -> String {
        let port = self.port.get_or_init(|| {
            let (_, listening) = self.wait_for("listening");
            u16::try_from(listening["port"].as_u64().expect("a port")).expect("a port")
        });
        format!("http://127.0.0.1:{port}{path}")
    }

    pub fn status(&self) -> Value {
        serde_json::from_str(&self.get("/status.json").1).expect("an object")
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        kill(Pid::from_raw(pid), signal).expect("signalled");
    }

    /// From now on nobody reads its log, until it has ended.
    pub fn leave_its_log_unread(&self) {
        self.is_read.store(false, Ordering::Release);
    }

    /// Waits for its end; returns how it ended, all log lines, and what it said on standard error.
    pub fn ended(self) -> (ExitStatus, Vec<Value>, String) {
        let (status, lines, stderr) = self.ended_with_lines();
        (status, lines.iter().map(Line::json).collect(), stderr)
    }

    /// As [`ended`](Self::ended), with lines of which the last may be cut off.
    pub fn ended_with_lines(mut self) -> (ExitStatus, Vec<Line>, String) {
        let mut status = None;
        eventually("the worker ends", || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        });
        self.is_read.store(true, Ordering::Release);
        let mut seen = std::mem::take(&mut *self.seen.lock().expect("not poisoned"));
        while let Ok(text) = self.lines.recv_timeout(PATIENCE) {
            seen.push(Line { at: Instant::now(), text });
        }
        eventually("standard error ends", || Arc::strong_count(&self.stderr) == 1);
        let stderr = self.stderr.lock().expect("not poisoned").clone();
        (status.expect("it has ended"), seen, stderr)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.is_read.store(true, Ordering::Release);
    }
}

/// Waits until it is so.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "it does not come to be that {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn client() -> &'static reqwest::blocking::Client {
    static CLIENT: OnceLock<reqwest::blocking::Client> = OnceLock::new();
    CLIENT.get_or_init(|| reqwest::blocking::Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client"))
}
