//! The broker as a process of its own: `cargo run -p testbroker -- --port 5672`.

use std::time::Duration;

use clap::Parser;
use testbroker::{Broker, Queue, Settings, control};

/// A broker on loopback that speaks as Azure Service Bus does, as far as sessions of queues go.
#[derive(Parser)]
struct Arguments {
    /// Where clients connect; 0 for a free port, which is printed.
    #[arg(long, default_value_t = 5672)]
    port: u16,
    /// Where orders are taken; without it none are.
    #[arg(long)]
    control: Option<u16>,
    /// The queues' lockDuration, in milliseconds.
    #[arg(long, default_value_t = 5_000)]
    lock_ms: u64,
    /// A queue with sessions, besides `elections` and `push`; may be repeated.
    #[arg(long)]
    queue: Vec<String>,
}

fn main() {
    let arguments = Arguments::parse();
    let mut settings = Settings { lock: Duration::from_millis(arguments.lock_ms), ..Settings::default() };
    settings.queues.extend(arguments.queue.into_iter().map(|name| Queue { name, needs_sessions: true }));
    let broker = Broker::start_at(arguments.port, settings);
    println!("listening on {}", broker.address());
    println!("{}", broker.connection_string());
    match arguments.control {
        Some(port) => control::serve(port, broker.world()),
        None => loop {
            std::thread::park();
        },
    }
}
