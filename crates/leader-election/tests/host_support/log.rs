//! A worker's events and statuses, each with its time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use leader_election::{EndReason, FencingToken, LeaderEvent, LeaderHost, Status};

use testkit::What;

use super::stage::Stage;

/// What a host tells about itself, as it comes.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<Entries>>);

#[derive(Debug, Default)]
struct Entries {
    events: Vec<(Duration, LeaderEvent)>,
    statuses: Vec<(Duration, Status)>,
}

/// How a term ended, by its event.
#[derive(Debug, Clone)]
pub struct Ended {
    pub at: Duration,
    pub fencing_token: FencingToken,
    pub reason: EndReason,
    pub detail: Option<String>,
}

impl Log {
    /// Listens to a host from now on, and holds it to invariant 16.
    pub fn of(host: &LeaderHost, stage: &Stage) -> Self {
        let log = Self::default();

        let (mut events, heard, watcher) = (host.events(), log.clone(), stage.clone());
        let holder = host.holder().clone();
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                match &event {
                    LeaderEvent::Elected { fencing_token } => {
                        watcher.saw(&holder, What::Elected { token: fencing_token.get() });
                    }
                    LeaderEvent::Ended { fencing_token, .. } => {
                        watcher.saw(&holder, What::TermEnded { token: fencing_token.get() });
                    }
                    _ => {}
                }
                heard.0.lock().unwrap().events.push((watcher.now(), event));
            }
        });

        let (mut statuses, seen, watcher) = (host.watch_status(), log.clone(), stage.clone());
        tokio::spawn(async move {
            while let Some(status) = statuses.changed().await {
                seen.0.lock().unwrap().statuses.push((watcher.now(), status));
            }
        });
        log
    }

    pub fn events(&self) -> Vec<(Duration, LeaderEvent)> {
        self.0.lock().unwrap().events.clone()
    }

    pub fn statuses(&self) -> Vec<(Duration, Status)> {
        self.0.lock().unwrap().statuses.clone()
    }

    pub fn count(&self, which: impl Fn(&LeaderEvent) -> bool) -> usize {
        self.events().iter().filter(|(_, event)| which(event)).count()
    }

    pub fn elections(&self) -> usize {
        self.count(|event| matches!(event, LeaderEvent::Elected { .. }))
    }

    pub fn ends(&self) -> Vec<Ended> {
        let ended = |(at, event)| match event {
            LeaderEvent::Ended { fencing_token, reason, detail, .. } => {
                Some(Ended { at, fencing_token, reason, detail })
            }
            _ => None,
        };
        self.events().into_iter().filter_map(ended).collect()
    }

    /// How the n-th term ended, counted from 1.
    pub fn end(&self, n: usize) -> Ended {
        self.ends().get(n - 1).cloned().unwrap_or_else(|| panic!("no {n}. end in {:?}", self.events()))
    }
}
