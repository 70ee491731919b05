//! What a worker tells about itself: lines for people, or one JSON object per line.

use std::io::Write;
use std::time::{Duration, SystemTime};

use azure_leader_election::{HolderId, Leader, LeaderEvent, Status, StatusWatch};
use serde_json::{Map, Value, json};
use tokio::sync::broadcast;

/// How much to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Quiet,
    Lines,
    Json,
}

/// Speaks on standard error, as standard output is the command's.
#[derive(Debug, Clone)]
pub struct Voice {
    holder: HolderId,
    election: String,
    form: Form,
}

impl Voice {
    pub fn new(holder: HolderId, election: &str, form: Form) -> Self {
        Self { holder, election: election.to_owned(), form }
    }

    /// Says that this happened, with more about it, or the same in words.
    pub fn say(&self, event: &str, more: Value, words: impl FnOnce() -> String) {
        let at = timestamp(SystemTime::now());
        let line = match self.form {
            Form::Quiet => return,
            Form::Lines => format!("{at} {}: {}", self.holder, words()),
            Form::Json => {
                let mut object = Map::new();
                object.insert("at".to_owned(), at.into());
                object.insert("event".to_owned(), event.into());
                object.insert("election".to_owned(), self.election.as_str().into());
                object.insert("holder".to_owned(), self.holder.as_str().into());
                if let Value::Object(more) = more {
                    object.extend(more);
                }
                Value::Object(object).to_string()
            }
        };
        // One write for each line, so that those of several workers do not mix. Nobody may be there to hear.
        let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
    }

    /// Tells a host's events until it is gone.
    pub async fn narrate(self, mut events: broadcast::Receiver<LeaderEvent>) {
        loop {
            match events.recv().await {
                Ok(event) => self.tell(&event),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    /// Tells who else leads, whenever that changes.
    pub async fn narrate_standby(self, mut status: StatusWatch) {
        while let Some(status) = status.changed().await {
            if let Status::Standby { leader, .. } = status {
                self.say("standby", json!({ "leader": leader.as_ref().map(leader_json) }), || match &leader {
                    Some(leader) => format!("standby; {} leads with token {}", leader.holder, leader.fencing_token),
                    None => "standby".to_owned(),
                });
            }
        }
    }

    fn tell(&self, event: &LeaderEvent) {
        match event {
            LeaderEvent::Elected { fencing_token } => {
                self.say("elected", json!({ "fencing_token": fencing_token.get() }), || {
                    format!("elected, with token {fencing_token}")
                });
            }
            LeaderEvent::Stopping { fencing_token, reason } => {
                self.say("stopping", json!({ "fencing_token": fencing_token.get(), "reason": reason.as_str() }), || {
                    format!("stopping: {reason}")
                })
            }
            LeaderEvent::Ended { fencing_token, reason, outcome, detail } => self.say(
                "ended",
                json!({
                    "fencing_token": fencing_token.get(),
                    "reason": reason.as_str(),
                    "outcome": outcome.as_str(),
                    "detail": detail,
                }),
                || match detail {
                    Some(detail) => format!("leads no more: {reason} ({detail})"),
                    None => format!("leads no more: {reason}"),
                },
            ),
            LeaderEvent::AttemptFailed { operation, error } => self.say(
                "attempt_failed",
                json!({ "operation": operation.to_string(), "error": error.to_string() }),
                || format!("{operation} failed: {error}"),
            ),
            other => self.say("warning", json!({ "detail": format!("{other:?}") }), || format!("{other:?}")),
        }
    }
}

/// What a store's record tells of a leader.
pub fn leader_json(leader: &Leader) -> Value {
    json!({
        "holder": leader.holder.as_str(),
        "fencing_token": leader.fencing_token.get(),
        "elected_at": leader.elected_at.map(timestamp),
        "lease_ms": leader.lease.map(|lease| lease.as_millis()),
        "renew_every_ms": leader.renew_every.map(|renew_every| renew_every.as_millis()),
    })
}

/// In UTC, as RFC 3339 has it. Times of a record that anybody may have written are brought between 1970 and 9999.
pub fn timestamp(time: SystemTime) -> String {
    let last = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    humantime::format_rfc3339_millis(time.clamp(SystemTime::UNIX_EPOCH, last)).to_string()
}
