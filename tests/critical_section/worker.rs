//! A worker with a critical section: as the leader it reads a register, thinks, and writes it, again and again.
//!
//! The register is a list of the writes in it, so a write that was accepted and then lost to a stale one is missing. A section,
//! once begun, is finished whatever becomes of the leadership, as code does that waits for a blocking client; what keeps a
//! stale write out is the fence alone, or nothing with `--no-fencing`.

#[path = "register.rs"]
mod register;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use azure_leader_election::{
    CancellationToken, ErrorKind, HolderId, LeaderEvent, LeaderEvents, LeaderHost, LeaderHostOptions, Leadership,
    Status, StatusWatch, TaskError, Timing, TimingOptions,
};
use clap::Parser;
use register::{Place, Register};
use tokio::sync::Mutex;

#[derive(Parser, Clone)]
struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Who this worker is
    #[arg(long)]
    holder: String,
    /// Length of the lease in seconds
    #[arg(long, default_value_t = 15.0)]
    lease: f64,
    /// Seconds between a standby's looks at the lease
    #[arg(long, default_value_t = 1.0)]
    poll: f64,
    /// Milliseconds between reading and writing
    #[arg(long, default_value_t = 1_000)]
    think: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&arguments.holder, &format!("failed: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), TaskError> {
    let defaults = TimingOptions::for_lease(Duration::from_secs_f64(arguments.lease));
    let poll_every = Duration::from_secs_f64(arguments.poll);
    let host = LeaderHost::new(arguments.place.mutex()?).with_options(LeaderHostOptions {
        holder: HolderId::new(arguments.holder.clone())?,
        timing: Timing::new(TimingOptions { poll_every, ..defaults })?,
        ..LeaderHostOptions::default()
    });
    let shutdown = CancellationToken::new();
    tokio::spawn(cancel_on_sigterm(shutdown.clone()));
    tokio::spawn(narrate(arguments.holder.clone(), host.events()));
    tokio::spawn(watch(arguments.holder.clone(), host.watch_status()));
    let arguments = arguments.clone();
    host.run_task_when_mutex_acquired(shutdown, move |leader| lead(arguments.clone(), leader)).await?;
    Ok(())
}

async fn lead(arguments: Arguments, leader: Leadership) -> Result<(), TaskError> {
    tell(&arguments.holder, &format!("task started token={}", leader.fencing_token()));
    let register = arguments.place.open(leader.fencing_token()).await?;
    let register = Arc::new(Mutex::new(register));
    for number in 0_u64.. {
        if leader.token().is_cancelled() {
            break;
        }
        leader.ensure()?;
        let (register, leader, arguments) = (register.clone(), leader.clone(), arguments.clone());
        let runtime = tokio::runtime::Handle::current();
        // Beyond the reach of cancellation and abortion.
        let section = move || {
            let mut register = register.blocking_lock();
            runtime.block_on(section(&arguments, &leader, number, &mut register))
        };
        tokio::task::spawn_blocking(section).await??;
    }
    Ok(())
}

async fn section(
    arguments: &Arguments,
    leader: &Leadership,
    number: u64,
    register: &mut Register,
) -> Result<(), TaskError> {
    let token = leader.fencing_token();
    let id = format!("{}/{token}/{number}", arguments.holder);
    let seen = register.read().await?;
    let after = seen.last().map_or("nothing", String::as_str);
    tell(&arguments.holder, &format!("thinking id={id} after={after} token={token}"));
    std::thread::sleep(Duration::from_millis(arguments.think));
    match register.write(seen, &id).await {
        Ok(()) => tell(&arguments.holder, &format!("accepted id={id} token={token}")),
        Err(error) if error.kind() == ErrorKind::Fenced => {
            tell(&arguments.holder, &format!("fenced id={id} token={token} {error}"));
            return Err(error.into());
        }
        Err(error) => {
            let outcome = if error.is_transient() { "unknown" } else { "refused" };
            tell(&arguments.holder, &format!("{outcome} id={id} token={token} {error}"));
        }
    }
    Ok(())
}

async fn narrate(holder: String, mut events: LeaderEvents) {
    while let Some(event) = events.recv().await {
        match event {
            LeaderEvent::Elected { fencing_token } => tell(&holder, &format!("elected token={fencing_token}")),
            LeaderEvent::Ended { fencing_token, reason, detail, .. } => {
                let detail = detail.unwrap_or_default();
                tell(&holder, &format!("ended token={fencing_token} reason={reason} {detail}"));
            }
            LeaderEvent::AttemptFailed { operation, error } => tell(&holder, &format!("{operation} failed: {error}")),
            _ => {}
        }
    }
}

/// Tells whom it watches as a standby.
async fn watch(holder: String, mut status: StatusWatch) {
    let mut watched = None;
    while let Some(status) = status.changed().await {
        let Status::Standby { leader: Some(leader), .. } = status else { continue };
        if watched.replace(leader.fencing_token) != Some(leader.fencing_token) {
            tell(&holder, &format!("watching token={} of {}", leader.fencing_token, leader.holder));
        }
    }
}

#[cfg(not(unix))]
async fn cancel_on_sigterm(_shutdown: CancellationToken) {}

#[cfg(unix)]
async fn cancel_on_sigterm(shutdown: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    if let Ok(mut terminate) = signal(SignalKind::terminate()) {
        terminate.recv().await;
        shutdown.cancel();
    }
}

fn tell(holder: &str, event: &str) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    println!("{} {holder} {event}", now.as_millis());
}
