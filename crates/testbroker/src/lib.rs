//! A broker that speaks as Azure Service Bus does, as far as the sessions of queues go, and is stricter than it where that is not known.
//!
//! - [`settings`]: its queues, its keys, its lock;
//! - [`world`]: who has which session, and what stands there: no I/O;
//! - [`faults`]: what it does wrong, when it is told to;
//! - `serve`: connections and AMQP sessions; `entrance`: what becomes of an attach; `holders`: a link that has a session;
//! - `nodes`: `$cbs` and `$management`; `token`: what is shown there;
//! - [`control`]: the same from another process.
//!
//! Microsoft's own clients are its witnesses: `tests/azure/service_bus/witnesses.rs` of the root crate.

// A test that cannot have its server ends there: a panic is how it says so.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, missing_docs)]

pub mod control;
mod entrance;
pub mod faults;
mod holders;
mod nodes;
mod serve;
pub mod settings;
mod token;
mod values;
pub mod world;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub use faults::Fault;
pub use settings::{Queue, Settings};
pub use world::World;

/// A broker on loopback, on a thread of its own. Ends when dropped.
pub struct Broker {
    address: SocketAddr,
    world: Arc<World>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Broker {
    /// On a free port.
    pub fn start(settings: Settings) -> Self {
        Self::start_at(0, settings)
    }

    /// On this port, or on a free one for 0.
    pub fn start_at(port: u16, settings: Settings) -> Self {
        let world = Arc::new(World::new(settings));
        let (tell, told) = mpsc::channel();
        let (end, ended) = oneshot::channel();
        let serving = Arc::clone(&world);
        let thread = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.expect("a free port");
                tell.send(listener.local_addr().expect("bound")).expect("somebody waits");
                tokio::select! {
                    () = serve::accept(listener, serving) => {}
                    _ = ended => {}
                }
            });
            runtime.shutdown_background();
        });
        Self { address: told.recv().expect("started"), world, end: Some(end), thread: Some(thread) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it holds, and how to change it behind the clients' backs.
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// The URL of a queue, as the store takes it.
    pub fn url(&self, queue: &str) -> String {
        format!("sb://{}/{queue}", self.address)
    }

    /// A connection string for all of it.
    pub fn connection_string(&self) -> String {
        connection_string(self.address)
    }
}

/// A connection string for a broker at this address, or on the way to one, with the key that may do everything.
pub fn connection_string(address: SocketAddr) -> String {
    let (name, key) = settings::ROOT;
    format!("Endpoint=sb://{address};SharedAccessKeyName={name};SharedAccessKey={key};UseDevelopmentEmulator=true;")
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
