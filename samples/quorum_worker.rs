//! One worker of several, elected at a majority of stores: three storage accounts in three regions, for one.
//!
//! Whoever holds two of three leads, so any one of them may fail. Try it with three Azurites (ports 10000, 10010, 10020), two workers
//! in two terminals, and stop one Azurite after the other: with two left nothing happens, with one left nobody leads.
//!
//! ```sh
//! npx azurite-blob --inMemoryPersistence --silent --skipApiVersionCheck --blobPort 10010    # likewise 10000 and 10020
//! cargo run --example quorum_worker -- http://127.0.0.1:10000/devstoreaccount1/leases \
//!   blob+http://127.0.0.1:10010/devstoreaccount1/leases blob+http://127.0.0.1:10020/devstoreaccount1/leases
//! ```
//!
//! With `https://` addresses of Azure it signs in as you, by `az login`.

mod common;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use azure_leader_election::{
    DistributedMutex, HolderId, LeaderHost, LeaderHostOptions, QuorumMutex, Store, StoreOptions, TaskError, Timing,
};
use clap::Parser;
use common::Credential;

#[derive(Parser)]
#[command(about = "One worker of several, elected at a majority of stores")]
struct Arguments {
    /// URLs of the stores, three or another odd number of them; they must not fail together
    #[arg(required = true)]
    stores: Vec<String>,
    /// Name of the election, at each of the stores
    #[arg(long, default_value = "MyLeaderCoordinatorTask")]
    election: String,
    /// Who this worker is [default: the machine's name, the process id and a random part]
    #[arg(long)]
    holder: Option<String>,
    /// Length of the lease in seconds: one that each of the stores takes, such as 15 to 60 for blobs
    #[arg(long, default_value_t = 15)]
    lease: u64,
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
    let host = LeaderHost::new(open(&arguments)?).with_options(LeaderHostOptions {
        holder: arguments.holder.map_or_else(|| Ok(HolderId::generate()), HolderId::new)?,
        timing: Timing::for_lease(Duration::from_secs(arguments.lease))?,
        ..LeaderHostOptions::default()
    });
    common::work(host, common::my_leader_coordinator_task).await
}

fn open(arguments: &Arguments) -> azure_leader_election::Result<QuorumMutex> {
    // One for all: it signs in once for each service.
    let credential = Some(common::sign_in(arguments.credential)?);
    let options = StoreOptions { credential, create: true, ..StoreOptions::default() };
    let member = |url: &String| {
        let store = Store::from_url(url, &arguments.election, options.clone())?;
        Ok((store.to_string(), Arc::new(store) as Arc<dyn DistributedMutex>))
    };
    let members: Vec<_> = arguments.stores.iter().map(member).collect::<azure_leader_election::Result<_>>()?;
    QuorumMutex::with_names(members)
}
