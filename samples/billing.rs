//! Subscriptions are renewed, and each must be charged exactly once, by workers that are killed and paused meanwhile.
//!
//! ```sh
//! cargo run --example billing                  # each is charged once
//! cargo run --example billing -- --no-fencing  # for contrast: some are charged twice
//! ```
//!
//! The program starts a payment endpoint and three worker processes, which elect a leader on a file; the leader charges what
//! is due. Then it strikes at the worst moments: it pauses a leader for longer than its lease, or kills it, after it has
//! decided to charge and before the charge has arrived; or kills it when the charge is booked, and the answer not yet out.
//!
//! # Why each is charged once
//!
//! The lease keeps two leaders apart, except for the one that is paused between its last look at the lease and the arrival
//! of its charge. The fencing token alone does not mend that: it says "no older leader after a newer one", not "once". What
//! does is where the ledger is, and the order of three steps:
//!
//! 1. The endpoint keeps the ledger and the fence, as one: it looks at the token and books the charge in one step.
//! 2. A new leader raises the fence before it reads what is due. Whatever an older one sent has been booked by then, and is
//!    read; or it comes later, and is refused.
//! 3. In one term nothing is sent twice. An answer that stays out may belong to a charge that is still on its way, so it is
//!    not sent again: it ends the term, and the next term's higher token settles it by step 2.
//!
//! So two charges of one subscription would have to be of two terms (by 3), and the later term would have to have read that it
//! was due after the earlier one's charge was booked (by 2). A leader killed after the booking loses nothing, as it notes
//! nothing itself. And none is missed, as long as anybody leads: what is not booked is due.
//!
//! Therefore the endpoint needs no idempotency key. If it could not keep a fence, it would: a payment provider is usually
//! somebody else's, and knows no fencing tokens. Then write the wish to charge as a row of an outbox in a database of your own,
//! guarded by the fence (`… WHERE fence <= $1`), with subscription and billing period as its key. Send each row to the provider
//! with that key as the provider's idempotency key, as often as it takes until the row is marked as done, and not for longer
//! than the provider remembers its keys.

#[cfg(unix)]
#[path = "billing/crew.rs"]
mod crew;
#[cfg(unix)]
#[path = "billing/director.rs"]
mod director;
#[cfg(unix)]
#[path = "billing/endpoint.rs"]
mod endpoint;
#[cfg(unix)]
#[path = "billing/saying.rs"]
mod saying;
#[cfg(unix)]
#[path = "billing/worker.rs"]
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

use azure_leader_election::TaskError;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Charges each subscription once, though the leaders are killed and paused")]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    /// How many subscriptions are due; more than kills and pauses together
    #[arg(long, default_value_t = 60)]
    subscriptions: usize,
    /// How many leaders to kill
    #[arg(long, default_value_t = 5)]
    kills: usize,
    /// How many leaders to pause for longer than their lease
    #[arg(long, default_value_t = 5)]
    pauses: usize,
    /// Have the endpoint ignore the fencing token, as many do
    #[arg(long)]
    no_fencing: bool,
}

#[derive(Subcommand)]
enum Role {
    /// One of the worker processes; the program starts them itself
    #[command(hide = true)]
    Worker { name: String, directory: PathBuf, endpoint: String },
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether the run kept what its mode promises.
#[cfg(unix)]
async fn run(arguments: Arguments) -> Result<bool, TaskError> {
    let Arguments { role, subscriptions, kills, pauses, no_fencing } = arguments;
    if let Some(Role::Worker { name, directory, endpoint }) = role {
        worker::work(&name, &directory, endpoint).await?;
        return Ok(true);
    }
    if subscriptions <= kills.saturating_add(pauses) {
        return Err("there must be more subscriptions than kills and pauses together".into());
    }
    director::run(director::Plan { subscriptions, kills, pauses, fencing: !no_fencing }).await
}

#[cfg(not(unix))]
async fn run(_arguments: Arguments) -> Result<bool, TaskError> {
    println!("This sample pauses and kills processes by signals, so it runs on Linux and macOS only.");
    Ok(true)
}
