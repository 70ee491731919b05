//! Where things stand at this instant, for the status page and for programs.

use std::time::{Duration, SystemTime};

use azure_leader_election::{LeaderHost, Status};
use humantime::format_rfc3339_seconds;
use serde::Serialize;

use crate::board::{Board, Entry, Phase, Weight};
use crate::config::Config;
use crate::health;
use crate::state::Checkpoint;

#[derive(Debug, Clone, Serialize)]
pub struct View {
    pub election: String,
    pub at: String,
    /// Who leads, as far as this worker knows.
    pub leader: Option<LeaderView>,
    pub worker: WorkerView,
    /// The last step that this worker has done.
    pub checkpoint: Option<Checkpoint>,
    /// The latest first.
    pub events: Vec<EventView>,
}

#[derive(Debug, Clone, Serialize)]
pub struct LeaderView {
    pub holder: String,
    pub fencing_token: u64,
    pub this_worker: bool,
    /// By the store's clock, or by this worker's if it leads itself.
    pub elected_at: Option<String>,
    /// For how long it may act as the leader if no further renewal succeeds; only the leader itself knows.
    pub valid_for_ms: Option<u64>,
    /// Since when the store is silent, if it is: then the leader is who led when it last answered.
    pub last_seen_seconds_ago: Option<u64>,
}

/// A standby asks each second. After so many without an answer what it knows is old.
const OLD_AFTER: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Serialize)]
pub struct WorkerView {
    pub holder: String,
    pub revision: Option<String>,
    /// `starting`, `standby`, `leading`, `draining` or `stopped`.
    pub role: &'static str,
    pub ready: bool,
    /// Why it is not well; absent if it is.
    pub unhealthy: Option<String>,
    pub store: String,
    pub lease_seconds: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct EventView {
    pub at: String,
    /// `good`, `plain` or `bad`.
    pub weight: &'static str,
    pub what: String,
    pub detail: Option<String>,
    pub fencing_token: Option<u64>,
    pub times: u32,
}

impl View {
    pub fn of(config: &Config, host: &LeaderHost, board: &Board) -> Self {
        let status = host.status();
        Self {
            election: config.election.clone(),
            at: time(SystemTime::now()),
            leader: leader(config, &status, board),
            worker: WorkerView {
                holder: config.holder.to_string(),
                revision: config.revision.clone(),
                role: role(&status, board.phase()),
                ready: health::is_ready(host, board),
                unhealthy: health::ailment(host, board).map(|ailment| ailment.to_string()),
                store: config.store.to_string(),
                lease_seconds: config.timing.lease().as_secs(),
            },
            checkpoint: board.checkpoint(),
            events: board.entries().into_iter().map(EventView::of).collect(),
        }
    }
}

impl EventView {
    fn of(entry: Entry) -> Self {
        let weight = match entry.weight {
            Weight::Good => "good",
            Weight::Plain => "plain",
            Weight::Bad => "bad",
        };
        let Entry { at, what, detail, fencing_token, times, .. } = entry;
        Self { at: time(at), weight, what, detail, fencing_token, times }
    }
}

fn role(status: &Status, phase: Phase) -> &'static str {
    match status {
        _ if phase == Phase::Starting => "starting",
        Status::Stopped => "stopped",
        _ if phase == Phase::Draining => "draining",
        Status::Standby { .. } => "standby",
        Status::Leading { .. } => "leading",
        Status::Stopping { .. } => "draining",
        // Of a later version of the library.
        _ => "unknown",
    }
}

fn leader(config: &Config, status: &Status, board: &Board) -> Option<LeaderView> {
    let (token, since) = match status {
        Status::Standby { leader, answered_at } => {
            let age = answered_at.and_then(|at| SystemTime::now().duration_since(at).ok());
            return leader.as_ref().map(|leader| LeaderView {
                holder: leader.holder.to_string(),
                fencing_token: leader.fencing_token.get(),
                this_worker: false,
                elected_at: leader.elected_at.map(time),
                valid_for_ms: None,
                last_seen_seconds_ago: age.filter(|age| *age > OLD_AFTER).map(|age| age.as_secs()),
            });
        }
        Status::Leading { fencing_token, since } => (*fencing_token, Some(*since)),
        Status::Stopping { fencing_token, .. } => (*fencing_token, None),
        _ => return None,
    };
    // Of this very term: the task begins a moment after the election.
    let term = board.last_term().filter(|term| term.fencing_token() == token);
    Some(LeaderView {
        holder: config.holder.to_string(),
        fencing_token: token.get(),
        this_worker: true,
        elected_at: since.map(time),
        valid_for_ms: term.map(|term| u64::try_from(term.valid_for().as_millis()).unwrap_or(u64::MAX)),
        last_seen_seconds_ago: None,
    })
}

fn time(at: SystemTime) -> String {
    format_rfc3339_seconds(at).to_string()
}
