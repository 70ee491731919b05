//! One election with its two workers and its ledger.

use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use testkit::random::Random;
use testservers::worker::{Line, Worker};
use testservers::{Direction, Link};

use crate::ledger::Ledger;
use crate::run::Plan;

/// How long to wait for what must come: generous, as the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is done to the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Harm {
    /// It is killed.
    Kill,
    /// It is stopped until another one leads, and goes on.
    Stop,
    /// Nothing gets through between it and the servers until another one leads; then all arrives that was sent.
    Cut,
    /// Its requests do not get through, and wait.
    CutToServer,
    /// Answers to it do not get through.
    CutToClient,
    /// It is told to end: a hand-over.
    End,
}

impl Harm {
    pub const ALL: [Self; 6] = [Self::Kill, Self::Stop, Self::Cut, Self::CutToServer, Self::CutToClient, Self::End];
}

pub struct Lane<'a> {
    plan: &'a Plan<'a>,
    election: String,
    random: Random,
    members: Vec<Member>,
    started: usize,
    past: Vec<(String, Vec<Line>)>,
    ledger: Box<dyn Ledger>,
}

struct Member {
    worker: Worker,
    links: Vec<Link>,
}

/// What came of one harm.
#[derive(Debug, Clone)]
pub struct Round {
    pub harm: Harm,
    pub disturbed: bool,
    /// From the harm until another one led.
    pub took: Duration,
    /// Of a hand-over: from the old task's exit to the new one's first act.
    pub gap: Option<Duration>,
}

/// All that a lane has to tell at its end.
#[derive(Debug)]
pub struct Told {
    pub lines: Vec<(String, Vec<Line>)>,
    pub entries: Vec<String>,
}

impl<'a> Lane<'a> {
    pub fn start(plan: &'a Plan<'a>, number: usize) -> Self {
        let election = format!("{}-{number}-{}", plan.name, std::process::id());
        plan.service.prepare(&election);
        let ledger = plan.service.open_ledger(&election);
        let random = Random::new(plan.seed.wrapping_add(number as u64));
        let mut lane = Self { plan, election, random, members: vec![], started: 0, past: vec![], ledger };
        lane.join();
        lane.join();
        lane
    }

    fn join(&mut self) {
        let service = self.plan.service;
        let links: Vec<_> = service.servers().into_iter().map(Link::start).collect();
        let addresses: Vec<_> = links.iter().map(Link::address).collect();
        let holder = format!("{}-{}", self.election, self.started);
        self.started += 1;
        let mut command = Command::new(self.plan.worker);
        command
            .args(["--store", &service.store(&addresses), "--ledger", &service.ledger(&addresses)])
            .args(["--election", &self.election, "--holder", &holder])
            .args(["--lease", &humantime::format_duration(self.plan.lease).to_string()])
            .args(["--poll", &humantime::format_duration(self.plan.poll).to_string()])
            .envs(service.environment(&addresses));
        self.members.push(Member { worker: Worker::spawn(command, &holder), links });
    }

    /// Waits until one leads and the other one watches it; then waits a part of the time between two renewals.
    pub fn make_ready(&mut self) -> usize {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(leader) = self.leader_that_is_watched() {
                let share = self.random.below(1_000) as f64 / 1_000.0;
                std::thread::sleep((self.plan.lease / 3).mul_f64(share));
                if self.leader_that_is_watched() == Some(leader) {
                    return leader;
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let told: Vec<_> = self.members.iter().map(|member| tail(&member.worker.lines())).collect();
        panic!("{}: nobody led and was watched within {PATIENCE:?}: {told:#?}", self.election);
    }

    fn leader_that_is_watched(&self) -> Option<usize> {
        let latest = |word: &str, member: &Member| {
            member.worker.lines().iter().rev().find(|line| line.text.contains(word)).map(Line::token)
        };
        let leads: Vec<_> = self.members.iter().map(|member| latest(" started ", member)).collect();
        let (leader, token) = leads
            .iter()
            .enumerate()
            .filter_map(|(number, token)| Some((number, (*token)?)))
            .max_by_key(|(_, token)| *token)?;
        let lines = self.members[leader].worker.lines();
        let exited = lines.iter().any(|line| line.text.ends_with(&format!(" exit token={token}")));
        let watched = latest(" standby token=", &self.members[1 - leader]) == Some(token);
        (!exited && watched).then_some(leader)
    }

    /// Does this to the leader; what came of it until another one led.
    pub fn harm(&mut self, harm: Harm, leader: usize, disturbed: bool) -> Round {
        let successor = 1 - leader;
        let from = self.members[successor].worker.lines().len();
        let began = Instant::now();
        let member = &self.members[leader];
        match harm {
            Harm::Kill => member.worker.signal(Signal::SIGKILL),
            Harm::Stop => member.worker.signal(Signal::SIGSTOP),
            Harm::Cut => member.cut(Direction::Both),
            Harm::CutToServer => member.cut(Direction::ToServer),
            Harm::CutToClient => member.cut(Direction::ToClient),
            Harm::End => member.worker.signal(Signal::SIGTERM),
        }
        let (_, led) = self.members[successor].worker.wait_for(from, " started ", PATIENCE);
        let took = led.read_at.saturating_duration_since(began);
        // The new leader has written: whatever comes from the old one now is stale.
        let words = [format!(" wrote token={} ", led.token()), format!(" refused token={} ", led.token())];
        let wrote = |line: &Line| words.iter().any(|word| line.text.contains(word.as_str()));
        self.members[successor].worker.wait_until(from, wrote, "an entry of the new leader", PATIENCE);
        let gap = self.settle(harm, leader, &led);
        Round { harm, disturbed, took, gap }
    }

    fn settle(&mut self, harm: Harm, leader: usize, led: &Line) -> Option<Duration> {
        let member = &self.members[leader];
        let back = format!(" standby token={}", led.token());
        match harm {
            Harm::Stop => member.worker.signal(Signal::SIGCONT),
            Harm::Cut | Harm::CutToServer | Harm::CutToClient => member.links.iter().for_each(Link::mend),
            Harm::Kill | Harm::End => {
                let Member { worker, .. } = self.members.remove(leader);
                let holder = worker.holder.clone();
                let lines = if harm == Harm::Kill { worker.kill() } else { worker.finish(PATIENCE) };
                let exit = lines.iter().rev().find(|line| line.text.contains(" exit token=")).map(|line| line.at);
                self.past.push((holder, lines));
                self.join();
                return exit
                    .filter(|_| harm == Harm::End)
                    .map(|exit| Duration::from_micros(led.at.saturating_sub(exit)));
            }
        }
        // It is back when it has seen its successor. (A later one's, if that ended meanwhile.)
        let token = led.token();
        let seen = |line: &Line| line.text.contains(" standby token=") && line.token() >= token;
        member.worker.wait_until(0, seen, &back, PATIENCE);
        None
    }

    /// Ends the workers. Nothing writes to the ledger any more.
    pub fn stop(mut self) -> Told {
        for member in &self.members {
            member.worker.signal(Signal::SIGTERM);
        }
        for Member { worker, .. } in std::mem::take(&mut self.members) {
            self.past.push((worker.holder.clone(), worker.finish(PATIENCE)));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let entries = runtime.block_on(async { tokio::time::timeout(PATIENCE, self.ledger.entries()).await });
        Told { lines: self.past, entries: entries.expect("in time").expect("the ledger") }
    }
}

impl Member {
    fn cut(&self, direction: Direction) {
        self.links.iter().for_each(|link| link.cut(direction));
    }
}

fn tail(lines: &[Line]) -> Vec<String> {
    lines.iter().rev().take(12).rev().map(|line| line.text.clone()).collect()
}
