//! Azurite, Microsoft's emulator of Azure Storage, as a process of its own for tests.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::faketime::Clocks;
use super::node::{self, NodeServer, Served};
use testservers::Authority;

static SERVER: NodeServer = NodeServer::new(
    "azurite",
    include_str!("azurite/package.json"),
    include_str!("azurite/package-lock.json"),
    include_str!("azurite/serve.mjs"),
);

/// The one account that Azurite has.
pub const ACCOUNT: &str = "devstoreaccount1";

/// A running blob service, empty at first, that ends when this value is dropped or the test process ends.
#[derive(Debug)]
pub struct Azurite {
    served: Served,
    /// Of https: the authority to trust, and the same in a file.
    authority: Option<(String, PathBuf)>,
    // Dropped last: the server works in it.
    _work_folder: TempDir,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct AzuriteOptions {
    /// Serve https, with a certificate of its own, and accept bearer tokens too; Azurite takes none over http.
    pub https: bool,
    /// Its leases run out as fast as these clocks run.
    pub clocks: Option<Clocks>,
}

impl Azurite {
    /// A server of the caller's own.
    ///
    /// Panics when there is none within 60 s; the first call of all installs Azurite and takes a minute more.
    pub async fn start(options: AzuriteOptions) -> Self {
        // On a thread where blocking is allowed; paused test time waits for it too.
        let started = tokio::task::spawn_blocking(move || Self::try_start(options));
        match started.await.expect("starting Azurite panicked") {
            Ok(azurite) => azurite,
            Err(reason) => panic!("{reason}"),
        }
    }

    /// The http server that all tests of this process share: use container names of your own, and never pause it.
    pub async fn http() -> &'static Self {
        static SHARED: OnceCell<Azurite> = OnceCell::const_new();
        SHARED.get_or_init(|| Self::start(AzuriteOptions::default())).await
    }

    /// The https server that all tests of this process share: use container names of your own, and never pause it.
    pub async fn https() -> &'static Self {
        static SHARED: OnceCell<Azurite> = OnceCell::const_new();
        SHARED.get_or_init(|| Self::start(AzuriteOptions { https: true, clocks: None })).await
    }

    pub fn container_url(&self, container: &str) -> String {
        let scheme = if self.authority.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}/{ACCOUNT}/{container}", self.port())
    }

    pub fn port(&self) -> u16 {
        self.served.port
    }

    /// The id of the process that answers requests.
    pub fn pid(&self) -> u32 {
        self.served.pid
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

    /// The certificate authority to trust; panics for a server without https.
    pub fn ca_pem(&self) -> &str {
        &self.authority().0
    }

    /// The same in a file, for a process that takes `SSL_CERT_FILE`; panics for a server without https.
    pub fn ca_path(&self) -> &Path {
        &self.authority().1
    }

    fn try_start(options: AzuriteOptions) -> Result<Self, String> {
        let work_folder = node::temporary_folder("azurite-work-")?;

        let mut arguments = vec!["--disableTelemetry", "--silent", "--inMemoryPersistence"];
        // Azurite takes a free port and says which: nobody can take it in between.
        arguments.extend(["--blobPort", "0"]);
        let mut authority = None;
        if options.https {
            let made = Authority::new();
            made.certificate("Azurite").write_to(work_folder.path(), "leaf");
            authority = Some((made.pem(), made.write_to(work_folder.path())));
            arguments.extend(["--oauth", "basic", "--cert", "leaf.pem", "--key", "leaf.key.pem"]);
        }

        let environment = options.clocks.map(Clocks::environment);
        let environment = environment.as_ref().map_or(&[][..], |environment| environment);
        let served = SERVER.launch(work_folder.path(), &arguments, environment)?;
        Ok(Self { served, authority, _work_folder: work_folder })
    }

    fn authority(&self) -> &(String, PathBuf) {
        self.authority.as_ref().expect("this Azurite serves plain http and has no certificate")
    }
}
