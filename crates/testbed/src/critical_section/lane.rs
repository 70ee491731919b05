//! One election with its register and two workers.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::history::word;
use super::service::Write;
use super::story::{Round, Teller};
use crate::faketime::Clocks;
use crate::proxy::{Proxy, Weather};
use crate::random::Random;
use crate::worker::{self, Line, Worker};

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
    /// The clocks of the two workers that there are at a time.
    pub clocks: [Clock; 2],
    pub environment: Vec<(&'static str, &'static str)>,
    /// The server's `host:port`, and all that it calls itself.
    pub server: String,
    pub own_names: Vec<String>,
    /// On each worker's way to the server, with a seed of its own.
    pub weather: Weather,
}

/// The clock of a worker.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// How many times as fast as this process's it runs.
    pub rate: f64,
    /// `None`: it is this machine's.
    pub hurried: Option<Clocks>,
}

#[derive(Debug)]
pub struct Lane {
    setting: Setting,
    /// Of the ways' weather, and of the pauses before a harm.
    random: Random,
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
    way: Proxy,
    clock: Clock,
}

/// All that a lane has to tell when nothing is on its way any more.
#[derive(Debug)]
pub struct Told {
    pub lines: Vec<Line>,
    pub service: Vec<Write>,
    pub story: Vec<String>,
}

impl Lane {
    pub fn start(setting: Setting) -> Self {
        let random = Random::new(setting.weather.seed);
        let (members, past, past_ways) = (vec![], vec![], vec![]);
        let mut lane = Self { setting, random, members, began: Instant::now(), started: 0, past, past_ways };
        for clock in lane.setting.clocks {
            lane.join(clock);
        }
        lane
    }

    fn join(&mut self, clock: Clock) {
        let setting = &self.setting;
        let weather = Weather { seed: self.random.next(), ..setting.weather };
        let way = Proxy::start(&setting.server, &setting.own_names, weather);
        let url = setting.url.replace(&setting.server, &way.address());
        let (lease, poll) = (setting.lease.to_string(), setting.poll.to_string());
        let think = (setting.think * 1_000.0).to_string();
        let mut arguments = vec![setting.store, &url, &setting.name];
        arguments.extend(["--lease", &lease, "--poll", &poll, "--think", &think]);
        if !setting.fencing {
            arguments.push("--no-fencing");
        }
        let mut environment = setting.environment.clone();
        environment.extend(clock.hurried.iter().flat_map(|clocks| clocks.environment()));
        let holder = format!("{}-{}", setting.name, self.started);
        let worker = worker::start("critical_section", &arguments, &holder, &environment);
        self.members.push(Member { worker, way, clock });
        self.started += 1;
    }

    /// Does this to the leader while it thinks, and another one watches it; what came of it until that one led.
    pub fn harm(&mut self, harm: Harm) -> Round {
        self.watched_thinker();
        self.pause();
        let (leader, thought) = self.watched_thinker();
        let began = Instant::now();
        let harmed = writes_of(&thought);
        let from = self.members[1 - leader].worker.lines().len();
        match harm {
            Harm::Kill => {
                let Member { worker, way, clock } = self.members.remove(leader);
                let holder = worker.holder.clone();
                self.past.extend(worker.kill());
                self.past_ways.push((holder, way));
                let led = succession(&self.members[0].worker, from);
                let (_, way) = self.past_ways.last().expect("just put there");
                let round = self.teller(began, led, &self.members[0]).round(harm, harmed, way, &self.members[0].way);
                // With the same clock again, so that those of the two differ as before.
                self.join(clock);
                round
            }
            Harm::Stop | Harm::Cut => {
                let (member, successor) = (&self.members[leader], &self.members[1 - leader]);
                match harm {
                    Harm::Stop => member.worker.signal(Signal::SIGSTOP),
                    _ => member.way.cut(),
                }
                let led = succession(&successor.worker, from);
                let round = self.teller(began, led, successor).round(harm, harmed, &member.way, &successor.way);
                match harm {
                    Harm::Stop => member.worker.signal(Signal::SIGCONT),
                    _ => member.way.mend(),
                }
                wait_for_outcome(&member.worker, &thought);
                round
            }
        }
    }

    /// Up to the time between two renewals, so that the rounds meet the leaders at different points of their rhythm, and those of
    /// several lanes do not all come at once.
    fn pause(&mut self) {
        let share = self.random.below(1_000) as f64 / 1_000.0;
        let seconds = self.setting.lease / 3.0 * share / self.setting.weather.rate;
        std::thread::sleep(Duration::from_secs_f64(seconds));
    }

    /// What was said between these instants, and a while before, on that one's clock.
    fn teller(&self, began: Instant, ended: Instant, member: &Member) -> Teller {
        let mut teller = Teller::new(began, ended, member.clock.rate);
        self.tell(&mut teller);
        teller
    }

    fn tell(&self, teller: &mut Teller) {
        teller.lines(&self.past);
        for (holder, way) in &self.past_ways {
            teller.notes(holder, way);
        }
        for Member { worker, way, .. } in &self.members {
            teller.lines(&worker.lines());
            teller.notes(&worker.holder, way);
        }
    }

    /// The worker that begins to think from now on, while the other one watches it: one that has just started, or rests after its
    /// own term, would have to begin with it. With its line about it.
    fn watched_thinker(&self) -> (usize, Line) {
        let end = Instant::now() + PATIENCE;
        while let Some((leader, thought)) = self.thinker(end) {
            let token = format!(" watching token={} ", thought.token());
            let standby = &self.members[1 - leader].worker;
            if standby.lines().iter().any(|line| line.text.contains(&token)) {
                return (leader, thought);
            }
        }
        let mut teller = Teller::new(self.began, Instant::now(), self.setting.weather.rate);
        self.tell(&mut teller);
        panic!("nobody led and was watched within {PATIENCE:?}:\n{}", teller.story().join("\n"));
    }

    /// The worker that begins to think from now on, and its line about it; `None` if nobody does until then.
    fn thinker(&self, end: Instant) -> Option<(usize, Line)> {
        let begun: Vec<_> = self.members.iter().map(|member| member.worker.lines().len()).collect();
        while Instant::now() < end {
            for (number, member) in self.members.iter().enumerate() {
                let mut lines = member.worker.lines().into_iter().skip(begun[number]);
                if let Some(line) = lines.find(|line| line.text.contains(" thinking ")) {
                    return Some((number, line));
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }

    /// Ends the workers, and waits for what is late. Nothing writes to the register any more.
    pub fn stop(mut self) -> Told {
        for member in &self.members {
            member.worker.signal(Signal::SIGTERM);
        }
        for Member { worker, way, .. } in std::mem::take(&mut self.members) {
            let holder = worker.holder.clone();
            self.past.extend(worker.finish(PATIENCE));
            self.past_ways.push((holder, way));
        }
        let mut service = Vec::new();
        for (_, way) in &self.past_ways {
            way.settle(PATIENCE);
            service.extend(way.carried().iter().filter_map(Write::of));
        }
        let mut teller = Teller::new(self.began, Instant::now(), self.setting.weather.rate);
        self.tell(&mut teller);
        Told { lines: self.past, service, story: teller.story() }
    }
}

/// Waits until this worker leads and has written; when it led.
fn succession(worker: &Worker, from: usize) -> Instant {
    let (_, elected) = worker.wait_for(from, " elected ", PATIENCE);
    worker.wait_for(from, " accepted ", PATIENCE);
    elected.read_at
}

fn wait_for_outcome(worker: &Worker, thought: &Line) {
    let id = format!(" id={} ", word(thought, "id"));
    let done = |line: &Line| line.text.contains(&id) && !line.text.contains(" thinking ");
    worker.wait_until(0, done, "what became of its write", PATIENCE);
}

/// What the names of this leader's writes begin with.
fn writes_of(thought: &Line) -> String {
    word(thought, "id").rsplit_once('/').expect("holder/token/number").0.to_owned()
}
