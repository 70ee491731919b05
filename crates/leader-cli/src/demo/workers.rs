//! The worker processes of the demo: `leader run`, three times.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::UnboundedSender;

use crate::exit::{Failure, INTERNAL};
use crate::guardian::this_program;

/// What is heard from the workers.
pub enum Event {
    /// A step of a leader's work.
    Step { worker: usize, token: u64, at: Duration },
    /// One of its events.
    Said { worker: usize, event: Value },
}

pub struct Crew {
    directory: PathBuf,
    lease: Duration,
    events: UnboundedSender<Event>,
    workers: Vec<Worker>,
}

pub struct Worker {
    pub name: String,
    child: Child,
    /// The token that it leads with.
    pub token: Option<u64>,
    /// What it is doing, in a word.
    pub state: &'static str,
}

/// How long a worker that is told to end may take before it is killed.
const END_LIMIT: Duration = Duration::from_secs(10);

impl Crew {
    pub fn start(directory: &Path, lease: Duration, events: UnboundedSender<Event>) -> Result<Self, Failure> {
        let mut crew = Self { directory: directory.to_owned(), lease, events, workers: Vec::new() };
        for number in 0..3 {
            let worker = crew.spawn(number)?;
            crew.workers.push(worker);
        }
        Ok(crew)
    }

    pub fn workers(&self) -> &[Worker] {
        &self.workers
    }

    pub fn name(&self, worker: usize) -> &str {
        self.workers.get(worker).map_or("nobody", |worker| &worker.name)
    }

    /// Takes note of what a worker has said.
    pub fn note(&mut self, worker: usize, event: &Value) {
        let Some(worker) = self.workers.get_mut(worker) else { return };
        match event["event"].as_str() {
            Some("elected") => (worker.state, worker.token) = ("leads", event["fencing_token"].as_u64()),
            Some("stopping") => worker.state = "stopping",
            Some("ended") => (worker.state, worker.token) = ("rests", None),
            Some("standby") => worker.state = "standby",
            _ => {}
        }
    }

    /// Who leads with this token.
    pub fn leader(&self, token: u64) -> Option<usize> {
        self.workers.iter().position(|worker| worker.token == Some(token))
    }

    pub fn signal(&mut self, worker: usize, signal: Signal) -> Result<(), Failure> {
        let Some(worker) = self.workers.get_mut(worker) else { return Ok(()) };
        let id = worker.child.id().and_then(|id| i32::try_from(id).ok());
        let id = id.ok_or_else(|| Failure::new(INTERNAL, format!("{} has ended by itself", worker.name)))?;
        kill(Pid::from_raw(id), signal).map_err(std::io::Error::from)?;
        if signal == Signal::SIGKILL {
            (worker.state, worker.token) = ("killed", None);
        }
        Ok(())
    }

    /// Starts another worker of the same name.
    pub fn restart(&mut self, worker: usize) -> Result<(), Failure> {
        let anew = self.spawn(worker)?;
        if let Some(old) = self.workers.get_mut(worker) {
            *old = anew;
        }
        Ok(())
    }

    /// Ends all workers, by the end of their input.
    pub async fn end(mut self) -> Result<(), Failure> {
        for worker in &mut self.workers {
            drop(worker.child.stdin.take());
        }
        for worker in &mut self.workers {
            if tokio::time::timeout(END_LIMIT, worker.child.wait()).await.is_err() {
                worker.child.kill().await?;
            }
        }
        Ok(())
    }

    fn spawn(&self, number: usize) -> Result<Worker, Failure> {
        let name = format!("worker-{}", number + 1);
        let program = this_program()?;
        let mut store = std::ffi::OsString::from("file:");
        store.push(&self.directory);
        let mut child = Command::new(&program)
            .args(["run", "--json", "--until-stdin-ends", "--election", "demo", "--holder", &name, "--store"])
            .arg(store)
            .args(["--lease", &format!("{}ms", self.lease.as_millis()), "--"])
            .arg(&program)
            .arg("demo-work")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C is for the demo alone, which then ends its workers by ending.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        if let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) {
            tokio::spawn(hear(stdout, self.events.clone(), move |line| step(number, line)));
            tokio::spawn(hear(stderr, self.events.clone(), move |line| said(number, line)));
        }
        Ok(Worker { name, child, token: None, state: "starts" })
    }
}

async fn hear(output: impl AsyncRead + Unpin, events: UnboundedSender<Event>, read: impl Fn(&str) -> Option<Event>) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(event) = read(&line) {
            let _ = events.send(event);
        }
    }
}

fn step(worker: usize, line: &str) -> Option<Event> {
    let (token, at) = line.split_once(' ')?;
    Some(Event::Step { worker, token: token.parse().ok()?, at: Duration::from_nanos(at.parse().ok()?) })
}

fn said(worker: usize, line: &str) -> Option<Event> {
    Some(Event::Said { worker, event: serde_json::from_str(line).ok()? })
}
