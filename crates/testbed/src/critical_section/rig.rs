//! Several elections at once, round by round.

use std::time::Duration;

use super::history::{Verdict, judge, unseen};
use super::lane::{Clock, Harm, Lane, Setting, Told};
use super::outcome::Outcome;
use super::seed::{seed, seed_of};
use super::story::Round;
use crate::azurite::{Azurite, AzuriteOptions};
use crate::cosmos::{Emulator, EmulatorOptions, KEY};
use crate::faketime::Clocks;
use crate::figures::asked_for;
use crate::proxy::Weather;
use crate::{names, operator, sas};

/// How many elections run at once, unless `LEADER_LANES` says otherwise.
const LANES: usize = 4;

/// How many times as fast as real clocks, unless `LEADER_PACE` says otherwise.
const FAST: f64 = 10.0;

/// The workers' clocks are this far from the store's, one ahead and one behind: 4 % apart, of the 5 % that may be.
const DRIFT: f64 = 0.02;

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Plan {
    /// `blob` or `cosmos`.
    pub store: &'static str,
    pub fencing: bool,
    pub pace: Pace,
    /// In turn, round by round.
    pub harms: &'static [Harm],
    /// Of so many requests in a hundred something goes wrong.
    pub faulty_percent: u64,
}

impl Plan {
    pub fn name(&self) -> String {
        let fencing = if self.fencing { "fenced" } else { "unfenced" };
        format!("{} {fencing}, {:?}, {} % faulty", self.store, self.harms, self.faulty_percent)
    }
}

/// How fast clocks run, and for how many rounds.
#[derive(Debug, Clone)]
pub struct Pace {
    pub rounds: usize,
    /// How many times as fast as real ones.
    pub rate: f64,
    /// `None`: it is this machine's.
    store: Option<Clocks>,
    workers: [Clock; 2],
}

impl Pace {
    pub fn real(rounds: usize) -> Self {
        let clock = Clock { rate: 1.0, hurried: None };
        Self { rounds: asked_for("LEADER_ROUNDS").unwrap_or(rounds), rate: 1.0, store: None, workers: [clock; 2] }
    }

    /// Hurried, and not all alike: the store's clock is right, one worker's is ahead and the other's behind.
    ///
    /// Panics without libfaketime.
    pub fn fast(rounds: usize) -> Self {
        let rate = asked_for("LEADER_PACE").unwrap_or(FAST);
        let times = |rate: f64| Some(Clocks::times(rate).expect("LEADER_FAKETIME is the path of libfaketime.so.1"));
        let worker = |drift: f64| Clock { rate: rate * drift, hurried: times(rate * drift) };
        Self {
            rounds: asked_for("LEADER_ROUNDS").unwrap_or(rounds),
            rate,
            store: times(rate),
            workers: [worker(1.0 - DRIFT), worker(1.0 + DRIFT)],
        }
    }
}

/// Runs the plan, and prints what came of it.
pub fn run(plan: &Plan) -> Outcome {
    let seed = seed();
    println!("{}, {} times as fast: LEADER_SEED={seed}", plan.name(), plan.pace.rate);
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let servers = runtime.block_on(Servers::start(plan));
    let lanes = asked_for("LEADER_LANES").unwrap_or(LANES).min(plan.pace.rounds);
    let mut outcome = Outcome { seed, ..Outcome::default() };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..lanes)
            .map(|lane| {
                let setting = servers.setting(plan, seed_of(seed, &format!("{} {lane}", plan.name())));
                outcome.lease = Duration::from_secs_f64(setting.lease);
                outcome.poll = Duration::from_secs_f64(setting.poll);
                let rounds = (lane..plan.pace.rounds).step_by(lanes);
                let harms = rounds.map(move |round| plan.harms[(round / lanes + lane) % plan.harms.len()]);
                let (servers, runtime) = (&servers, runtime.handle());
                scope.spawn(move || run_lane(plan, setting, harms, |name| runtime.block_on(servers.register(name))))
            })
            .collect();
        for thread in threads {
            let (verdict, rounds) = thread.join().unwrap_or_else(|_| panic!("a lane of LEADER_SEED={seed} has failed"));
            outcome.verdict += verdict;
            outcome.rounds.extend(rounds);
        }
    });
    outcome.print();
    outcome
}

fn run_lane(
    plan: &Plan,
    setting: Setting,
    harms: impl Iterator<Item = Harm>,
    register: impl Fn(&str) -> Vec<String>,
) -> (Verdict, Vec<Round>) {
    let name = setting.name.clone();
    let mut lane = Lane::start(setting);
    let mut rounds: Vec<_> = harms.map(|harm| lane.harm(harm)).collect();
    let Told { lines, service, story } = lane.stop();
    let register = register(&name);
    let verdict = judge(&lines, &service, &register);
    let unseen = unseen(&lines, &service);
    assert!(unseen.is_empty(), "accepted, and the ways have not seen it, so they overlook stale ones too: {unseen:?}");
    for round in &mut rounds {
        let its_writes = format!("{}/", round.harmed);
        round.refused = verdict.refused.iter().any(|id| id.starts_with(&its_writes));
    }
    if plan.fencing && (verdict.stale_accepted, verdict.lost) != (0, 0) {
        println!("{verdict:?}, of {register:?}:");
        story.iter().for_each(|line| println!("  {line}"));
    }
    (verdict, rounds)
}

enum Servers {
    Blob(Azurite, String),
    Cosmos(Emulator),
}

impl Servers {
    async fn start(plan: &Plan) -> Self {
        if plan.store == "blob" {
            let azurite = Azurite::start(AzuriteOptions { https: false, clocks: plan.pace.store }).await;
            let container = names::unique("registers");
            operator::container_client(&azurite, &container).create(None).await.expect("created");
            return Self::Blob(azurite, container);
        }
        let emulator = Emulator::start(EmulatorOptions::default());
        emulator.create_container("workers", "leaders");
        emulator.create_partitioned("workers", "registers", &["/group"]);
        Self::Cosmos(emulator)
    }

    fn setting(&self, plan: &Plan, seed: u64) -> Setting {
        let (url, server, own_names) = match self {
            Self::Blob(azurite, container) => {
                // The workers' clocks are hours ahead when the test is done.
                let url = format!("{}?{}", azurite.container_url(container), sas::account_sas(24 * 30));
                let server = format!("127.0.0.1:{}", azurite.port());
                (url, server.clone(), vec![])
            }
            Self::Cosmos(emulator) => {
                let url = emulator.endpoint();
                let (server, region) = (authority(&url), authority(&emulator.in_process_endpoint()));
                (url, server.clone(), vec![server, region])
            }
        };
        let Plan { store, fencing, faulty_percent, ref pace, .. } = *plan;
        // A blob's lease is 15 s at the least; a document's is shorter where no clock is hurried.
        let lease = if store == "blob" || pace.store.is_some() { 15.0 } else { 3.0 };
        Setting {
            store,
            url,
            name: names::unique(store),
            fencing,
            lease,
            poll: lease / 15.0,
            think: 1.0,
            clocks: pace.workers,
            environment: vec![("COSMOS_KEY", KEY), ("COSMOS_DISABLE_IMDS", "1")],
            server,
            own_names,
            weather: Weather { faulty_percent, rate: pace.rate, seed },
        }
    }

    /// The writes that stand in the register.
    async fn register(&self, name: &str) -> Vec<String> {
        let register = format!("register-{name}");
        match self {
            Self::Blob(azurite, container) => {
                let blob = operator::blob_client(azurite, container, &register);
                let content = blob.download(None).await.expect("read").body.collect().await.expect("read");
                serde_json::from_slice(&content).expect("a list")
            }
            Self::Cosmos(emulator) => {
                let container = emulator.container("workers", "registers").await;
                let document = container.read_item(register.clone(), &register, None).await.expect("read");
                let document: serde_json::Value = document.into_model().expect("JSON");
                serde_json::from_value(document["writes"].clone()).expect("a list")
            }
        }
    }
}

/// The `host:port` of a URL.
fn authority(url: &str) -> String {
    let url = azure_core::http::Url::parse(url).expect("a URL");
    format!("{}:{}", url.host_str().expect("a host"), url.port().expect("a port"))
}
