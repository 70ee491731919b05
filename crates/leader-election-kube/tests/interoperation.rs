//! Two workers of client-go and two of ours on one Lease: killed, stopped, and one of ours an hour ahead.
//!
//! ```text
//! KUBE_URL=… KUBE_CA=… KUBE_TOKEN=… KUBE_CONTENDER=<a contender of client-go> LEADER_FAKETIME=<libfaketime.so.1> \
//!     KUBE_TERMS=100 KUBE_LEASE=6 cargo test -p leader-election-kube --test interoperation -- --ignored --nocapture
//! ```
//!
//! The contender is called as `NAME ID LEASE RENEW RETRY LEADFOR`, elects on the Lease NAME in the namespace `default`, and says `<time> ID start`, `stop` and
//! `stopped` for each term. All processes append to one file, so the order of its lines is the order of what they did, whatever their clocks show.

#![cfg(unix)]
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;
#[path = "interoperation/ledger.rs"]
mod ledger;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use leader_election::{CancellationToken, HolderId, LeaderHost, LeaderHostOptions, Timing};
use leader_election_kube::KubernetesLeaseMutex;
use testservers::Process;

use common::{Server, fresh};
use ledger::{Ledger, Line};

/// How long a worker leads: the first of each kind for less than a lease, and the second for more, with renewals that the others have to see.
fn leads_for(id: &str, lease: Duration) -> Duration {
    if id.contains("-1") { Duration::from_millis(2_500) } else { lease + lease / 4 }
}

const WORKERS: [&str; 4] = ["go-1", "go-2", "ours-1", "ours-2"];

#[test]
#[ignore = "needs a Kubernetes API server and a contender of client-go: set KUBE_URL, KUBE_CA, KUBE_TOKEN and KUBE_CONTENDER, and LEADER_FAKETIME for a clock an hour ahead"]
fn workers_of_client_go_and_ours_exclude_each_other() {
    let number = |name: &str, otherwise: u32| std::env::var(name).map_or(otherwise, |text| text.parse().expect(name));
    let (terms, lease) = (number("KUBE_TERMS", 12), Duration::from_secs(number("KUBE_LEASE", 6).into()));
    let directory = tempfile::tempdir().expect("a directory");
    let mut run = Run {
        election: fresh("interoperation"),
        lease,
        ledger: directory.path().join("ledger"),
        processes: BTreeMap::new(),
        started: 0,
    };
    for worker in WORKERS {
        run.start(worker);
    }
    let began = Instant::now();
    // A term takes what it takes, a hand-over a poll, and each fourth term a lease more.
    let patience = lease * 6 * terms + lease * 10;
    let terms = usize::try_from(terms).expect("some");
    let (mut faults, mut seen) = (0, 0);
    loop {
        let ledger = Ledger::read(&run.ledger);
        if ledger.terms() >= terms {
            break;
        }
        assert!(began.elapsed() < patience, "{} terms in {patience:?}: {:?}", ledger.terms(), ledger.terms_of_each());
        run.restart_the_dead();
        // In each fourth term the leader is killed or stopped, half a second after it began.
        if ledger.terms() >= seen + 4
            && let Some(leader) = ledger.leader()
        {
            std::thread::sleep(Duration::from_millis(500));
            seen = ledger.terms();
            faults += 1;
            if faults % 2 == 1 { run.kill(&leader) } else { run.stop_for_longer_than_a_lease(&leader) }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let ledger = Ledger::read(&run.ledger);
    let each = ledger.terms_of_each();
    let overlaps = ledger.overlaps();
    println!(
        "lease {lease:?}: {} terms {each:?}, {} killed, {} stopped, {} ended by themselves, {} overlaps, {:.0} s",
        ledger.terms(),
        ledger.count("killed"),
        ledger.count("frozen"),
        ledger.count("ended"),
        overlaps.len(),
        began.elapsed().as_secs_f64()
    );
    println!("take-over after SIGKILL: {}", ledger.takeovers_after("killed"));
    println!("hand-over after a release: {}", ledger.handovers());
    assert!(overlaps.is_empty(), "two led at once: {overlaps:#?}");
    let least = if terms >= 100 { 10 } else { 1 };
    for worker in WORKERS {
        assert!(each.get(worker).copied().unwrap_or_default() >= least, "{worker} led too seldom: {each:?}");
    }
}

struct Run {
    election: String,
    lease: Duration,
    ledger: PathBuf,
    /// By worker, with the identity that the process has of it.
    processes: BTreeMap<&'static str, (String, Process)>,
    started: usize,
}

impl Run {
    /// Under an identity that no process had before: client-go takes a Lease with its own identity for its own.
    fn start(&mut self, worker: &'static str) {
        self.started += 1;
        let id = format!("{worker}.{}", self.started);
        let command = if worker.starts_with("go") { self.client_go(&id) } else { self.ours(&id) };
        self.processes.insert(worker, (id, Process::start(command)));
    }

    fn client_go(&self, id: &str) -> Command {
        let contender =
            std::env::var("KUBE_CONTENDER").expect("KUBE_CONTENDER is the path of a contender of client-go");
        let lease = self.lease.as_secs();
        let mut command = Command::new(contender);
        command
            .args([&self.election, id, &format!("{lease}s"), &format!("{}s", lease * 2 / 3), "1s"])
            .arg(format!("{}ms", leads_for(id, self.lease).as_millis()))
            .stdout(append(&self.ledger))
            .stderr(Stdio::null());
        command
    }

    fn ours(&self, id: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("this test"));
        command
            .args(["worker_process", "--exact", "--ignored"])
            .env("KUBE_WORKER", id)
            .env("KUBE_ELECTION", &self.election)
            .env("KUBE_LEASE", self.lease.as_secs().to_string())
            .env("KUBE_LEDGER", &self.ledger)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Ok(library) = std::env::var("LEADER_FAKETIME")
            && id.starts_with("ours-2")
        {
            command.env("LD_PRELOAD", library).env("FAKETIME", "+3600");
        }
        command
    }

    /// The ledger tells of it before anybody else can lead: a lease has to pass first.
    fn kill(&mut self, id: &str) {
        let worker = WORKERS.into_iter().find(|worker| id.starts_with(worker)).expect("one of the four");
        let Some((id, process)) = self.processes.remove(worker) else { return };
        process.kill();
        note(&self.ledger, &id, "killed");
        self.start(worker);
    }

    fn stop_for_longer_than_a_lease(&mut self, id: &str) {
        let Some((id, process)) = self.processes.values().find(|(own, _)| own == id) else { return };
        process.freeze();
        note(&self.ledger, id, "frozen");
        std::thread::sleep(self.lease + self.lease / 2);
        process.thaw();
    }

    /// A worker of ours ends itself when its task outlives its lease.
    fn restart_the_dead(&mut self) {
        for worker in WORKERS {
            if let Some((id, process)) = self.processes.get_mut(worker)
                && !process.is_alive()
            {
                note(&self.ledger, id, "ended");
                self.start(worker);
            }
        }
    }
}

/// A worker of ours, in a process of its own.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "is what the test above starts"]
async fn worker_process() {
    let variable = |name: &str| std::env::var(name).expect("given by the test above");
    let (id, election, ledger) =
        (variable("KUBE_WORKER"), variable("KUBE_ELECTION"), PathBuf::from(variable("KUBE_LEDGER")));
    let lease = Duration::from_secs(variable("KUBE_LEASE").parse().expect("seconds"));
    let cluster = Server::given().cluster();
    loop {
        let mutex = KubernetesLeaseMutex::new(&cluster, "default", &election).expect("valid");
        let host = LeaderHost::new(mutex).with_options(LeaderHostOptions {
            holder: HolderId::new(&id).expect("valid"),
            timing: Timing::for_lease(lease).expect("valid"),
            ..LeaderHostOptions::default()
        });
        let (id, ledger) = (id.clone(), ledger.clone());
        let term = host.run_one_term(CancellationToken::new(), move |leader| async move {
            let until = Instant::now() + leads_for(&id, lease);
            if leader.ensure().is_err() {
                return;
            }
            note(&ledger, &id, "start");
            while Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(20)).await;
                if leader.ensure().is_err() {
                    note(&ledger, &id, "stopped");
                    return;
                }
                note(&ledger, &id, "work");
            }
            note(&ledger, &id, "stop");
        });
        let _ = term.await;
        // Ours hear of a release by their watch, and client-go by its next poll. Without a rest ours would hand over among themselves.
        tokio::time::sleep(lease).await;
    }
}

fn append(ledger: &Path) -> std::fs::File {
    OpenOptions::new().create(true).append(true).open(ledger).expect("the ledger")
}

fn note(ledger: &Path, id: &str, what: &str) {
    append(ledger).write_all(Line::now(id, what).to_string().as_bytes()).expect("written");
}
