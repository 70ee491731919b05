//! `@vercel/cosmosdb-server` as a process of its own: a Cosmos DB that shares no code with Microsoft's.
//!
//! It checks no signature, has one region, and understands neither HTTP/2 nor binary JSON. What it does well is compare
//! and swap, so it is a second opinion on every answer that the store relies on.

use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::node::{self, NodeServer, Served};

static SERVER: NodeServer = NodeServer::new(
    "cosmosdb-server",
    include_str!("vercel/package.json"),
    include_str!("vercel/package-lock.json"),
    include_str!("vercel/serve.mjs"),
);

/// A running account without databases, that ends when this value is dropped or the test process ends.
#[derive(Debug)]
pub struct VercelServer {
    served: Served,
    // Dropped last: the server works in it.
    _work_folder: TempDir,
}

impl VercelServer {
    /// A server of the caller's own.
    ///
    /// Panics when there is none within 60 s; the first call of all installs it and takes longer.
    pub async fn start() -> Self {
        super::assert_that_clients_stay_here();
        // On a thread where blocking is allowed; paused test time waits for it too.
        let started = tokio::task::spawn_blocking(Self::try_start);
        match started.await.expect("starting the server panicked") {
            Ok(server) => server,
            Err(reason) => panic!("{reason}"),
        }
    }

    /// The server that all tests of this process share: use database names of your own, and never pause it.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<VercelServer> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// The account's endpoint, plain http.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/", self.served.port)
    }

    /// Stops the server as a machine that hangs: connections stay open, and nothing answers.
    #[cfg(unix)]
    pub fn pause(&self) {
        self.served.pause();
    }

    #[cfg(unix)]
    pub fn resume(&self) {
        self.served.resume();
    }

    fn try_start() -> Result<Self, String> {
        let work_folder = node::temporary_folder("cosmosdb-server-work-")?;
        Ok(Self { served: SERVER.launch(work_folder.path(), &[], &[])?, _work_folder: work_folder })
    }
}
