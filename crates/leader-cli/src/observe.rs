//! What can be seen of an election from outside, without contending.

use std::time::{Duration, Instant};

use azure_leader_election::document::{Liveness, Watcher};
use azure_leader_election::election::Moment;
use azure_leader_election::{Leader, LeaseState, Observation};
use serde_json::{Value, json};

use crate::output::{leader_json, timestamp, words};
use crate::store::Opened;

/// One look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    pub state: State,
    /// The leader, or the last one on record.
    pub leader: Option<Leader>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Somebody leads.
    Leading,
    /// Somebody leads, as the record says; whether it still renews was not watched for long enough.
    OnRecord,
    /// The leader on record has not renewed for a whole lease.
    Lapsed,
    /// Nobody leads.
    Free,
    /// Nobody has ever led.
    Unknown,
    /// The lead was broken; the lease runs on for a while, without renewals.
    Breaking,
    /// Something holds the lease that is no worker of this election.
    Foreign,
}

impl State {
    /// What a look has shown, and those before it.
    fn of(seen: &Observation, liveness: Liveness) -> Self {
        match (seen.state, liveness) {
            (LeaseState::Free, _) if seen.latest.is_none() => Self::Unknown,
            (LeaseState::Free, _) => Self::Free,
            (LeaseState::Foreign, _) => Self::Foreign,
            (_, Liveness::Lapsed) => Self::Lapsed,
            (LeaseState::Breaking, _) => Self::Breaking,
            (_, Liveness::Leads) => Self::Leading,
            _ => Self::OnRecord,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Leading => "leading",
            Self::OnRecord => "on_record",
            Self::Lapsed => "lapsed",
            Self::Free => "free",
            Self::Unknown => "unknown",
            Self::Breaking => "breaking",
            Self::Foreign => "foreign",
        }
    }
}

/// Looks at an election again and again. Of a document store it watches the record, as candidates do, by which it tells a
/// leader that renews from one that is gone.
pub struct Observer<'a> {
    opened: &'a Opened,
    limit: Duration,
    watcher: Watcher,
    begin: Instant,
    last: Option<(Sight, Instant)>,
}

impl<'a> Observer<'a> {
    /// An answer that takes longer than the limit is none.
    pub fn new(opened: &'a Opened, limit: Duration) -> Self {
        Self { opened, limit, watcher: Watcher::new(), begin: Instant::now(), last: None }
    }

    pub async fn look(&mut self) -> azure_leader_election::Result<Sight> {
        let seen = self.opened.look(self.limit).await?;
        let liveness = self.watcher.look(self.now(), &seen);
        let sight = Sight { state: State::of(&seen, liveness), leader: seen.latest };
        self.last = Some((sight.clone(), Instant::now()));
        Ok(sight)
    }

    /// Once the store is silent: who led, by the last answer, and how long ago that was. What was seen then may be so no more.
    pub fn last_seen(&self) -> Option<(&Leader, Duration)> {
        let (sight, at) = self.last.as_ref()?;
        let led = matches!(sight.state, State::Leading | State::OnRecord);
        Some((sight.leader.as_ref().filter(|_| led)?, at.elapsed()))
    }

    /// When a leader on record that has not renewed by then is one no more.
    pub fn lapses_in(&self, lease: Duration) -> Duration {
        self.watcher.lapses_in(self.now(), lease)
    }

    fn now(&self) -> Moment {
        Moment::from_origin(self.begin.elapsed())
    }
}

const FOREIGN: &str = "no worker leads: something that is none of them holds the lease; `leader break` ends that";

/// Who led when the store last answered.
pub fn last_seen_in_words((leader, ago): (&Leader, Duration)) -> String {
    let ago = words(Duration::from_secs(ago.as_secs()));
    format!("{} led, with token {}, when last seen {ago} ago", leader.holder, leader.fencing_token)
}

impl Sight {
    /// Without the election and its store.
    pub fn json(&self) -> Value {
        let mut object = json!({ "state": self.state.name() });
        if let (Some(object), Some(Value::Object(leader))) =
            (object.as_object_mut(), self.leader.as_ref().map(leader_json))
        {
            object.extend(leader);
        }
        object
    }

    pub fn json_of(&self, opened: &Opened) -> Value {
        let mut object = self.json();
        object["election"] = opened.election.as_str().into();
        object["store"] = opened.store.to_string().into();
        object
    }

    /// In one sentence, without the election's name.
    pub fn sentence(&self) -> String {
        let Some(leader) = &self.leader else {
            return match self.state {
                State::Unknown => "nobody has ever led".to_owned(),
                State::Foreign | State::Breaking => format!("{FOREIGN}; nobody has ever led"),
                _ => "somebody leads who is not on record".to_owned(),
            };
        };
        let (holder, token) = (&leader.holder, leader.fencing_token);
        match self.state {
            State::Leading => format!("{holder} leads, with token {token}{}", details(leader)),
            State::OnRecord => format!(
                "{holder} leads, as the record says, with token {token}{}; whether it still renews was not watched",
                details(leader)
            ),
            State::Lapsed => format!("nobody leads: {holder} (token {token}) has not renewed for its whole lease"),
            State::Breaking => format!(
                "the lead of {holder} (token {token}) was broken: it stops with its next renewal, and another worker can lead when \
                 the lease has run out"
            ),
            State::Foreign => format!("{FOREIGN}; {holder} led last, with token {token}"),
            State::Free | State::Unknown => format!("nobody leads; {holder} led last, with token {token}"),
        }
    }
}

fn details(leader: &Leader) -> String {
    let since = leader.elected_at.map(|at| format!(", since {}", timestamp(at))).unwrap_or_default();
    let lease = leader.lease.map(|lease| format!(", lease {}", words(lease))).unwrap_or_default();
    let renews = leader.renew_every.map(|every| format!(", renews every {}", words(every))).unwrap_or_default();
    format!("{since}{lease}{renews}")
}
