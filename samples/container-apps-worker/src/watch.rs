//! Listens to the host, and tells the log and the status page.

use std::sync::Arc;

use azure_leader_election::{EndReason, HolderId, LeaderEvent, LeaderHost, Status};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tracing::info;

use crate::board::{Board, Entry, Phase, Weight};

/// Until the host is gone.
pub fn spawn(host: &LeaderHost, election: &str, board: &Arc<Board>) {
    let teller = Teller { election: election.to_owned(), holder: host.holder().clone(), board: Arc::clone(board) };
    tokio::spawn(follow_events(teller, host.events()));
    tokio::spawn(follow_status(host.status(), Arc::clone(board)));
}

struct Teller {
    election: String,
    holder: HolderId,
    board: Arc<Board>,
}

async fn follow_events(teller: Teller, mut events: broadcast::Receiver<LeaderEvent>) {
    loop {
        match events.recv().await {
            Ok(event) => teller.tell(&event),
            Err(RecvError::Lagged(missed)) => {
                teller.board.note(Entry::new(Weight::Bad, format!("{missed} events were missed")));
            }
            Err(RecvError::Closed) => return,
        }
    }
}

/// Who leads as far as this worker sees, while it stands by.
async fn follow_status(mut status: watch::Receiver<Status>, board: Arc<Board>) {
    let mut seen = None;
    while status.changed().await.is_ok() {
        let now = status.borrow_and_update().clone();
        if now != Status::Stopped {
            // From here on a host that does not contend is one that needs a restart.
            board.enter(Phase::Contending);
        }
        let leader = match now {
            Status::Standby { leader } => leader,
            Status::Leading { .. } => {
                board.store_answered();
                None
            }
            Status::Stopping { .. } | Status::Stopped => None,
        };
        let Some(leader) = leader else { continue };
        board.store_answered();
        if seen != Some(leader.fencing_token) {
            seen = Some(leader.fencing_token);
            board.note(Entry::new(Weight::Plain, format!("{} leads", leader.holder)).with_token(leader.fencing_token));
        }
    }
}

impl Teller {
    fn tell(&self, event: &LeaderEvent) {
        let (election, holder) = (self.election.as_str(), self.holder.as_str());
        let entry = match event {
            LeaderEvent::Elected { fencing_token } => {
                info!(
                    event = "elected",
                    election,
                    holder,
                    fencing_token = fencing_token.get(),
                    "this worker was elected"
                );
                Entry::new(Weight::Good, "Elected: this worker leads").with_token(*fencing_token)
            }
            LeaderEvent::Stopping { fencing_token, reason } => {
                Entry::new(weight(*reason), format!("Told its task to stop: {reason}")).with_token(*fencing_token)
            }
            LeaderEvent::Ended { fencing_token, reason, detail } => {
                let (token, detail_text) = (fencing_token.get(), detail.as_deref().unwrap_or_default());
                info!(event = "ended", election, holder, fencing_token = token, %reason, detail = detail_text, "leadership ended");
                let entry =
                    Entry::new(weight(*reason), format!("Leads no longer: {reason}")).with_token(*fencing_token);
                entry.with_detail(detail.clone())
            }
            LeaderEvent::AttemptFailed { operation, error } => {
                Entry::new(Weight::Bad, format!("Request to {operation} failed")).with_detail(Some(error.to_string()))
            }
            LeaderEvent::Overrun { fencing_token } => {
                Entry::new(Weight::Bad, "The task still runs after its abortion: it blocks its thread")
                    .with_token(*fencing_token)
            }
            LeaderEvent::GrantedTooLate { fencing_token } => {
                Entry::new(Weight::Plain, "A grant came too late, and was given back").with_token(*fencing_token)
            }
            LeaderEvent::TokenNotRising { granted, highest } => {
                let detail = format!("{granted} was granted after {highest}");
                Entry::new(Weight::Bad, "The store has lost data: its fencing token did not rise")
                    .with_detail(Some(detail))
            }
            LeaderEvent::ForeignLease { lease } => Entry::new(Weight::Bad, "Another worker holds a longer lease")
                .with_detail(Some(format!("{} s: do the workers' settings differ?", lease.as_secs()))),
            LeaderEvent::ReleaseFailed => {
                Entry::new(Weight::Bad, "The lease could not be given back: it runs out by itself")
            }
            // Of a later version of the library.
            other => Entry::new(Weight::Plain, format!("{other:?}")),
        };
        self.board.note(entry);
    }
}

fn weight(reason: EndReason) -> Weight {
    match reason {
        EndReason::Shutdown | EndReason::SteppedDown | EndReason::TaskEnded => Weight::Plain,
        _ => Weight::Bad,
    }
}
