//! What a worker tells about itself: lines for people, or one JSON object per line.

use std::time::{Duration, SystemTime};

use azure_leader_election::{HolderId, Leader, LeaderEvent, LeaderEvents, Status, StatusWatch};
use serde_json::{Map, Value, json};

use crate::{exit, lines};

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
        lines::stderr().write(line);
    }

    /// Tells a host's events, and who else leads whenever that changes, until the host is gone.
    pub async fn narrate(self, mut events: LeaderEvents, mut status: StatusWatch) {
        let mut leads = false;
        loop {
            tokio::select! {
                biased;
                event = events.recv() => match event {
                    Some(event) => self.tell(&event, &mut leads),
                    None => return,
                },
                Some(changed) = status.changed() => {
                    // They come on two ways, the events first: the end of the term that made this worker a standby is told before
                    // that, and of a standby that leads by now nothing is told.
                    while let Some(event) = events.try_recv() {
                        self.tell(&event, &mut leads);
                    }
                    if !leads {
                        self.tell_standby(&changed);
                    }
                }
            }
        }
    }

    fn tell_standby(&self, status: &Status) {
        let Status::Standby { leader, .. } = status else { return };
        self.say("standby", json!({ "leader": leader.as_ref().map(leader_json) }), || match leader {
            Some(leader) if leader.holder == self.holder => format!(
                "standby; the lease of this worker's own last term, with token {}, is not free yet",
                leader.fencing_token
            ),
            Some(leader) => format!("standby; {} leads with token {}", leader.holder, leader.fencing_token),
            None => "standby".to_owned(),
        });
    }

    fn tell(&self, event: &LeaderEvent, leads: &mut bool) {
        match event {
            LeaderEvent::Elected { .. } => *leads = true,
            LeaderEvent::Ended { .. } | LeaderEvent::Missed { .. } => *leads = false,
            _ => {}
        }
        let more = match event {
            LeaderEvent::Elected { fencing_token }
            | LeaderEvent::Overrun { fencing_token }
            | LeaderEvent::GrantedTooLate { fencing_token } => json!({ "fencing_token": fencing_token.get() }),
            LeaderEvent::Stopping { fencing_token, reason } => {
                json!({ "fencing_token": fencing_token.get(), "reason": reason.as_str() })
            }
            LeaderEvent::Ended { fencing_token, reason, outcome, detail } => json!({
                "fencing_token": fencing_token.get(),
                "reason": reason.as_str(),
                "outcome": outcome.as_str(),
                "detail": detail,
            }),
            LeaderEvent::AttemptFailed { operation, error } => {
                json!({ "operation": operation.to_string(), "error": error.to_string(), "causes": exit::causes(error) })
            }
            LeaderEvent::TokenNotRising { granted, highest } => {
                json!({ "granted": granted.get(), "highest": highest.get() })
            }
            LeaderEvent::ForeignLease { lease } => {
                let lease_ms = (*lease != Duration::MAX).then_some(lease.as_millis());
                json!({ "lease_ms": lease_ms, "endless": lease_ms.is_none() })
            }
            LeaderEvent::Missed { count } => json!({ "count": count }),
            _ => json!({}),
        };
        self.say(event.name(), more, || sentence(event));
    }
}

/// That of the library, unless there is more to say of a command.
fn sentence(event: &LeaderEvent) -> String {
    match event {
        LeaderEvent::AttemptFailed { operation, error } => format!("{operation} failed: {}", exit::sentence(error)),
        LeaderEvent::Overrun { .. } => {
            "the command still runs although its time is up: another worker may lead beside it".to_owned()
        }
        LeaderEvent::ForeignLease { lease: Duration::MAX } => format!("{event}; `leader break` ends it"),
        LeaderEvent::ForeignLease { lease } => {
            format!("another worker holds a lease of {}, which is longer than this one's --lease", words(*lease))
        }
        _ => event.to_string(),
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

/// A time in words.
pub fn words(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}

/// In UTC, as RFC 3339 has it. Times of a record that anybody may have written are brought between 1970 and 9999.
pub fn timestamp(time: SystemTime) -> String {
    let last = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    humantime::format_rfc3339_millis(time.clamp(SystemTime::UNIX_EPOCH, last)).to_string()
}
