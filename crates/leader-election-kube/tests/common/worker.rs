//! A worker in this process, whose terms are noted.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use leader_election::{CancellationToken, HolderId, LeaderHost, LeaderHostOptions, Timing, TimingOptions};
use leader_election_kube::KubernetesLeaseMutex;
use tokio::task::JoinHandle;

use super::Server;

pub struct Worker {
    host: LeaderHost,
    shutdown: CancellationToken,
    terms: Arc<Mutex<Vec<Term>>>,
    run: JoinHandle<leader_election::Result<()>>,
}

#[derive(Debug, Clone)]
pub struct Term {
    pub token: u64,
    pub began: Instant,
    /// When the task was told to stop.
    pub stopped: Option<Instant>,
}

impl Worker {
    pub fn start(server: &Server, election: &str, holder: &str, timing: TimingOptions) -> Self {
        let mutex = KubernetesLeaseMutex::new(&server.cluster(), "default", election).expect("valid");
        let host = LeaderHost::new(mutex).with_options(LeaderHostOptions {
            holder: HolderId::new(holder).expect("valid"),
            timing: Timing::new(timing).expect("valid"),
            // Also where the server is away at the start.
            keep_trying_when_refused: true,
            ..LeaderHostOptions::default()
        });
        let (shutdown, terms) = (CancellationToken::new(), Arc::<Mutex<Vec<Term>>>::default());
        let noted = Arc::clone(&terms);
        let run = tokio::spawn(host.run_task_when_mutex_acquired(shutdown.clone(), move |leader| {
            let noted = Arc::clone(&noted);
            async move {
                let token = leader.fencing_token().get();
                noted.lock().expect("not poisoned").push(Term { token, began: Instant::now(), stopped: None });
                leader.token().cancelled().await;
                noted.lock().expect("not poisoned").last_mut().expect("a term").stopped = Some(Instant::now());
                Ok(())
            }
        }));
        Self { host, shutdown, terms, run }
    }

    pub fn leads(&self) -> bool {
        self.host.leadership().is_some_and(|leader| leader.ensure().is_ok())
    }

    pub fn terms(&self) -> Vec<Term> {
        self.terms.lock().expect("not poisoned").clone()
    }

    /// Waits for a term after so many others.
    pub async fn leads_after(&self, terms: usize) -> Term {
        loop {
            if let Some(term) = self.terms().get(terms) {
                return term.clone();
            }
            assert!(!self.run.is_finished(), "the run has ended");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub async fn stop(self) {
        self.shutdown.cancel();
        self.run.await.expect("no panic").expect("a clean end");
    }
}
