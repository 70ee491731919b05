//! A critical section in real processes: the leader reads, thinks, and writes, and is stopped or killed while it thinks.
//!
//! A stopped leader writes when it goes on, whatever has become of its lease, as code does that was already on its way. Without
//! fencing the register then loses what the newer leader wrote meanwhile; with it the service refuses the write.
//!
//! The plain tests run a few rounds at the pace of real clocks. With `LEADER_FAKETIME=<path of libfaketime.so.1>` and
//! `-- --ignored` the workers and the emulator live ten times as fast: `LEADER_ROUNDS=200` sets how many rounds. Every test ends
//! with a line `rounds=<n> stale_accepted=<n> ...`.

#![cfg(all(feature = "blob", feature = "cosmos", unix))]
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod support;

use std::time::Duration;

use support::azurite::{Azurite, AzuriteOptions};
use support::cosmos::{Emulator, EmulatorOptions, KEY, client};
use support::critical_section::{Lane, Setting, Verdict, judge};
use support::faketime::Clocks;
use support::{names, operator, sas};

/// How many elections run at once.
const LANES: usize = 4;

#[test]
fn a_stale_write_to_a_fenced_blob_is_refused() {
    fenced("blob", Pace::real(4));
}

#[test]
fn a_stale_write_to_a_fenced_document_is_refused() {
    fenced("cosmos", Pace::real(4));
}

#[test]
fn without_fencing_a_stale_write_to_a_blob_is_accepted() {
    unfenced("blob", Pace::real(2));
}

#[test]
fn without_fencing_a_stale_write_to_a_document_is_accepted() {
    unfenced("cosmos", Pace::real(2));
}

#[test]
#[ignore = "needs libfaketime: LEADER_FAKETIME=<path of libfaketime.so.1> cargo test --test critical_section -- --ignored"]
fn many_stale_writes_to_a_fenced_blob_are_all_refused() {
    fenced("blob", Pace::fast(60));
}

#[test]
#[ignore = "needs libfaketime: LEADER_FAKETIME=<path of libfaketime.so.1> cargo test --test critical_section -- --ignored"]
fn many_stale_writes_to_a_fenced_document_are_all_refused() {
    fenced("cosmos", Pace::fast(60));
}

#[test]
#[ignore = "needs libfaketime: LEADER_FAKETIME=<path of libfaketime.so.1> cargo test --test critical_section -- --ignored"]
fn without_fencing_many_stale_writes_to_a_blob_are_accepted() {
    unfenced("blob", Pace::fast(20));
}

#[test]
#[ignore = "needs libfaketime: LEADER_FAKETIME=<path of libfaketime.so.1> cargo test --test critical_section -- --ignored"]
fn without_fencing_many_stale_writes_to_a_document_are_accepted() {
    unfenced("cosmos", Pace::fast(20));
}

fn fenced(store: &'static str, pace: Pace) {
    let verdict = run(store, true, &pace);
    assert_eq!((verdict.stale_accepted, verdict.lost), (0, 0), "{verdict:?}");
    assert!(verdict.fenced > 0, "nothing was there to refuse: {verdict:?}");
}

fn unfenced(store: &'static str, pace: Pace) {
    let verdict = run(store, false, &pace);
    assert!(verdict.stale_accepted > 0 && verdict.lost > 0, "the rounds do not reach what fencing is for: {verdict:?}");
}

/// How fast clocks run, and for how many rounds.
struct Pace {
    rounds: usize,
    clocks: Vec<Clocks>,
}

impl Pace {
    fn real(rounds: usize) -> Self {
        Self { rounds, clocks: vec![] }
    }

    /// Ten times as fast, and not all alike: they drift apart by up to 4 %.
    fn fast(rounds: usize) -> Self {
        let rounds = std::env::var("LEADER_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(rounds);
        let clocks =
            [10.0, 9.8, 10.2].map(|rate| Clocks::times(rate).expect("LEADER_FAKETIME is the path of libfaketime.so.1"));
        Self { rounds, clocks: clocks.to_vec() }
    }
}

fn run(store: &'static str, fencing: bool, pace: &Pace) -> Verdict {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let servers = runtime.block_on(Servers::start(store, pace));
    let lanes = LANES.min(pace.rounds);
    let mut verdict = Verdict::default();
    let mut takeovers = Vec::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..lanes)
            .map(|lane| {
                let rounds = (lane..pace.rounds).step_by(lanes);
                let setting = servers.setting(store, fencing, pace);
                let (servers, runtime) = (&servers, runtime.handle());
                scope.spawn(move || {
                    let name = setting.name.clone();
                    let mut lane = Lane::start(setting);
                    for round in rounds {
                        // Without fencing it is stopped leaders that do harm.
                        if round % 4 == 3 && fencing { lane.kill_round() } else { lane.stop_round() }
                    }
                    let takeovers = lane.takeovers.clone();
                    let history = lane.stop();
                    let register = runtime.block_on(servers.register(&name));
                    (judge(&history, &register), takeovers)
                })
            })
            .collect();
        for thread in threads {
            let (judged, waits) = thread.join().expect("a lane that holds");
            verdict += judged;
            takeovers.extend(waits);
        }
    });
    let most = takeovers.iter().max().map_or(0.0, Duration::as_secs_f64);
    let Verdict { stale_accepted, accepted, lost, fenced, unknown } = verdict;
    let fencing = if fencing { "fenced" } else { "unfenced" };
    println!(
        "{store} {fencing}: rounds={} stale_accepted={stale_accepted} accepted={accepted} lost={lost} fenced={fenced} \
         unknown={unknown} slowest_takeover={most:.2}s",
        pace.rounds
    );
    verdict
}

enum Servers {
    Blob(Azurite, String),
    Cosmos(Emulator),
}

impl Servers {
    async fn start(store: &str, pace: &Pace) -> Self {
        if store == "blob" {
            let azurite = Azurite::start(AzuriteOptions { https: false, clocks: pace.clocks.first().copied() }).await;
            let container = names::unique("registers");
            operator::container_client(&azurite, &container).create(None).await.expect("created");
            return Self::Blob(azurite, container);
        }
        let emulator = Emulator::start(EmulatorOptions::default());
        emulator.create_container("workers", "leaders");
        emulator.create_partitioned("workers", "registers", &["/group"]);
        Self::Cosmos(emulator)
    }

    fn setting(&self, store: &'static str, fencing: bool, pace: &Pace) -> Setting {
        let url = match self {
            // The clocks of the workers are days ahead when the test is done.
            Self::Blob(azurite, container) => {
                format!("{}?{}", azurite.container_url(container), sas::account_sas(24 * 30))
            }
            Self::Cosmos(emulator) => emulator.endpoint(),
        };
        // A blob's lease is 15 s at the least; a document's is shorter where no clock is hurried.
        let lease = if store == "blob" || !pace.clocks.is_empty() { 15.0 } else { 3.0 };
        Setting {
            store,
            url,
            name: names::unique(store),
            fencing,
            lease,
            poll: 1.0,
            think: 1.0,
            clocks: pace.clocks.clone(),
            environment: vec![("COSMOS_KEY", KEY), ("COSMOS_DISABLE_IMDS", "1")],
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
                let container = client::container(emulator, "workers", "registers").await;
                let document = container.read_item(register.clone(), &register, None).await.expect("read");
                let document: serde_json::Value = document.into_model().expect("JSON");
                serde_json::from_value(document["writes"].clone()).expect("a list")
            }
        }
    }
}
