//! One election with its register and two workers.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::history::word;
use super::story::{Round, Teller};
use crate::support::faketime::Clocks;
use crate::support::proxy::{Proxy, Weather};
use crate::support::worker::{Line, Worker};

/// How long to wait for what must come: generous, as the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(90);

/// What is done to the leader while it thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Harm {
    /// It is killed, and another worker starts.
    Kill,
    /// It is stopped until another has written, and then goes on, and writes.
    Stop,
    /// Nothing gets through to the store until another has written; then all arrives that was sent meanwhile.
    Cut,
}

/// Where a lane's election and register are, and how its workers live.
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
    /// How many times as fast as this process's clock those of the workers run.
    pub rate: f64,
    /// One for each worker in turn.
    pub clocks: Vec<Clocks>,
    pub environment: Vec<(&'static str, &'static str)>,
    /// The server's `host:port`, all that it calls itself, and the weather on the way to it; `None`: the way is clear.
    pub way: Option<(String, Vec<String>, Weather)>,
}

#[derive(Debug)]
pub struct Lane {
    setting: Setting,
    members: Vec<Member>,
    started: usize,
    /// What workers said that are gone.
    past: Vec<Line>,
    /// The ways of workers that are gone: what they sent may arrive yet.
    past_ways: Vec<Proxy>,
}

#[derive(Debug)]
struct Member {
    worker: Worker,
    way: Option<Proxy>,
}

impl Lane {
    pub fn start(setting: Setting) -> Self {
        let mut lane = Self { setting, members: vec![], started: 0, past: vec![], past_ways: vec![] };
        lane.join();
        lane.join();
        lane
    }

    fn join(&mut self) {
        let setting = &self.setting;
        let mut url = setting.url.clone();
        let way = setting.way.as_ref().map(|(server, own_names, weather)| {
            let seed = weather.seed.wrapping_add(self.started as u64);
            let proxy = Proxy::start(server, own_names, Weather { seed, ..*weather });
            url = url.replace(server, &proxy.address());
            proxy
        });
        let (lease, poll) = (setting.lease.to_string(), setting.poll.to_string());
        let think = (setting.think * 1_000.0).to_string();
        let mut arguments = vec![setting.store, &url, &setting.name];
        arguments.extend(["--lease", &lease, "--poll", &poll, "--think", &think]);
        if !setting.fencing {
            arguments.push("--no-fencing");
        }
        let mut environment = setting.environment.clone();
        if !setting.clocks.is_empty() {
            environment.extend(setting.clocks[self.started % setting.clocks.len()].environment());
        }
        let holder = format!("{}-{}", setting.name, self.started);
        let worker = Worker::start("critical_section", &arguments, &holder, &environment);
        self.members.push(Member { worker, way });
        self.started += 1;
    }

    /// Does this to the leader while it thinks, and another one watches it; what came of it until that one led.
    pub fn harm(&mut self, harm: Harm) -> Round {
        let (leader, thought) = self.watched_thinker();
        let began = Instant::now();
        let from = self.members[1 - leader].worker.lines().len();
        match harm {
            Harm::Kill => {
                let killed = self.members.remove(leader);
                let mut told = killed.worker.kill();
                let led = succession(&self.members[0].worker, from);
                let round = self.tell(harm, began, led, &told, killed.way.as_ref());
                self.past.append(&mut told);
                self.past_ways.extend(killed.way);
                self.join();
                round
            }
            Harm::Stop => {
                self.members[leader].worker.signal(Signal::SIGSTOP);
                let led = succession(&self.members[1 - leader].worker, from);
                let round = self.tell(harm, began, led, &[], self.members[leader].way.as_ref());
                self.members[leader].worker.signal(Signal::SIGCONT);
                self.wait_for_outcome(leader, &thought);
                round
            }
            Harm::Cut => {
                self.way(leader).cut();
                let led = succession(&self.members[1 - leader].worker, from);
                let round = self.tell(harm, began, led, &[], self.members[leader].way.as_ref());
                self.way(leader).mend();
                self.wait_for_outcome(leader, &thought);
                round
            }
        }
    }

    /// The story of a round. `told` and `way` are of the worker that was harmed.
    fn tell(&self, harm: Harm, began: Instant, led: Instant, told: &[Line], way: Option<&Proxy>) -> Round {
        let mut teller = Teller::new(began, led, self.setting.rate);
        for member in &self.members {
            teller.lines(&member.worker.lines());
            teller.notes(&member.worker.holder, member.way.as_ref());
        }
        teller.lines(told);
        let harmed = way.map(Proxy::notes).unwrap_or_default();
        if let (Some(line), true) = (told.last(), harm == Harm::Kill) {
            teller.notes(line.text.split(' ').nth(1).unwrap_or_default(), way);
        }
        let kept_at = harmed.iter().filter(|note| note.keeps_lease && note.at <= led).map(|note| note.at).max();
        teller.round(harm, kept_at)
    }

    fn way(&self, member: usize) -> &Proxy {
        self.members[member].way.as_ref().expect("a lane whose ways can be cut has proxies")
    }

    fn wait_for_outcome(&self, member: usize, thought: &Line) {
        let id = format!(" id={} ", word(thought, "id"));
        let done = |line: &Line| line.text.contains(&id) && !line.text.contains(" thinking ");
        self.members[member].worker.wait_until(0, done, "what became of its write", PATIENCE);
    }

    /// As [`thinker`](Self::thinker), while the other worker watches that leader: one that has just started, or rests after its
    /// own term, would have to begin with it.
    fn watched_thinker(&self) -> (usize, Line) {
        loop {
            let (leader, thought) = self.thinker();
            let token = format!(" watching token={} ", thought.token());
            let standby = &self.members[1 - leader].worker;
            if standby.lines().iter().any(|line| line.text.contains(&token)) {
                return (leader, thought);
            }
        }
    }

    /// The worker that begins to think from now on, and its line about it.
    fn thinker(&self) -> (usize, Line) {
        let begun: Vec<_> = self.members.iter().map(|member| member.worker.lines().len()).collect();
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            for (number, member) in self.members.iter().enumerate() {
                let mut lines = member.worker.lines().into_iter().skip(begun[number]);
                if let Some(line) = lines.find(|line| line.text.contains(" thinking ")) {
                    return (number, line);
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("nobody led within {PATIENCE:?}: {:#?}", self.members);
    }

    /// Ends the workers; what they said. Nothing writes to the register any more.
    pub fn stop(mut self) -> Vec<Line> {
        for member in &self.members {
            member.worker.signal(Signal::SIGTERM);
        }
        for member in self.members.drain(..) {
            self.past.extend(member.worker.finish(PATIENCE));
        }
        self.past
    }
}

/// Waits until this worker leads and has written; when it led.
fn succession(worker: &Worker, from: usize) -> Instant {
    let (_, elected) = worker.wait_for(from, " elected ", PATIENCE);
    worker.wait_for(from, " accepted ", PATIENCE);
    elected.read_at
}
