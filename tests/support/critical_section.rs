//! Real workers with a critical section, stopped and killed in the middle of it, and a checker of what came of it.
//!
//! A lane is an election with its register and two workers. The checker reads the whole history: every line that a worker
//! wrote, and the list of writes that stands in the register at the end.

use std::collections::HashMap;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::faketime::Clocks;
use super::worker::{Line, Worker};

/// How long to wait for what must come: generous, as the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(90);

/// Where a lane's election and register are.
#[derive(Debug, Clone)]
pub struct Setting {
    /// `blob` or `cosmos`.
    pub store: &'static str,
    pub url: String,
    pub name: String,
    pub fencing: bool,
    /// In seconds of the workers' clocks, as the next two.
    pub lease: f64,
    pub poll: f64,
    pub think: f64,
    /// One for each worker in turn.
    pub clocks: Vec<Clocks>,
    pub environment: Vec<(&'static str, &'static str)>,
}

#[derive(Debug)]
pub struct Lane {
    setting: Setting,
    workers: Vec<Worker>,
    started: usize,
    /// What workers said that are gone.
    past: Vec<Line>,
    pub takeovers: Vec<Duration>,
}

/// What the history shows.
#[derive(Debug, Default, Clone)]
pub struct Verdict {
    /// Writes that were accepted.
    pub accepted: usize,
    /// Of these, how many were accepted although the writer had not read another that was accepted before.
    pub stale_accepted: usize,
    /// Accepted writes that do not stand in the register at the end.
    pub lost: usize,
    /// Stale writes that the resource refused.
    pub fenced: usize,
    /// Writes of which nobody knows whether they were carried out.
    pub unknown: usize,
}

impl std::ops::AddAssign for Verdict {
    fn add_assign(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.stale_accepted += other.stale_accepted;
        self.lost += other.lost;
        self.fenced += other.fenced;
        self.unknown += other.unknown;
    }
}

impl Lane {
    pub fn start(setting: Setting) -> Self {
        let mut lane = Self { setting, workers: vec![], started: 0, past: vec![], takeovers: vec![] };
        lane.join();
        lane.join();
        lane
    }

    fn join(&mut self) {
        let setting = &self.setting;
        let (lease, poll) = (setting.lease.to_string(), setting.poll.to_string());
        let think = (setting.think * 1_000.0).to_string();
        let mut arguments = vec![setting.store, &setting.url, &setting.name];
        arguments.extend(["--lease", &lease, "--poll", &poll, "--think", &think]);
        if !setting.fencing {
            arguments.push("--no-fencing");
        }
        let mut environment = setting.environment.clone();
        if !setting.clocks.is_empty() {
            environment.extend(setting.clocks[self.started % setting.clocks.len()].environment());
        }
        let holder = format!("{}-{}", setting.name, self.started);
        self.workers.push(Worker::start("critical_section", &arguments, &holder, &environment));
        self.started += 1;
    }

    /// Stops the leader while it thinks, until another has written, and lets it go on.
    pub fn stop_round(&mut self) {
        let (leader, thought) = self.thinker();
        self.workers[leader].signal(Signal::SIGSTOP);
        let stopped = std::time::Instant::now();
        let other = 1 - leader;
        let from = self.workers[other].lines().len();
        self.workers[other].wait_for(from, "thinking", PATIENCE);
        self.takeovers.push(stopped.elapsed());
        self.workers[other].wait_for(from, "accepted", PATIENCE);
        self.workers[leader].signal(Signal::SIGCONT);
        let id = format!(" id={} ", word(&thought, "id"));
        let done = |line: &Line| line.text.contains(&id) && !line.text.contains("thinking");
        self.workers[leader].wait_until(0, done, "what became of its write", PATIENCE);
    }

    /// Kills the leader while it thinks, and starts another worker.
    pub fn kill_round(&mut self) {
        let (leader, _) = self.thinker();
        let killed = std::time::Instant::now();
        self.past.extend(self.workers.remove(leader).kill());
        let from = self.workers[0].lines().len();
        self.workers[0].wait_for(from, "thinking", PATIENCE);
        self.takeovers.push(killed.elapsed());
        self.workers[0].wait_for(from, "accepted", PATIENCE);
        self.join();
    }

    /// The worker that leads, and its line when it began to think.
    fn thinker(&self) -> (usize, Line) {
        let begun: Vec<_> = self.workers.iter().map(|worker| worker.lines().len()).collect();
        let end = std::time::Instant::now() + PATIENCE;
        while std::time::Instant::now() < end {
            for (number, worker) in self.workers.iter().enumerate() {
                let thought =
                    worker.lines().into_iter().skip(begun[number]).find(|line| line.text.contains("thinking"));
                if let Some(line) = thought {
                    return (number, line);
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("nobody led within {PATIENCE:?}: {:#?}", self.workers);
    }

    /// Ends the workers; what they said. Nothing writes to the register any more.
    pub fn stop(mut self) -> Vec<Line> {
        for worker in &self.workers {
            worker.signal(Signal::SIGTERM);
        }
        for worker in self.workers.drain(..) {
            self.past.extend(worker.finish(PATIENCE));
        }
        self.past
    }
}

/// Judges all that the workers said by what stands in the register at the end.
pub fn judge(history: &[Line], register: &[String]) -> Verdict {
    let mut began = HashMap::new();
    let mut verdict = Verdict::default();
    let mut followers: HashMap<&str, usize> = HashMap::new();
    for line in history.iter().filter(|line| line.text.contains(" thinking id=")) {
        began.insert(word(line, "id"), word(line, "after"));
    }
    for line in history {
        if line.text.contains(" accepted id=") {
            let id = word(line, "id");
            verdict.accepted += 1;
            verdict.lost += usize::from(!register.iter().any(|write| write == id));
            *followers.entry(began[id]).or_default() += 1;
        }
        verdict.fenced += usize::from(line.text.contains(" fenced id="));
        verdict.unknown += usize::from(line.text.contains(" unknown id="));
    }
    // Two that were both accepted after the same one: the later of them had not read the other.
    verdict.stale_accepted = followers.values().map(|followers| followers - 1).sum();

    assert!(register.iter().all(|write| began.contains_key(write.as_str())), "a write that nobody began: {register:?}");
    let mut highest = 0;
    for token in register.iter().map(|write| token(write)) {
        verdict.stale_accepted += usize::from(token < highest);
        highest = highest.max(token);
    }
    verdict
}

/// The word after `<name>=`.
fn word<'a>(line: &'a Line, name: &str) -> &'a str {
    let (_, rest) = line.text.split_once(&format!(" {name}=")).unwrap_or_else(|| panic!("no {name} in {line:?}"));
    rest.split(' ').next().unwrap_or_default()
}

/// Of a write's name: holder, token and number.
fn token(id: &str) -> u64 {
    id.rsplit('/').nth(1).and_then(|token| token.parse().ok()).expect("an id with a token")
}
