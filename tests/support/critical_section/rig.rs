//! Several elections at once, round by round.

use std::collections::BTreeSet;
use std::time::Duration;

use super::history::{Verdict, judge};
use super::lane::{Harm, Lane, Setting};
use super::story::Round;
use crate::support::azurite::{Azurite, AzuriteOptions};
use crate::support::cosmos::{Emulator, EmulatorOptions, KEY};
use crate::support::faketime::Clocks;
use crate::support::proxy::Weather;
use crate::support::{names, operator, sas};

/// How many elections run at once, unless `LEADER_LANES` says otherwise.
const LANES: usize = 4;

/// How many times as fast as real clocks, unless `LEADER_PACE` says otherwise.
const FAST: f64 = 10.0;

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
        Self { rounds: asked_for("LEADER_ROUNDS").unwrap_or(rounds), rate: 1.0, clocks: vec![] }
    }

    /// Hurried, and not all alike: the store's clock is right, and the workers' drift apart by up to 4 %.
    ///
    /// Panics without libfaketime.
    pub fn fast(rounds: usize) -> Self {
        let rate = asked_for("LEADER_PACE").unwrap_or(FAST);
        let clocks = |drift: f64| Clocks::times(rate * drift).expect("LEADER_FAKETIME is the path of libfaketime.so.1");
        Self {
            rounds: asked_for("LEADER_ROUNDS").unwrap_or(rounds),
            rate,
            clocks: [1.0, 0.98, 1.02].map(clocks).to_vec(),
        }
    }
}

fn asked_for<T: std::str::FromStr>(variable: &str) -> Option<T> {
    std::env::var(variable).ok()?.parse().ok()
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    pub verdict: Verdict,
    pub rounds: Vec<Round>,
    pub lease: Duration,
    pub poll: Duration,
}

/// Runs the plan, and prints a line about it.
pub fn run(plan: &Plan) -> Outcome {
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let servers = runtime.block_on(Servers::start(plan));
    let lanes = asked_for("LEADER_LANES").unwrap_or(LANES).min(plan.pace.rounds);
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
                    let mut harmed = Vec::new();
                    for round in rounds {
                        let harm = plan.harms[(round / lanes + lane) % plan.harms.len()];
                        harmed.push(workers.harm(harm));
                    }
                    let (history, story) = workers.stop();
                    let register = runtime.block_on(servers.register(&name));
                    let verdict = judge(&history, &register);
                    if plan.fencing && (verdict.stale_accepted, verdict.lost) != (0, 0) {
                        println!("{verdict:?}, of {register:?}:");
                        story.iter().for_each(|line| println!("  {line}"));
                    }
                    (verdict, harmed)
                })
            })
            .collect();
        for thread in threads {
            let (verdict, harmed) = thread.join().expect("a lane that holds");
            outcome.verdict += verdict;
            outcome.rounds.extend(harmed);
        }
    });
    outcome.print(plan);
    outcome
}

impl Outcome {
    pub fn harms(&self) -> BTreeSet<Harm> {
        self.rounds.iter().map(|round| round.harm).collect()
    }

    /// How long the takeovers took, the fastest first, by the workers' clocks.
    pub fn takeovers(&self, harm: Harm) -> Vec<Duration> {
        self.sorted(harm, |round| round.takeover)
    }

    /// How long they took from the last request on that prolonged the lease of the harmed one.
    pub fn since_the_last_request(&self, harm: Harm) -> Vec<Duration> {
        self.sorted(harm, |round| round.takeover.saturating_sub(round.kept_for))
    }

    fn sorted(&self, harm: Harm, time: impl Fn(&Round) -> Duration) -> Vec<Duration> {
        let mut times: Vec<_> = self.rounds.iter().filter(|round| round.harm == harm).map(time).collect();
        times.sort();
        times
    }

    fn print(&self, plan: &Plan) {
        let Verdict { stale_accepted, accepted, lost, fenced, unknown } = self.verdict;
        let figures = |harm: Harm| {
            let (takeovers, last) = (self.takeovers(harm), self.since_the_last_request(harm));
            let prolonged =
                self.rounds.iter().filter(|round| round.harm == harm && round.kept_for >= self.poll).count();
            format!(
                "{harm:?}: p50={:.1} p99={:.1} max={:.1}, prolonged={prolonged} since_the_last_request: p99={:.1} max={:.1}",
                percentile(&takeovers, 50),
                percentile(&takeovers, 99),
                percentile(&takeovers, 100),
                percentile(&last, 99),
                percentile(&last, 100),
            )
        };
        let figures: Vec<_> = self.harms().into_iter().map(figures).collect();
        println!(
            "{} {}, {} % faulty: rounds={} stale_accepted={stale_accepted} accepted={accepted} lost={lost} \
             fenced={fenced} unknown={unknown} {}",
            plan.store,
            if plan.fencing { "fenced" } else { "unfenced" },
            plan.faulty_percent.unwrap_or_default(),
            plan.pace.rounds,
            figures.join("; "),
        );
        self.print_slowest(asked_for("LEADER_SLOWEST").unwrap_or(0));
    }

    fn print_slowest(&self, count: usize) {
        let mut slowest: Vec<_> = self.rounds.iter().collect();
        slowest.sort_by_key(|round| std::cmp::Reverse(round.takeover));
        for round in slowest.into_iter().take(count) {
            println!("{:?}, {:.2} s:", round.harm, round.takeover.as_secs_f64());
            round.story.iter().for_each(|line| println!("  {line}"));
        }
    }
}

/// Of so many in a hundred, how long the slowest took, in seconds.
pub fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).map_or(f64::NAN, Duration::as_secs_f64)
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
        let hurried = !plan.pace.clocks.is_empty();
        Setting {
            store: plan.store,
            url,
            name: names::unique(plan.store),
            rate: plan.pace.rate,
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
