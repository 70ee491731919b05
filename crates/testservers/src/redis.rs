//! `redis-server` of Debian's package, with a folder of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::authority::Authority;
use crate::process::{Process, free_port};

/// A server on a free port of loopback, without persistence unless its settings say so.
#[derive(Debug)]
pub struct Redis {
    /// `None` while it is down.
    process: Option<Process>,
    port: u16,
    tls: bool,
    folder: TempDir,
    settings: Vec<String>,
}

impl Redis {
    /// With these settings over the defaults, as on its command line: `["--maxmemory", "4mb"]`.
    pub fn start(settings: &[&str]) -> Self {
        Self::begin(free_port(), false, TempDir::new().expect("a folder"), settings)
    }

    /// By TLS alone, with a certificate of this authority for loopback.
    pub fn start_tls(authority: &Authority, settings: &[&str]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let ca = authority.write_to(folder.path());
        let (certificate, key) = authority.certificate("redis").write_to(folder.path(), "redis");
        let path = |path: &PathBuf| path.display().to_string();
        let (ca, certificate, key) = (path(&ca), path(&certificate), path(&key));
        let port = free_port();
        let tls_port = port.to_string();
        let tls = [
            ["--tls-port", &tls_port],
            ["--tls-ca-cert-file", &ca],
            ["--tls-cert-file", &certificate],
            ["--tls-key-file", &key],
            ["--tls-auth-clients", "no"],
        ];
        let settings: Vec<_> = tls.iter().flatten().copied().chain(settings.iter().copied()).collect();
        Self::begin(port, true, folder, &settings)
    }

    /// A replica of this server, when it has the other's data.
    pub fn replica(&self, settings: &[&str]) -> Self {
        Self::replica_of(self.address(), settings)
    }

    /// A replica of the server at this address, which may be a [`Link`](crate::Link) to it.
    pub fn replica_of(primary: SocketAddr, settings: &[&str]) -> Self {
        let port = primary.port().to_string();
        let replicaof = ["--replicaof", "127.0.0.1", &port];
        let replica = Self::start(&replicaof.into_iter().chain(settings.iter().copied()).collect::<Vec<_>>());
        replica.wait_until("it has the primary's data", |replica| {
            replica.cli(&["INFO", "replication"]).contains("master_link_status:up")
        });
        replica
    }

    fn begin(port: u16, tls: bool, folder: TempDir, settings: &[&str]) -> Self {
        let settings = settings.iter().map(ToString::to_string).collect();
        let mut server = Self { process: None, port, tls, folder, settings };
        server.up();
        server
    }

    /// Starts it anew on its port, with what it has kept in its folder. It was killed before, or has ended.
    pub fn up(&mut self) {
        let mut command = Command::new("redis-server");
        command.current_dir(self.folder.path()).stdout(Stdio::null());
        let port = if self.tls { "0".to_owned() } else { self.port.to_string() };
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"]);
        // A replica gets the data at once.
        command.args(["--repl-diskless-sync-delay", "0"]);
        command.args(&self.settings);
        let mut process = Process::start(command);
        process.wait_until_listening(self.address(), Duration::from_secs(30));
        self.process = Some(process);
    }

    /// More settings, for when it is [up](Self::up) again.
    pub fn set(&mut self, settings: &[&str]) {
        self.settings.extend(settings.iter().map(ToString::to_string));
    }

    /// Ends it at once: what it has not written to its folder is lost.
    pub fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
    }

    pub fn freeze(&self) {
        self.process.as_ref().expect("it is up").freeze();
    }

    pub fn thaw(&self) {
        self.process.as_ref().expect("it is up").thaw();
    }

    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    pub fn url(&self) -> String {
        let scheme = if self.tls { "rediss" } else { "redis" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// What `redis-cli` prints of this command.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        if self.tls {
            command.arg("--tls").arg("--cacert").arg(self.folder.path().join("ca.pem"));
        }
        let output = command.args(arguments).stdin(Stdio::null()).output().expect("redis-cli runs");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// As [`cli`](Self::cli), by this password.
    pub fn cli_as(&self, password: &str, arguments: &[&str]) -> String {
        let sign_in = ["--no-auth-warning", "-a", password];
        self.cli(&sign_in.into_iter().chain(arguments.iter().copied()).collect::<Vec<_>>())
    }

    /// Whole seconds, up to one too high.
    pub fn uptime(&self) -> u64 {
        let info = self.cli(&["INFO", "server"]);
        let line = info.lines().find_map(|line| line.trim().strip_prefix("uptime_in_seconds:"));
        line.and_then(|seconds| seconds.parse().ok()).unwrap_or_default()
    }

    /// Waits until it has been up for so long: a younger server grants no lease.
    pub fn wait_until_old(&self, seconds: u64) {
        self.wait_until("it is old enough", |server| server.uptime() >= seconds);
    }

    pub fn wait_until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !holds(self) {
            assert!(Instant::now() < end, "a minute has gone by, and still not: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
