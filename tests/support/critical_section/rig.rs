//! Several elections at once, round by round.

use std::collections::BTreeMap;
use std::time::Duration;

use super::history::{Verdict, judge};
use super::lane::{Harm, Lane, Setting};
use crate::support::azurite::{Azurite, AzuriteOptions};
use crate::support::cosmos::{Emulator, EmulatorOptions, KEY};
use crate::support::faketime::Clocks;
use crate::support::proxy::Weather;
use crate::support::{names, operator, sas};

/// How many elections run at once.
const LANES: usize = 4;

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Plan {
    /// `blob` or `cosmos`.
    pub store: &'static str,
    pub fencing: bool,
    pub pace: Pace,
    /// In turn, round by round.
    pub harms: &'static [Harm],
    /// Of so many requests in a hundred something goes wrong; `None`: nothing can, not even a cut.
    pub faulty_percent: Option<u64>,
}

/// How fast clocks run, and for how many rounds.
#[derive(Debug, Clone)]
pub struct Pace {
    pub rounds: usize,
    /// How many times as fast as real ones.
    pub rate: f64,
    clocks: Vec<Clocks>,
}

impl Pace {
    pub fn real(rounds: usize) -> Self {
        Self { rounds: asked_for().unwrap_or(rounds), rate: 1.0, clocks: vec![] }
    }

    /// Ten times as fast, and not all alike: the store's clock is right, and the workers' drift apart by up to 4 %.
    ///
    /// Panics without libfaketime.
    pub fn fast(rounds: usize) -> Self {
        let clocks = |rate: f64| Clocks::times(rate).expect("LEADER_FAKETIME is the path of libfaketime.so.1");
        Self { rounds: asked_for().unwrap_or(rounds), rate: 10.0, clocks: [10.0, 9.8, 10.2].map(clocks).to_vec() }
    }
}

fn asked_for() -> Option<usize> {
    std::env::var("LEADER_ROUNDS").ok()?.parse().ok()
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    pub verdict: Verdict,
    /// How long it took until another one led, by the workers' clocks.
    pub takeovers: BTreeMap<Harm, Vec<Duration>>,
    pub lease: Duration,
    pub poll: Duration,
}

/// Runs the plan, and prints a line about it.
pub fn run(plan: &Plan) -> Outcome {
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let servers = runtime.block_on(Servers::start(plan));
    let lanes = LANES.min(plan.pace.rounds);
    let mut outcome = Outcome::default();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..lanes)
            .map(|lane| {
                let setting = servers.setting(plan, lane);
                outcome.lease = Duration::from_secs_f64(setting.lease);
                outcome.poll = Duration::from_secs_f64(setting.poll);
                let rounds = (lane..plan.pace.rounds).step_by(lanes);
                let (servers, runtime) = (&servers, runtime.handle());
                scope.spawn(move || {
                    let name = setting.name.clone();
                    let mut workers = Lane::start(setting);
                    let mut takeovers = Vec::new();
                    for round in rounds {
                        let harm = plan.harms[(round / lanes + lane) % plan.harms.len()];
                        takeovers.push((harm, workers.harm(harm).mul_f64(plan.pace.rate)));
                    }
                    let history = workers.stop();
                    (judge(&history, &runtime.block_on(servers.register(&name))), takeovers)
                })
            })
            .collect();
        for thread in threads {
            let (verdict, takeovers) = thread.join().expect("a lane that holds");
            outcome.verdict += verdict;
            for (harm, takeover) in takeovers {
                outcome.takeovers.entry(harm).or_default().push(takeover);
            }
        }
    });
    outcome.print(plan);
    outcome
}

impl Outcome {
    /// Of these takeovers, how long the slowest of a hundred took.
    pub fn p99(&self, harm: Harm) -> Option<Duration> {
        let mut takeovers = self.takeovers.get(&harm)?.clone();
        takeovers.sort();
        takeovers.get((takeovers.len() * 99).div_ceil(100) - 1).copied()
    }

    fn print(&self, plan: &Plan) {
        let Verdict { stale_accepted, accepted, lost, fenced, unknown } = self.verdict;
        let p99: Vec<_> = self
            .takeovers
            .keys()
            .filter_map(|harm| Some(format!("{harm:?}={:.2}", self.p99(*harm)?.as_secs_f64())))
            .collect();
        println!(
            "{} {}, {} % faulty: rounds={} stale_accepted={stale_accepted} p99={} accepted={accepted} lost={lost} \
             fenced={fenced} unknown={unknown}",
            plan.store,
            if plan.fencing { "fenced" } else { "unfenced" },
            plan.faulty_percent.unwrap_or_default(),
            plan.pace.rounds,
            p99.join(","),
        );
    }
}

enum Servers {
    Blob(Azurite, String),
    Cosmos(Emulator),
}

impl Servers {
    async fn start(plan: &Plan) -> Self {
        if plan.store == "blob" {
            let azurite =
                Azurite::start(AzuriteOptions { https: false, clocks: plan.pace.clocks.first().copied() }).await;
            let container = names::unique("registers");
            operator::container_client(&azurite, &container).create(None).await.expect("created");
            return Self::Blob(azurite, container);
        }
        let emulator = Emulator::start(EmulatorOptions::default());
        emulator.create_container("workers", "leaders");
        emulator.create_partitioned("workers", "registers", &["/group"]);
        Self::Cosmos(emulator)
    }

    fn setting(&self, plan: &Plan, lane: usize) -> Setting {
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
        let hurried = plan.pace.rate > 1.0;
        Setting {
            store: plan.store,
            url,
            name: names::unique(plan.store),
            fencing: plan.fencing,
            // A blob's lease is 15 s at the least; a document's is shorter where no clock is hurried.
            lease: if plan.store == "blob" || hurried { 15.0 } else { 3.0 },
            poll: 1.0,
            think: 1.0,
            clocks: plan.pace.clocks.clone(),
            environment: vec![("COSMOS_KEY", KEY), ("COSMOS_DISABLE_IMDS", "1")],
            way: plan.faulty_percent.map(|faulty_percent| {
                let weather = Weather { faulty_percent, rate: plan.pace.rate, seed: 1_000 * (lane as u64 + 1) };
                (server, own_names, weather)
            }),
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
