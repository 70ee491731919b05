//! A worker of the rounds: it leads, and writes to a ledger as long as it does; its careless half goes on writing for a while after
//! its term, as a library would that nobody told of the end.
//!
//! A line of its output is the time in microseconds since 1970, an event, and `key=value` words.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use azure_leader_election::{
    DistributedMutex, ErrorKind, FencingToken, HolderId, LeaderHost, LeaderHostOptions, Leadership, Status,
    StatusWatch, Store, TaskError, Timing, TimingOptions, shutdown_signal,
};
use clap::Parser;
use rounds::ledger::{Ledger, Writer, ledger};

/// Between two entries of a ledger.
const PACE: Duration = Duration::from_millis(100);

/// A write without an answer is given up after so long, and is then carried out or not.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Parser)]
struct Arguments {
    #[arg(long)]
    store: String,
    #[arg(long)]
    ledger: String,
    #[arg(long)]
    election: String,
    #[arg(long)]
    holder: String,
    #[arg(long, value_parser = humantime::parse_duration)]
    lease: Duration,
    #[arg(long, value_parser = humantime::parse_duration)]
    poll: Duration,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), TaskError> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "error".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let arguments = Arguments::parse();
    let options = rounds::ledger::options();
    let store = Store::from_url(&arguments.store, &arguments.election, options.clone())?;
    let timing = TimingOptions { poll_every: arguments.poll, ..TimingOptions::for_lease(arguments.lease) };
    let host = LeaderHost::new(store.clone()).with_options(LeaderHostOptions {
        holder: HolderId::new(arguments.holder.clone())?,
        timing: Timing::new(timing)?,
        keep_trying_when_refused: true,
        ..LeaderHostOptions::default()
    });
    tokio::spawn(narrate(host.watch_status()));
    tokio::spawn(measure(store));
    let ledger: Arc<dyn Ledger> = ledger(&arguments.ledger, &arguments.election, &options).into();
    let holder: Arc<str> = arguments.holder.into();
    let lease = arguments.lease;
    host.run(shutdown_signal()?, move |leader| work(leader, Arc::clone(&ledger), Arc::clone(&holder), lease)).await?;
    say("gone");
    Ok(())
}

async fn work(leader: Leadership, ledger: Arc<dyn Ledger>, holder: Arc<str>, lease: Duration) -> Result<(), TaskError> {
    let token = leader.fencing_token();
    say(&format!("started token={token}"));
    let careless = tokio::spawn(write(leader.token().clone(), ledger, token, holder, lease * 2));
    leader.token().cancelled().await;
    say(&format!("exit token={token}"));
    drop(careless);
    Ok(())
}

/// Writes until it is refused, or for so long after the end of the term.
async fn write(
    ended: azure_leader_election::CancellationToken,
    ledger: Arc<dyn Ledger>,
    token: FencingToken,
    holder: Arc<str>,
    on: Duration,
) {
    let mut writer: Option<Box<dyn Writer>> = None;
    let mut over = None;
    for number in 0_u64.. {
        if ended.is_cancelled() && over.get_or_insert_with(Instant::now).elapsed() > on {
            return;
        }
        let entry = format!("{token} {holder} {number}");
        let outcome = tokio::time::timeout(PATIENCE, add(&mut writer, &*ledger, token, &entry)).await;
        match outcome {
            Ok(Ok(())) => say(&format!("wrote token={token} n={number} late={}", u8::from(ended.is_cancelled()))),
            Ok(Err(error)) if error.kind() == ErrorKind::Fenced => {
                say(&format!("refused token={token} n={number}"));
                return;
            }
            Ok(Err(error)) => {
                say(&format!("failed token={token} n={number}: {:?} {error}", error.kind()));
                writer = None;
            }
            // What was given up may have been carried out.
            Err(_) => {
                say(&format!("failed token={token} n={number}: no answer"));
                writer = None;
            }
        }
        tokio::time::sleep(PACE).await;
    }
}

async fn add(
    writer: &mut Option<Box<dyn Writer>>,
    ledger: &dyn Ledger,
    token: FencingToken,
    entry: &str,
) -> azure_leader_election::Result<()> {
    let writer = match writer {
        Some(writer) => writer,
        None => writer.insert(ledger.open(token).await?),
    };
    writer.add(entry).await
}

async fn narrate(mut status: StatusWatch) {
    while let Some(status) = status.changed().await {
        match status {
            Status::Standby { leader: Some(leader), .. } => say(&format!("standby token={}", leader.fencing_token)),
            Status::Standby { .. } => say("standby"),
            _ => {}
        }
    }
}

/// One request and its answer, on the way that this worker has.
async fn measure(store: Store) {
    let mut times = Vec::new();
    for _ in 0..21 {
        let begun = Instant::now();
        if matches!(tokio::time::timeout(PATIENCE, store.observe()).await, Ok(Ok(_))) {
            times.push(begun.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    times.sort();
    if let Some(median) = times.get(times.len() / 2) {
        say(&format!("measured micros={}", median.as_micros()));
    }
}

fn say(what: &str) {
    use std::io::Write;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // Fails when nobody reads any more.
    let _ = writeln!(std::io::stdout().lock(), "{} {what}", now.as_micros());
}
