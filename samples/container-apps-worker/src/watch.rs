//! Listens to the host, and tells the status page. The library itself tells the log.

use std::sync::Arc;

use azure_leader_election::{EndReason, LeaderEvent, LeaderEvents, LeaderHost, Status, StatusWatch};

use crate::board::{Board, Entry, Phase, Weight};

/// Until the host is gone.
pub fn spawn(host: &LeaderHost, board: &Arc<Board>) {
    tokio::spawn(follow_events(host.events(), Arc::clone(board)));
    tokio::spawn(follow_status(host.watch_status(), Arc::clone(board)));
}

async fn follow_events(mut events: LeaderEvents, board: Arc<Board>) {
    while let Some(event) = events.recv().await {
        board.note(entry(&event));
    }
}

/// Who leads as far as this worker sees, while it stands by.
async fn follow_status(mut status: StatusWatch, board: Arc<Board>) {
    let mut seen = None;
    while let Some(now) = status.changed().await {
        if now != Status::Stopped {
            // From here on a host that does not contend is one that needs a restart.
            board.enter(Phase::Contending);
        }
        let Status::Standby { leader: Some(leader), .. } = now else { continue };
        if seen != Some(leader.fencing_token) {
            seen = Some(leader.fencing_token);
            board.note(Entry::new(Weight::Plain, format!("{} leads", leader.holder)).with_token(leader.fencing_token));
        }
    }
}

/// An event in words.
fn entry(event: &LeaderEvent) -> Entry {
    match event {
        LeaderEvent::Elected { fencing_token } => {
            Entry::new(Weight::Good, "Elected: this worker leads").with_token(*fencing_token)
        }
        LeaderEvent::Stopping { fencing_token, reason } => {
            Entry::new(weight(*reason), format!("Told its task to stop: {reason}")).with_token(*fencing_token)
        }
        LeaderEvent::Ended { fencing_token, reason, detail, .. } => {
            let entry = Entry::new(weight(*reason), format!("Leads no longer: {reason}")).with_token(*fencing_token);
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
            Entry::new(Weight::Bad, "The store has lost data: its fencing token did not rise").with_detail(Some(detail))
        }
        LeaderEvent::ForeignLease { lease } => Entry::new(Weight::Bad, "Another worker holds a longer lease")
            .with_detail(Some(format!("{} s: do the workers' settings differ?", lease.as_secs()))),
        LeaderEvent::ReleaseFailed => {
            Entry::new(Weight::Bad, "The lease could not be given back: it runs out by itself")
        }
        LeaderEvent::Missed { count } => Entry::new(Weight::Bad, format!("{count} events were missed")),
        // Of a later version of the library.
        other => Entry::new(Weight::Plain, format!("{other:?}")),
    }
}

fn weight(reason: EndReason) -> Weight {
    match reason {
        EndReason::Shutdown | EndReason::SteppedDown | EndReason::TaskEnded => Weight::Plain,
        _ => Weight::Bad,
    }
}
