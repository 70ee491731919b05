//! What a mutex takes to make, and what an election takes of memory: `cargo bench`.
//!
//! Memory is what the process has resident (`VmRSS`), after so many elections less before them, by their number.

#![allow(clippy::expect_used)]

use std::hint::black_box;
use std::task::{Context, Waker};
use std::time::Duration;

use azure_leader_election::{
    BlobDistributedMutex, BlobMutexOptions, CancellationToken, CosmosAddress, CosmosDistributedMutex, DistributedMutex,
    LeaderHost, Leadership, MemoryMutex, TaskError,
};

const SIGNED: &str = "https://acct.blob.core.windows.net/leases?sv=2025-01-01&sig=c2lnbmF0dXJl";
const EMULATOR: &str = "http://127.0.0.1:10000/devstoreaccount1/leases";
const NUMBER: usize = 500;
/// Names the figure that a process is to measure.
const FIGURE: &str = "WEIGHT_FIGURE";

fn main() {
    if let Ok(figure) = std::env::var(FIGURE) {
        return measure(&figure);
    }
    println!("memory by election, of {NUMBER}:");
    for figure in ["blob", "emulator", "cosmos", "host"] {
        // A process of its own each, in which no memory was used and given back before.
        let this = std::env::current_exe().expect("this program");
        std::process::Command::new(this).env(FIGURE, figure).status().expect("started");
    }
    println!();
    divan::main();
}

fn measure(figure: &str) {
    match figure {
        "blob" => per_election("a blob mutex", blob),
        "emulator" => per_election("a blob mutex on the emulator", emulator),
        "cosmos" => per_election("a Cosmos DB mutex", cosmos),
        _ => elected(),
    }
}

/// Ready to send: its client is made on first use.
fn blob() -> BlobDistributedMutex {
    ready(BlobDistributedMutex::from_sas_url(SIGNED, "nightly").expect("valid"))
}

fn emulator() -> BlobDistributedMutex {
    ready(BlobDistributedMutex::for_emulator(EMULATOR, "nightly").expect("valid"))
}

/// A look that is dropped before it is sent.
fn ready(mutex: BlobDistributedMutex) -> BlobDistributedMutex {
    let mut look = mutex.observe();
    let mut context = Context::from_waker(Waker::noop());
    let _ = look.as_mut().poll(&mut context);
    drop(look);
    mutex
}

fn cosmos() -> CosmosDistributedMutex {
    let endpoint = "https://acct.documents.azure.com/";
    let leaders = CosmosAddress::new(endpoint, "workers", "leaders").expect("valid");
    CosmosDistributedMutex::with_key(leaders, "nightly", "a2V5".into()).expect("valid")
}

#[divan::bench(sample_size = 1, sample_count = 50)]
fn make_a_blob_mutex() -> BlobDistributedMutex {
    blob()
}

#[divan::bench(sample_size = 1, sample_count = 50)]
fn make_a_blob_mutex_on_the_emulator() -> BlobDistributedMutex {
    emulator()
}

/// For a proxy, a private authority, or many elections over one pool.
#[divan::bench(sample_size = 1, sample_count = 50)]
fn make_a_blob_mutex_with_a_transport_of_the_callers(bencher: divan::Bencher<'_, '_>) {
    let transport = azure_core::http::Transport::new(std::sync::Arc::new(reqwest::Client::new()));
    bencher.bench(|| {
        let options = BlobMutexOptions { transport: Some(transport.clone()), ..BlobMutexOptions::default() };
        let mutex = BlobDistributedMutex::from_sas_url(SIGNED, "nightly").expect("valid");
        mutex.with_options(options).expect("valid")
    });
}

#[divan::bench(sample_size = 1, sample_count = 50)]
fn make_a_cosmos_db_mutex() -> CosmosDistributedMutex {
    cosmos()
}

fn per_election<T>(what: &str, make: impl Fn() -> T) {
    let _first = make();
    let before = resident();
    let made: Vec<T> = (0..NUMBER).map(|_| make()).collect();
    tell(what, before);
    drop(black_box(made));
}

/// Hosts that lead, on stores in memory.
fn elected() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let shutdown = CancellationToken::new();
        let (leads, mut leading) = tokio::sync::mpsc::unbounded_channel();
        let start = || {
            let (shutdown, leads) = (shutdown.clone(), leads.clone());
            tokio::spawn(async move {
                let host = LeaderHost::new(MemoryMutex::new());
                let task = move |leader: Leadership| {
                    let leads = leads.clone();
                    async move {
                        leads.send(()).map_err(|_| TaskError::from("nobody listens"))?;
                        leader.token().cancelled().await;
                        Ok(())
                    }
                };
                host.run_task_when_mutex_acquired(shutdown, task).await
            })
        };
        let mut runs = vec![start()];
        leading.recv().await.expect("elected");
        let before = resident();
        runs.extend((0..NUMBER).map(|_| start()));
        for _ in 0..NUMBER {
            leading.recv().await.expect("elected");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        tell("a host that leads, in memory", before);
        shutdown.cancel();
        for run in runs {
            run.await.expect("no panic").expect("no error");
        }
    });
}

fn tell(what: &str, before: Option<usize>) {
    match (before, resident()) {
        (Some(before), Some(after)) => {
            println!("  {what}: {:.1} KiB", after.saturating_sub(before) as f64 / NUMBER as f64 / 1024.0);
        }
        _ => println!("  {what}: this system does not tell"),
    }
}

/// In bytes; Linux alone tells without further code.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<usize>().ok().map(|kib| kib * 1024)
}
