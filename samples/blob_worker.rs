//! One worker of several, elected on a blob lease: the `MyLeaderCoordinatorTask` of Microsoft's pattern article.
//!
//! Start it twice, stop one with Ctrl-C (the other takes over within a poll, 1 s) or kill it (the other takes over when the lease
//! has run out):
//!
//! ```sh
//! cargo run --example blob_worker -- http://127.0.0.1:10000/devstoreaccount1/leases   # Azurite
//! cargo run --example blob_worker -- https://<account>.blob.core.windows.net/leases   # as you, by `az login`
//! ```

mod common;

use std::process::ExitCode;
use std::time::Duration;

use azure_leader_election::{
    HolderId, LeaderHost, LeaderHostOptions, Store, StoreOptions, TaskError, Timing, TimingOptions,
};
use clap::Parser;
use common::Credential;

#[derive(Parser)]
#[command(about = "One worker of several, elected on an Azure blob lease")]
struct Arguments {
    /// URL of the container that holds the lease blob; one with `?sig=` is used as it is
    container_url: String,
    /// Name of the lease blob: the workers that share it elect one leader
    #[arg(default_value = "MyLeaderCoordinatorTask")]
    blob: String,
    /// Who this worker is [default: the machine's name, the process id and a random part]
    #[arg(long)]
    holder: Option<String>,
    /// Length of the lease in seconds, 15 to 60
    #[arg(long, default_value_t = 15)]
    lease: u64,
    /// Seconds between renewals [default: a third of the lease]
    #[arg(long)]
    renew: Option<u64>,
    /// Do not create the container, only the blob in it
    #[arg(long)]
    no_create: bool,
    /// How to sign in to Azure
    #[arg(long, value_enum, default_value_t = Credential::DeveloperTools)]
    credential: Credential,
}

#[tokio::main]
async fn main() -> ExitCode {
    common::log();
    common::end(run(Arguments::parse()).await)
}

async fn run(arguments: Arguments) -> Result<(), TaskError> {
    let mutex = open(&arguments)?;
    let defaults = TimingOptions::for_lease(Duration::from_secs(arguments.lease));
    let renew_every = arguments.renew.map_or(defaults.renew_every, Duration::from_secs);
    let host = LeaderHost::new(mutex).with_options(LeaderHostOptions {
        holder: arguments.holder.map_or_else(|| Ok(HolderId::generate()), HolderId::new)?,
        timing: Timing::new(TimingOptions { renew_every, ..defaults })?,
        ..LeaderHostOptions::default()
    });
    common::work(host, common::my_leader_coordinator_task).await
}

fn open(arguments: &Arguments) -> azure_leader_election::Result<Store> {
    // Asked for a token by a store that needs one, and by no other.
    let credential = Some(common::sign_in(arguments.credential)?);
    let options = StoreOptions { credential, create: !arguments.no_create, ..StoreOptions::default() };
    Store::from_url(&arguments.container_url, &arguments.blob, options)
}
