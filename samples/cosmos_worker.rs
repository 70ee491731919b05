//! One worker of several, elected on a document in Cosmos DB.
//!
//! ```sh
//! cargo run --example cosmos_worker -- https://<account>.documents.azure.com/ workers leaders   # as you, by `az login`
//! ```
//!
//! With an account key, which the environment variable `COSMOS_KEY` brings, it creates the database and the container;
//! so it does on an emulator.

mod common;

use std::process::ExitCode;
use std::time::Duration;

use azure_leader_election::{
    HolderId, LeaderHost, LeaderHostOptions, Store, StoreOptions, TaskError, Timing, TimingOptions,
};
use clap::Parser;
use common::Credential;

#[derive(Parser)]
#[command(about = "One worker of several, elected on a document in Azure Cosmos DB")]
struct Arguments {
    /// Endpoint of the account
    endpoint: String,
    /// Database
    database: String,
    /// Container, with partition key /id
    container: String,
    /// Name of the election: the id of its document
    #[arg(default_value = "MyLeaderCoordinatorTask")]
    election: String,
    /// Who this worker is [default: the machine's name, the process id and a random part]
    #[arg(long)]
    holder: Option<String>,
    /// Length of the lease in seconds, from 1 up
    #[arg(long, default_value_t = 15.0)]
    lease: f64,
    /// Seconds between a standby's looks [default: a fifteenth of the lease]
    #[arg(long)]
    poll: Option<f64>,
    /// How to sign in to Azure, unless COSMOS_KEY is set
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
    let defaults = TimingOptions::for_lease(Duration::try_from_secs_f64(arguments.lease)?);
    let poll_every = arguments.poll.map_or(Ok(defaults.poll_every), Duration::try_from_secs_f64)?;
    let host = LeaderHost::new(mutex).with_options(LeaderHostOptions {
        holder: arguments.holder.map_or_else(|| Ok(HolderId::generate()), HolderId::new)?,
        timing: Timing::new(TimingOptions { poll_every, ..defaults })?,
        ..LeaderHostOptions::default()
    });
    common::work(host, common::my_leader_coordinator_task).await
}

fn open(arguments: &Arguments) -> azure_leader_election::Result<Store> {
    let Arguments { endpoint, database, container, election, .. } = arguments;
    let url = format!("cosmos+{}/{database}/{container}", endpoint.trim_end_matches('/'));
    let key = std::env::var("COSMOS_KEY").ok().filter(|key| !key.is_empty());
    // Asked for a token where there is no key.
    let credential = Some(common::sign_in(arguments.credential)?);
    let options = StoreOptions { credential, cosmos_key: key.map(Into::into), create: true, ..StoreOptions::default() };
    Store::from_url(&url, election, options)
}
