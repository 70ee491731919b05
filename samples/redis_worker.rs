//! One worker of several, elected on a record in Redis, which counts its terms in a key that refuses older leaders.
//!
//! ```sh
//! redis-server --port 6379 &
//! cargo run --example redis_worker --features redis -- redis://127.0.0.1:6379
//! cargo run --example redis_worker --features redis -- rediss://<name>.<region>.redis.azure.net --credential developer-tools
//! ```
//!
//! The environment variable `REDIS_PASSWORD` brings a password or an access key. A server that has just started grants nothing for the lease and a second: it may have lost the record of a leader.

mod common;

use std::process::ExitCode;
use std::time::Duration;

use azure_leader_election::redis::{FencedKeys, KeyCommand, RedisDistributedMutex, RedisServer};
use azure_leader_election::{LeaderHost, LeaderHostOptions, Leadership, TaskError, Timing};
use clap::Parser;
use common::Credential;

#[derive(Parser)]
#[command(about = "One worker of several, elected on a record in Redis")]
struct Arguments {
    /// URL of the server: redis://HOST:PORT on this machine, rediss://HOST:PORT elsewhere
    server: String,
    /// Name of the election: the workers that share it elect one leader
    #[arg(default_value = "MyLeaderCoordinatorTask")]
    election: String,
    /// Length of the lease in seconds, from 1 up
    #[arg(long, default_value_t = 15)]
    lease: u64,
    /// How to sign in to Redis in Azure, unless REDIS_PASSWORD is set
    #[arg(long, value_enum)]
    credential: Option<Credential>,
}

#[tokio::main]
async fn main() -> ExitCode {
    common::log();
    common::end(run(Arguments::parse()).await)
}

async fn run(arguments: Arguments) -> Result<(), TaskError> {
    let server = sign_in(RedisServer::new(&arguments.server)?, arguments.credential)?;
    let mutex = RedisDistributedMutex::new(server.clone(), &arguments.election)?;
    let host = LeaderHost::new(mutex).with_options(LeaderHostOptions {
        timing: Timing::for_lease(Duration::from_secs(arguments.lease))?,
        ..LeaderHostOptions::default()
    });
    common::work(host, move |leader| work(leader, server.clone())).await
}

fn sign_in(server: RedisServer, credential: Option<Credential>) -> azure_leader_election::Result<RedisServer> {
    let password = std::env::var("REDIS_PASSWORD").ok().filter(|password| !password.is_empty());
    Ok(match (password, credential) {
        (Some(password), _) => server.with_password(password),
        (None, Some(credential)) => server.with_secret(common::sign_in(credential)?.for_redis()),
        (None, None) => server,
    })
}

async fn work(leader: Leadership, server: RedisServer) -> Result<(), TaskError> {
    // A leader that has been replaced cannot count.
    let terms = FencedKeys::new(server, "work", leader.fencing_token())?;
    terms.execute(vec![KeyCommand::new("INCR").key("{work}:terms")]).await?;
    common::my_leader_coordinator_task(leader).await
}
