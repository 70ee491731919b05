//! A lost race is what an election is made of: nobody who reads the logs is to take it for an error, whoever writes them.

#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_leader_election::{
    BlobDistributedMutex, CancellationToken, DistributedMutex, HolderId, LeaderHost, LeaderHostOptions, Timing,
    TimingOptions,
};
use testbed::azurite::Azurite;
use testbed::cosmos::{EmulatorOptions, election};
use testbed::names;
use tokio::task::JoinSet;
use tracing::level_filters::LevelFilter;

const WORKERS: usize = 6;
const TERMS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_race_for_the_lead_write_no_warning_and_neither_does_the_azure_sdk() {
    let written: Arc<Mutex<Vec<u8>>> = Arc::default();
    let writer = Arc::clone(&written);
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::WARN)
        .with_ansi(false)
        .with_writer(move || Writer(Arc::clone(&writer)))
        .init();

    let url = Azurite::http().await.container_url(&names::unique("quiet"));
    race(|| BlobDistributedMutex::for_emulator(&url, "one-blob").expect("valid")).await;
    let emulator = election::emulator(EmulatorOptions::default());
    race(|| election::mutex(&emulator)).await;

    assert_eq!(String::from_utf8_lossy(&written.lock().unwrap()), "");
    tracing::warn!("this one is seen");
    assert!(String::from_utf8_lossy(&written.lock().unwrap()).contains("this one is seen"), "the test is blind");
}

/// Each worker leads some terms, in whatever order; all but one lose each time.
async fn race<M: DistributedMutex>(open: impl Fn() -> M) {
    let often = TimingOptions { poll_every: Duration::from_millis(100), ..TimingOptions::default() };
    let timing = Timing::new(often).expect("valid");
    let mut workers = JoinSet::new();
    for number in 0..WORKERS {
        let options = LeaderHostOptions {
            holder: HolderId::new(format!("worker-{number}")).expect("valid"),
            timing: timing.clone(),
            pause: Duration::from_millis(100),
            ..LeaderHostOptions::default()
        };
        let host = LeaderHost::new(open()).with_options(options);
        workers.spawn(async move {
            for _ in 0..TERMS {
                let led = host.run_one_term(CancellationToken::new(), |_| async {}).await.expect("a term");
                assert!(led.is_some());
            }
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker.expect("a worker that led");
    }
}

struct Writer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
