//! A leader that charges subscriptions in PostgreSQL, which refuses the writes of a leader that has been replaced.
//! `ledger/mod.rs` has the two ways to do that.
//!
//! Start it twice, and stop, kill or pause (`kill -STOP`) the one that leads:
//!
//! ```sh
//! cargo run --example postgres_ledger -- http://127.0.0.1:10000/devstoreaccount1/leases \
//!     "host=localhost user=postgres password=postgres"
//! ```

// The task of the other samples, which this one does not run, is in it too.
#[allow(dead_code)]
mod common;
mod ledger;

use std::process::ExitCode;
use std::time::Duration;

use azure_leader_election::{
    BlobDistributedMutex, BlobMutexOptions, Create, HolderId, LeaderHost, LeaderHostOptions, Leadership, TaskError,
};
use clap::Parser;
use common::Credential;
use tokio_postgres::{Config, NoTls};

#[derive(Parser)]
#[command(about = "Charges subscriptions in PostgreSQL, fenced by the database")]
struct Arguments {
    /// URL of the container that holds the lease blob, of Azurite or of an account (as you, by `az login`)
    container_url: String,
    /// Connection string of the database
    database: Config,
    /// Who this worker is [default: the machine's name, the process id and a random part]
    #[arg(long)]
    holder: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    common::log();
    common::end(run(Arguments::parse()).await)
}

async fn run(arguments: Arguments) -> Result<(), TaskError> {
    let url = arguments.container_url.as_str();
    let mutex = if url.starts_with("http://") {
        BlobDistributedMutex::for_emulator(url, "billing")?
    } else {
        BlobDistributedMutex::new(url, "billing", common::sign_in(Credential::DeveloperTools)?)?
    };
    let create = Create::ContainerAndBlob;
    let host = LeaderHost::new(mutex.with_options(BlobMutexOptions { create, ..Default::default() })?).with_options(
        LeaderHostOptions {
            holder: arguments.holder.map_or_else(|| Ok(HolderId::generate()), HolderId::new)?,
            ..LeaderHostOptions::default()
        },
    );
    common::work(host, move |leader| bill(leader, arguments.database.clone())).await
}

/// A month a second.
async fn bill(leader: Leadership, database: Config) -> Result<(), TaskError> {
    // A database elsewhere wants TLS: the crate `tokio-postgres-rustls` has it.
    let (mut client, connection) = database.connect(NoTls).await?;
    // Ends with the client; what goes wrong there, the client's next call reports.
    tokio::spawn(connection);
    client.batch_execute(ledger::TABLES).await?;
    client.batch_execute(EXAMPLE).await?;

    let token = leader.fencing_token();
    let mut step = tokio::time::interval(Duration::from_secs(1));
    while leader.token().run_until_cancelled(step.tick()).await.is_some() {
        // Spares the database a write that it would refuse; it is the database that makes sure.
        leader.ensure()?;
        let month = ledger::open_next_month(&client, "billing", token).await?;
        let cents = ledger::charge_until(&mut client, month, token).await?;
        common::tell(leader.holder(), &format!("charged {cents} cents until month {month} token={token}"));
    }
    Ok(())
}

const EXAMPLE: &str = "
    INSERT INTO runs (name) VALUES ('billing') ON CONFLICT DO NOTHING;
    INSERT INTO subscriptions (id, cents) VALUES (1, 1999), (2, 499), (3, 12900) ON CONFLICT DO NOTHING;";
