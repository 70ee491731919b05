//! etcd of Debian's packages `etcd-server` and `etcd-client`: one node or a cluster, plain or over TLS.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::authority::Authority;
use crate::process::{Process, free_port};

/// What a cluster is started with. Default: one node, plain, with no more than etcd's own defaults.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Three nodes instead of one.
    pub three: bool,
    /// TLS for clients.
    pub tls: bool,
    /// A client must show a certificate of the same authority. It takes `tls`.
    pub client_certificates: bool,
    /// The most bytes that its database may have.
    pub quota: Option<u64>,
}

/// A cluster on loopback, and its data. It ends when it is dropped, and with the test process.
#[derive(Debug)]
pub struct Etcd {
    folder: TempDir,
    options: Options,
    authority: Option<Authority>,
    members: Vec<Member>,
    generation: u32,
    /// The user and password of `etcdctl`.
    user: Option<String>,
}

#[derive(Debug)]
struct Member {
    client: SocketAddr,
    peer: SocketAddr,
    process: Option<Process>,
}

/// What a test machine under load takes to start, or to find a leader.
const LIMIT: Duration = Duration::from_secs(60);

impl Etcd {
    /// Whether the packages are there.
    pub fn is_installed() -> bool {
        ["etcd", "etcdctl"].iter().all(|program| {
            let version = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            version.is_ok_and(|status| status.success())
        })
    }

    /// Starts it, and waits until it has a leader.
    pub fn start(options: Options) -> Self {
        let loopback = || SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let member = || Member { client: loopback(), peer: loopback(), process: None };
        let members = (0..if options.three { 3 } else { 1 }).map(|_| member()).collect();
        let folder = tempfile::tempdir().expect("a folder");
        let authority = options.tls.then(Authority::new);
        if let Some(authority) = &authority {
            authority.write_to(folder.path());
            authority.certificate("etcd").write_to(folder.path(), "server");
            // Two for clients: the gateway takes none that has a name while authentication is on.
            authority.certificate("client").write_to(folder.path(), "client");
            authority.certificate("").write_to(folder.path(), "nameless");
        }
        let mut etcd = Self { folder, options, authority, members, generation: 0, user: None };
        for member in 0..etcd.members.len() {
            etcd.spawn(member);
        }
        etcd.wait_until_healthy();
        etcd
    }

    pub fn one() -> Self {
        Self::start(Options::default())
    }

    pub fn three() -> Self {
        Self::start(Options { three: true, ..Options::default() })
    }

    /// Where its members are, for clients.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.members.iter().map(|member| member.client).collect()
    }

    /// `etcd://HOST:PORT;HOST:PORT`.
    pub fn url(&self) -> String {
        url_of(self.addresses())
    }

    /// The file with its authority's certificate, and those of a client. Panics without TLS.
    pub fn certificates(&self) -> Certificates {
        assert!(self.authority.is_some(), "it was started without TLS");
        let file = |name: &str| self.folder.path().join(name);
        Certificates { authority: file("ca.pem"), certificate: file("client.pem"), key: file("client.key.pem") }
    }

    /// As [`certificates`](Self::certificates), with one that has no common name.
    pub fn nameless_certificates(&self) -> Certificates {
        let file = |name: &str| self.folder.path().join(name);
        Certificates { certificate: file("nameless.pem"), key: file("nameless.key.pem"), ..self.certificates() }
    }

    /// The process of this member. Panics when it was killed.
    pub fn process(&self, member: usize) -> &Process {
        self.members[member].process.as_ref().expect("it runs")
    }

    pub fn freeze(&self, member: usize) {
        self.process(member).freeze();
    }

    pub fn thaw(&self, member: usize) {
        self.process(member).thaw();
    }

    /// Ends it at once; its data stays.
    pub fn kill(&mut self, member: usize) {
        self.members[member].process.take().expect("it runs").kill();
    }

    /// Starts a member again that was killed, and waits for the cluster.
    pub fn restart(&mut self, member: usize) {
        self.spawn(member);
        self.wait_until_healthy();
    }

    /// Which member leads, as those that run see it.
    pub fn leader(&self) -> usize {
        let end = Instant::now() + LIMIT;
        loop {
            for (number, member) in self.members.iter().enumerate() {
                // `ENDPOINT, ID, VERSION, SIZE, IS LEADER, …`
                let status = self.try_etcdctl(&[member.client], &["endpoint", "status", "--command-timeout=1s"]);
                if status.is_ok_and(|status| status.split(", ").nth(4) == Some("true")) {
                    return number;
                }
            }
            assert!(Instant::now() < end, "etcd has no leader after {LIMIT:?}");
        }
    }

    /// Makes `member` the leader.
    pub fn move_leader_to(&self, member: usize) {
        let leader = self.leader();
        if leader != member {
            let status = self.try_etcdctl(&[self.members[member].client], &["endpoint", "status"]).expect("a status");
            let id = status.split(", ").nth(1).expect("an id").to_owned();
            self.try_etcdctl(&[self.members[leader].client], &["move-leader", &id]).expect("moved");
        }
    }

    /// Switches authentication on: `root`, and a user `worker` whose role may read and write what begins with this. All have the password that is given.
    pub fn switch_authentication_on(&mut self, prefix: &str, password: &str) {
        for arguments in [
            &["user", "add", &format!("root:{password}")][..],
            &["user", "grant-role", "root", "root"],
            &["role", "add", "worker"],
            &["role", "grant-permission", "worker", "readwrite", prefix, "--prefix"],
            &["user", "add", &format!("worker:{password}")],
            &["user", "grant-role", "worker", "worker"],
            &["auth", "enable"],
        ] {
            self.etcdctl(arguments);
        }
        self.user = Some(format!("root:{password}"));
    }

    /// Runs `etcdctl` on the whole cluster; what it printed. Panics when it fails.
    pub fn etcdctl(&self, arguments: &[&str]) -> String {
        self.try_etcdctl(&self.addresses(), arguments).unwrap_or_else(|error| panic!("etcdctl {arguments:?}: {error}"))
    }

    fn try_etcdctl(&self, members: &[SocketAddr], arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").stdin(Stdio::null());
        let scheme = if self.options.tls { "https" } else { "http" };
        let endpoints: Vec<_> = members.iter().map(|member| format!("{scheme}://{member}")).collect();
        command.args(["--endpoints", &endpoints.join(",")]);
        if self.options.tls {
            let Certificates { authority, certificate, key } = self.certificates();
            command.arg("--cacert").arg(authority).arg("--cert").arg(certificate).arg("--key").arg(key);
        }
        if let Some(user) = &self.user {
            command.args(["--user", user]);
        }
        let output = command.args(arguments).output().map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// Saves all data as it is now.
    pub fn save(&self, name: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        let one = &self.addresses()[..1];
        self.try_etcdctl(one, &["snapshot", "save", &file.to_string_lossy()]).expect("saved");
        file
    }

    /// Ends all members, and starts them anew on the data of a snapshot.
    pub fn restore(&mut self, snapshot: &Path) {
        for member in &mut self.members {
            member.process = None;
        }
        self.generation += 1;
        for (number, member) in self.members.iter().enumerate() {
            let mut command = Command::new("etcdctl");
            command
                .env("ETCDCTL_API", "3")
                .args(["snapshot", "restore"])
                .arg(snapshot)
                .arg("--data-dir")
                .arg(self.data(number));
            command.args(["--name", &name(number), "--initial-cluster", &self.peers()]);
            command.args(["--initial-advertise-peer-urls", &format!("http://{}", member.peer)]);
            let output = command.output().expect("etcdctl");
            assert!(output.status.success(), "restored: {}", String::from_utf8_lossy(&output.stderr));
        }
        for member in 0..self.members.len() {
            self.spawn(member);
        }
        self.wait_until_healthy();
    }

    fn spawn(&mut self, number: usize) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join(format!("{}.log", name(number))));
        let log = log.expect("a log");
        let member = &self.members[number];
        let scheme = if self.options.tls { "https" } else { "http" };
        let (client, peer) = (format!("{scheme}://{}", member.client), format!("http://{}", member.peer));
        let mut command = Command::new("etcd");
        command.arg("--data-dir").arg(self.data(number)).args(["--name", &name(number)]);
        command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
        command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        command.args(["--initial-cluster", &self.peers(), "--logger", "zap"]);
        if self.options.tls {
            let file = |name: &str| self.folder.path().join(name);
            command.arg("--cert-file").arg(file("server.pem")).arg("--key-file").arg(file("server.key.pem"));
            command.arg("--trusted-ca-file").arg(file("ca.pem"));
        }
        if self.options.client_certificates {
            command.arg("--client-cert-auth");
        }
        if let Some(quota) = self.options.quota {
            command.args(["--quota-backend-bytes", &quota.to_string()]);
        }
        command.stdout(Stdio::null()).stderr(log);
        self.members[number].process = Some(Process::start(command));
    }

    /// All members that run answer a read of the cluster's.
    fn wait_until_healthy(&mut self) {
        let end = Instant::now() + LIMIT;
        for number in 0..self.members.len() {
            let address = self.members[number].client;
            let Some(process) = &mut self.members[number].process else { continue };
            process.wait_until_listening(address, LIMIT);
            while self.try_etcdctl(&[address], &["endpoint", "health"]).is_err() {
                assert!(Instant::now() < end, "etcd at {address} is not well after {LIMIT:?}");
            }
        }
    }

    fn peers(&self) -> String {
        let peers: Vec<_> = self
            .members
            .iter()
            .enumerate()
            .map(|(number, member)| format!("{}=http://{}", name(number), member.peer))
            .collect();
        peers.join(",")
    }

    fn data(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("{}.{}", name(number), self.generation))
    }
}

/// Files in PEM.
#[derive(Debug)]
pub struct Certificates {
    pub authority: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// The URL of a cluster by its members, or by [links](crate::Link) to them.
pub fn url_of(members: impl IntoIterator<Item = SocketAddr>) -> String {
    let members: Vec<_> = members.into_iter().map(|member| member.to_string()).collect();
    format!("etcd://{}", members.join(";"))
}

fn name(number: usize) -> String {
    format!("node{number}")
}
