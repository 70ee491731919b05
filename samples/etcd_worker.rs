//! One worker of several, elected on etcd.
//!
//! Start it twice, stop one with Ctrl-C (the other takes over at once, as etcd tells of it) or kill it (the other takes over when the record has
//! stood still for a lease):
//!
//! ```sh
//! cargo run --features etcd --example etcd_worker -- etcd://127.0.0.1:2379
//! ETCD_USER=worker ETCD_PASSWORD=... cargo run --features etcd --example etcd_worker -- 'etcd://etcd-0:2379;etcd-1:2379;etcd-2:2379'
//! ```

#[allow(dead_code, reason = "the other samples sign in to Azure by it")]
mod common;

use std::process::ExitCode;
use std::time::Duration;

use azure_leader_election::etcd::EtcdOptions;
use azure_leader_election::{HolderId, LeaderHost, LeaderHostOptions, Store, StoreOptions, TaskError, Timing};
use clap::Parser;

#[derive(Parser)]
#[command(about = "One worker of several, elected on etcd")]
struct Arguments {
    /// URL of the cluster, with all its members; the environment variables ETCD_USER and ETCD_PASSWORD sign in
    cluster: String,
    /// Name of the election: the workers that share it elect one leader
    #[arg(default_value = "MyLeaderCoordinatorTask")]
    election: String,
    /// Who this worker is [default: the machine's name, the process id and a random part]
    #[arg(long)]
    holder: Option<String>,
    /// Length of the lease in seconds, from 1 up
    #[arg(long, default_value_t = 15.0)]
    lease: f64,
}

#[tokio::main]
async fn main() -> ExitCode {
    common::log();
    common::end(run(Arguments::parse()).await)
}

async fn run(arguments: Arguments) -> Result<(), TaskError> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let etcd =
        EtcdOptions { user: variable("ETCD_USER"), password: variable("ETCD_PASSWORD"), ..EtcdOptions::default() };
    let options = StoreOptions { etcd, ..StoreOptions::default() };
    let store = Store::from_url(&arguments.cluster, &arguments.election, options)?;
    let host = LeaderHost::new(store).with_options(LeaderHostOptions {
        holder: arguments.holder.map_or_else(|| Ok(HolderId::generate()), HolderId::new)?,
        timing: Timing::for_lease(Duration::try_from_secs_f64(arguments.lease)?)?,
        ..LeaderHostOptions::default()
    });
    common::work(host, common::my_leader_coordinator_task).await
}
