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
    began: Instant,
    started: usize,
    /// What workers said that are gone.
    past: Vec<Line>,
    /// The ways of workers that are gone, with their names: what they sent may arrive yet.
    past_ways: Vec<(String, Proxy)>,
}

#[derive(Debug)]
struct Member {
    worker: Worker,
    way: Option<Proxy>,
}

impl Lane {
    pub fn start(setting: Setting) -> Self {
        let mut lane =
            Self { setting, members: vec![], began: Instant::now(), started: 0, past: vec![], past_ways: vec![] };
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
                let Member { worker, way } = self.members.remove(leader);
                let holder = worker.holder.clone();
                self.past.extend(worker.kill());
                let harmed = self.past_ways.len();
                self.past_ways.extend(way.map(|way| (holder, way)));
                let led = succession(&self.members[0].worker, from);
                let harmed = self.past_ways.get(harmed).map(|(_, way)| way);
                let round = self.teller(began, led).round(harm, harmed);
                self.join();
                round
            }
            Harm::Stop => {
                self.members[leader].worker.signal(Signal::SIGSTOP);
                let led = succession(&self.members[1 - leader].worker, from);
                let round = self.teller(began, led).round(harm, self.members[leader].way.as_ref());
                self.members[leader].worker.signal(Signal::SIGCONT);
                self.wait_for_outcome(leader, &thought);
                round
            }
            Harm::Cut => {
                self.way(leader).cut();
                let led = succession(&self.members[1 - leader].worker, from);
                let round = self.teller(began, led).round(harm, Some(self.way(leader)));
                self.way(leader).mend();
                self.wait_for_outcome(leader, &thought);
                round
            }
        }
    }

    /// What was said between these instants, and a while before.
    fn teller(&self, began: Instant, ended: Instant) -> Teller {
        let mut teller = Teller::new(began, ended, self.setting.rate);
        teller.lines(&self.past);
        for (holder, way) in &self.past_ways {
            teller.notes(holder, way);
        }
        for Member { worker, way } in &self.members {
            teller.lines(&worker.lines());
            way.iter().for_each(|way| teller.notes(&worker.holder, way));
        }
        teller
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

    /// Ends the workers; what they said, and the same as a story. Nothing writes to the register any more.
    pub fn stop(mut self) -> (Vec<Line>, Vec<String>) {
        for member in &self.members {
            member.worker.signal(Signal::SIGTERM);
        }
        for Member { worker, way } in std::mem::take(&mut self.members) {
            let holder = worker.holder.clone();
            self.past.extend(worker.finish(PATIENCE));
            self.past_ways.extend(way.map(|way| (holder, way)));
        }
        let story = self.teller(self.began, Instant::now()).story();
        (self.past, story)
    }
}

/// Waits until this worker leads and has written; when it led.
fn succession(worker: &Worker, from: usize) -> Instant {
    let (_, elected) = worker.wait_for(from, " elected ", PATIENCE);
    worker.wait_for(from, " accepted ", PATIENCE);
    elected.read_at
}
