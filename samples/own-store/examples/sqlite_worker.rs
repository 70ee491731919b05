//! Contends until Ctrl-C, and says each second that it leads:
//! `cargo run -p own-store --example sqlite_worker -- /tmp/app.db`. Start it twice.

use std::time::Duration;

use leader_election::{LeaderHost, Leadership, TaskError, shutdown_signal};

#[tokio::main]
async fn main() -> Result<(), TaskError> {
    let database = std::env::args_os().nth(1).ok_or("usage: sqlite_worker DATABASE")?;
    let host = LeaderHost::new(own_store::elect(database, "nightly-billing")?);
    host.run(shutdown_signal()?, lead).await?;
    Ok(())
}

async fn lead(leader: Leadership) -> Result<(), TaskError> {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    while leader.token().run_until_cancelled(tick.tick()).await.is_some() {
        leader.ensure()?;
        println!("{} leads with fencing token {}", leader.holder().as_str(), leader.fencing_token());
    }
    Ok(())
}
