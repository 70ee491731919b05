//! What can be seen of an election from outside, without contending.

use std::time::{Duration, Instant};

use azure_leader_election::{Error, ErrorKind, Leader, Version};
use serde_json::{Value, json};

use crate::say::leader_json;
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
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Leading => "leading",
            Self::OnRecord => "on_record",
            Self::Lapsed => "lapsed",
            Self::Free => "free",
            Self::Unknown => "unknown",
        }
    }
}

/// Looks at an election again and again. Of a document store it watches the record, as candidates do, by which it tells a
/// leader that renews from one that is gone.
pub struct Watcher<'a> {
    opened: &'a Opened,
    limit: Duration,
    watched: Option<Watched>,
}

struct Watched {
    version: Version,
    since: Instant,
    /// It has changed while it was watched.
    renews: bool,
}

impl<'a> Watcher<'a> {
    /// An answer that takes longer than the limit is none.
    pub fn new(opened: &'a Opened, limit: Duration) -> Self {
        Self { opened, limit, watched: None }
    }

    pub async fn look(&mut self) -> azure_leader_election::Result<Sight> {
        // The version first: a record that is renewed in between is older than it is taken for, and no newer.
        let version = match &self.opened.version {
            Some(version) => self.within(version()).await?,
            None => None,
        };
        let seen = self.within(self.opened.mutex.observe()).await?;
        let state = match (seen.held, &seen.latest) {
            (true, latest) if self.opened.version.is_some() => {
                self.watch(version, latest.as_ref().and_then(|leader| leader.lease))
            }
            (true, _) => State::Leading,
            (false, Some(_)) => State::Free,
            (false, None) => State::Unknown,
        };
        if matches!(state, State::Free | State::Unknown) {
            self.watched = None;
        }
        Ok(Sight { state, leader: seen.latest })
    }

    /// When a leader on record that has not renewed by then is one no more.
    pub fn lapses_in(&self, lease: Duration) -> Duration {
        let stood_still = self.watched.as_ref().map_or(Duration::ZERO, |watched| watched.since.elapsed());
        lease.saturating_sub(stood_still)
    }

    fn watch(&mut self, version: Option<Version>, lease: Option<Duration>) -> State {
        let Some(version) = version else { return State::OnRecord };
        let before = self.watched.take();
        let watched = match before {
            Some(watched) if watched.version == version => watched,
            before => Watched { version, since: Instant::now(), renews: before.is_some() },
        };
        let lapsed = lease.is_some_and(|lease| watched.since.elapsed() >= lease);
        let state = match (lapsed, watched.renews) {
            (true, _) => State::Lapsed,
            (false, true) => State::Leading,
            (false, false) => State::OnRecord,
        };
        self.watched = Some(watched);
        state
    }

    async fn within<T>(
        &self,
        request: impl Future<Output = azure_leader_election::Result<T>>,
    ) -> azure_leader_election::Result<T> {
        within(self.limit, &self.opened.place, request).await
    }
}

/// Gives up a request after that time.
pub async fn within<T>(
    limit: Duration,
    place: &crate::place::Place,
    request: impl Future<Output = azure_leader_election::Result<T>>,
) -> azure_leader_election::Result<T> {
    tokio::time::timeout(limit, request).await.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Timeout, format!("{place} gave no answer within {}", words(limit))))
    })
}

impl Sight {
    pub fn json(&self, opened: &Opened) -> Value {
        let mut object = json!({
            "election": opened.election,
            "store": opened.place.to_string(),
            "state": self.state.name(),
        });
        if let (Some(object), Some(Value::Object(leader))) =
            (object.as_object_mut(), self.leader.as_ref().map(leader_json))
        {
            object.extend(leader);
        }
        object
    }

    /// In one sentence, without the election's name.
    pub fn sentence(&self) -> String {
        let Some(leader) = &self.leader else {
            return match self.state {
                State::Unknown => "nobody has ever led".to_owned(),
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
            State::Free | State::Unknown => format!("nobody leads; {holder} led last, with token {token}"),
        }
    }
}

fn details(leader: &Leader) -> String {
    let since = leader.elected_at.map(|at| format!(", since {}", crate::say::timestamp(at))).unwrap_or_default();
    let lease = leader.lease.map(|lease| format!(", lease {}", words(lease))).unwrap_or_default();
    let renews = leader.renew_every.map(|every| format!(", renews every {}", words(every))).unwrap_or_default();
    format!("{since}{lease}{renews}")
}

/// A time in words.
pub fn words(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}
