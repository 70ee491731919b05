//! A real API server with an etcd of its own, of the program that KUBE_APISERVER names. For tests that end, freeze and starve it.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use rcgen::KeyPair;
use tempfile::TempDir;

use crate::{Authority, Process, free_port};

/// The token of who may do everything; that of who has no right is [`NOBODY`].
pub const ADMIN: &str = "admin-token";
pub const NOBODY: &str = "nobody-token";
/// So many reads at a time, and no more.
pub const READS: usize = 4;

const LIMIT: Duration = Duration::from_secs(60);

/// An API server over TLS. Ends when dropped.
#[derive(Debug)]
pub struct Kube {
    directory: TempDir,
    authority: Authority,
    address: SocketAddr,
    etcd_address: SocketAddr,
    etcd: Process,
    server: Option<Process>,
}

impl Kube {
    /// Panics where KUBE_APISERVER is not set or etcd is not installed.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let authority = Authority::new();
        let certificate = authority.certificate("kube-apiserver");
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).expect("written");
        write("ca.crt", &authority.pem());
        write("api.crt", &certificate.pem);
        write("api.key", &certificate.key_pem);
        write("tokens.csv", &format!("{ADMIN},admin,1,system:masters\n{NOBODY},nobody,2\n"));
        let key = KeyPair::generate().expect("a key");
        write("accounts.key", &key.serialize_pem());
        write("accounts.pub", &key.public_key_pem());
        let [client, peer] = [free_port(), free_port()].map(|port| format!("http://127.0.0.1:{port}"));
        let mut command = Command::new("etcd");
        command
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("default={peer}"), "--data-dir"])
            .arg(directory.path().join("etcd"));
        log_to(&mut command, &directory, "etcd.log");
        let mut etcd = Process::start(command);
        let etcd_address: SocketAddr = client.trim_start_matches("http://").parse().expect("an address");
        etcd.wait_until_listening(etcd_address, LIMIT);
        let address = (Ipv4Addr::LOCALHOST, free_port()).into();
        let mut kube = Self { directory, authority, address, etcd_address, etcd, server: None };
        kube.begin();
        kube
    }

    /// Starts the server again, at the same address.
    pub fn begin(&mut self) {
        let path = |name: &str| self.directory.path().join(name).display().to_string();
        let program = std::env::var("KUBE_APISERVER").expect("KUBE_APISERVER is the path of kube-apiserver");
        let mut command = Command::new(program);
        command
            .args(["--etcd-servers", &format!("http://{}", self.etcd_address)])
            .args(["--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1"])
            .args(["--secure-port", &self.address.port().to_string()])
            .args(["--tls-cert-file", &path("api.crt"), "--tls-private-key-file", &path("api.key")])
            .args(["--token-auth-file", &path("tokens.csv"), "--authorization-mode", "RBAC"])
            .args(["--service-cluster-ip-range", "10.0.0.0/24", "--endpoint-reconciler-type", "none"])
            .args(["--service-account-issuer", "https://kubernetes.default.svc"])
            .args(["--service-account-signing-key-file", &path("accounts.key")])
            .args(["--service-account-key-file", &path("accounts.pub")])
            .args(["--enable-priority-and-fairness=false", &format!("--max-requests-inflight={READS}")]);
        log_to(&mut command, &self.directory, "api.log");
        let mut server = Process::start(command);
        server.wait_until_listening(self.address, LIMIT);
        self.server = Some(server);
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn authority(&self) -> String {
        self.authority.pem()
    }

    pub fn etcd(&self) -> &Process {
        &self.etcd
    }

    /// Panics when it has been [ended](Self::end).
    pub fn server(&self) -> &Process {
        self.server.as_ref().expect("it runs")
    }

    /// By SIGTERM, as it is ended for an upgrade.
    pub fn end(&mut self) {
        if let Some(server) = self.server.take() {
            server.terminate();
            server.wait();
        }
    }
}

fn log_to(command: &mut Command, directory: &TempDir, name: &str) {
    let log = File::options().create(true).append(true).open(directory.path().join(name)).expect("a log");
    command.stderr(log.try_clone().expect("a log")).stdout(log);
}
