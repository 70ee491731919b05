//! The worker processes: this program again, in another role.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use azure_leader_election::TaskError;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::mpsc::UnboundedSender;

use crate::director::Event;

/// How long a worker that is told to end may take before it is killed.
const END_LIMIT: Duration = Duration::from_secs(15);

pub struct Crew {
    program: PathBuf,
    endpoint: String,
    /// The records of the election.
    directory: TempDir,
    events: UnboundedSender<Event>,
    workers: Vec<Worker>,
}

struct Worker {
    name: String,
    process: u32,
    child: Child,
}

impl Crew {
    pub fn new(endpoint: String, events: UnboundedSender<Event>) -> Result<Self, TaskError> {
        let program = std::env::current_exe()?;
        Ok(Self { program, endpoint, directory: tempfile::tempdir()?, events, workers: Vec::new() })
    }

    pub fn start(&mut self, name: &str) -> Result<(), TaskError> {
        let mut child = Command::new(&self.program)
            .args(["worker", name])
            .arg(self.directory.path())
            .arg(&self.endpoint)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let process = child.id().ok_or("the worker has ended at once")?;
        let output = child.stdout.take().ok_or("the worker has no output")?;
        tokio::spawn(listen(process, output, self.events.clone()));
        self.workers.push(Worker { name: name.to_owned(), process, child });
        Ok(())
    }

    /// Who has this process id; nobody once it was killed.
    pub fn name(&self, process: u32) -> Option<&str> {
        self.workers.iter().find(|worker| worker.process == process).map(|worker| worker.name.as_str())
    }

    /// Kills a worker, and starts another one of that name.
    pub async fn kill_and_restart(&mut self, process: u32) -> Result<(), TaskError> {
        let killed = self.workers.iter().position(|worker| worker.process == process).ok_or("no such worker")?;
        let mut worker = self.workers.remove(killed);
        worker.child.kill().await?;
        self.start(&worker.name)
    }

    pub fn pause(&self, process: u32) -> Result<(), TaskError> {
        Ok(kill(pid(process)?, Signal::SIGSTOP)?)
    }

    pub fn wake(&self, process: u32) -> Result<(), TaskError> {
        Ok(kill(pid(process)?, Signal::SIGCONT)?)
    }

    /// Ends all workers by the end of their input.
    pub async fn end(mut self) -> Result<(), TaskError> {
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
}

async fn listen(process: u32, output: ChildStdout, events: UnboundedSender<Event>) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let _ = events.send(Event::Said { process, line });
    }
    let _ = events.send(Event::Silent { process });
}

fn pid(process: u32) -> Result<Pid, TaskError> {
    Ok(Pid::from_raw(i32::try_from(process)?))
}
