//! One worker of several, elected on a blob lease: the `MyLeaderCoordinatorTask` of Microsoft's pattern article.
//!
//! Start it twice, stop one with Ctrl-C (the other takes over at once) or kill it (the other takes over when the lease
//! has run out):
//!
//! ```sh
//! cargo run --example blob_worker -- http://127.0.0.1:10000/devstoreaccount1/leases   # Azurite
//! cargo run --example blob_worker -- https://<account>.blob.core.windows.net/leases   # as you, by `az login`
//! ```

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use azure_core::credentials::TokenCredential;
use azure_identity::{DeveloperToolsCredential, ManagedIdentityCredential, WorkloadIdentityCredential};
use azure_leader_election::{
    BlobDistributedMutex, CancellationToken, Create, HolderId, LeaderEvent, LeaderHost, LeaderHostOptions, Leadership,
    Status, TaskError, Timing, TimingOptions,
};
use clap::{Parser, ValueEnum};

#[derive(Parser)]
#[command(about = "One worker of several, elected on an Azure blob lease")]
struct Arguments {
    /// URL of the container that holds the lease blob; one with `?sig=` is used as it is
    container_url: String,
    /// Name of the lease blob: the workers that share it elect one leader
    #[arg(default_value = "MyLeaderCoordinatorTask")]
    blob: String,
    /// Who this worker is [default: the process id and a random part]
    #[arg(long)]
    holder: Option<String>,
    /// Length of the lease in seconds, 15 to 60
    #[arg(long, default_value_t = 15)]
    lease: u64,
    /// Seconds between renewals [default: a third of the lease]
    #[arg(long)]
    renew: Option<u64>,
    /// Do not create the container or the blob
    #[arg(long)]
    no_create: bool,
    /// How to sign in to Azure
    #[arg(long, value_enum, default_value_t = Credential::DeveloperTools)]
    credential: Credential,
}

#[derive(Clone, Copy, ValueEnum)]
enum Credential {
    DeveloperTools,
    ManagedIdentity,
    WorkloadIdentity,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let causes = std::iter::successors(error.source(), |cause| cause.source());
            causes.for_each(|cause| eprintln!("  because: {cause}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), TaskError> {
    let mutex = open(&arguments)?;
    let lease = Duration::from_secs(arguments.lease);
    let defaults = TimingOptions::for_lease(lease);
    let renew_every = arguments.renew.map_or(defaults.renew_every, Duration::from_secs);
    let host = LeaderHost::new(mutex).with_options(LeaderHostOptions {
        holder: arguments.holder.map_or_else(|| Ok(HolderId::generate()), HolderId::new)?,
        timing: Timing::new(TimingOptions { renew_every, ..defaults })?,
        ..LeaderHostOptions::default()
    });

    let shutdown = CancellationToken::new();
    tokio::spawn(cancel_on_signal(shutdown.clone()));
    tokio::spawn(narrate(host.holder().clone(), host.events()));
    tokio::spawn(narrate_standby(host.holder().clone(), host.status()));
    host.run_task_when_mutex_acquired(shutdown, my_leader_coordinator_task).await?;
    Ok(())
}

/// The work that only one of all workers may do at a time.
async fn my_leader_coordinator_task(leader: Leadership) -> Result<(), TaskError> {
    let token = leader.fencing_token();
    tell(leader.holder(), &format!("task started token={token}"));
    let mut step = tokio::time::interval(Duration::from_secs(1));
    while leader.token().run_until_cancelled(step.tick()).await.is_some() {
        leader.heartbeat();
        // The last look before each write: a process that was paused does not get past it.
        leader.ensure().inspect_err(|refusal| tell(leader.holder(), &format!("refused: {refusal}")))?;
        tell(leader.holder(), &format!("coordinating token={token}"));
    }
    let verdict = leader.ensure().map_or_else(|refusal| refusal.to_string(), |()| "still the leader".to_owned());
    tell(leader.holder(), &format!("task cancelled token={token} ensure: {verdict}"));
    Ok(())
}

fn open(arguments: &Arguments) -> azure_leader_election::Result<BlobDistributedMutex> {
    let (url, blob) = (arguments.container_url.as_str(), arguments.blob.as_str());
    let mutex = if ["http://127.0.0.1:", "http://localhost:"].iter().any(|emulator| url.starts_with(emulator)) {
        BlobDistributedMutex::for_emulator(url, blob)?
    } else if url.contains("sig=") {
        BlobDistributedMutex::from_sas_url(url, blob)?
    } else {
        BlobDistributedMutex::new(url, blob, sign_in(arguments.credential)?)?
    };
    let create = if arguments.no_create { Create::Nothing } else { Create::ContainerAndBlob };
    mutex.with_options(azure_leader_election::BlobMutexOptions { create, ..Default::default() })
}

fn sign_in(credential: Credential) -> azure_leader_election::Result<Arc<dyn TokenCredential>> {
    let opened: azure_core::Result<Arc<dyn TokenCredential>> = match credential {
        Credential::DeveloperTools => DeveloperToolsCredential::new(None).map(|credential| credential as _),
        Credential::ManagedIdentity => ManagedIdentityCredential::new(None).map(|credential| credential as _),
        Credential::WorkloadIdentity => WorkloadIdentityCredential::new(None).map(|credential| credential as _),
    };
    opened.map_err(|error| {
        let message = format!("signing in to Azure failed: {error}");
        azure_leader_election::Error::new(azure_leader_election::ErrorKind::Credential, message)
    })
}

async fn narrate(holder: HolderId, mut events: tokio::sync::broadcast::Receiver<LeaderEvent>) {
    while let Ok(event) = events.recv().await {
        match event {
            LeaderEvent::Elected { fencing_token } => tell(&holder, &format!("elected token={fencing_token}")),
            LeaderEvent::Ended { fencing_token, reason, detail } => {
                let detail = detail.map(|detail| format!(" ({detail})")).unwrap_or_default();
                tell(&holder, &format!("ended token={fencing_token} reason={reason}{detail}"));
            }
            LeaderEvent::AttemptFailed { operation, error } => tell(&holder, &format!("{operation} failed: {error}")),
            _ => {}
        }
    }
}

async fn narrate_standby(holder: HolderId, mut status: tokio::sync::watch::Receiver<Status>) {
    while status.changed().await.is_ok() {
        if let Status::Standby { leader: Some(leader) } = &*status.borrow_and_update() {
            tell(&holder, &format!("standby, {} leads with token={}", leader.holder, leader.fencing_token));
        }
    }
}

/// The first signal hands over; a second one ends the process at once.
async fn cancel_on_signal(shutdown: CancellationToken) {
    signal().await;
    shutdown.cancel();
    signal().await;
    std::process::exit(130);
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn signal() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A line per event, with the time in milliseconds since 1970, so that the output of several workers can be merged.
fn tell(holder: &HolderId, event: &str) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    println!("{} {holder} {event}", now.as_millis());
}
