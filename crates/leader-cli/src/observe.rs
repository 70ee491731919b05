//! What can be seen of an election from outside, without contending.

use std::time::{Duration, Instant};

use azure_leader_election::{Error, ErrorKind, Leader, Version};
use serde_json::{Value, json};

use crate::output::{leader_json, words};
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
pub struct Watcher<'a> {
    opened: &'a Opened,
    limit: Duration,
    watched: Option<Watched>,
    last: Option<(Sight, Instant)>,
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
        Self { opened, limit, watched: None, last: None }
    }

    pub async fn look(&mut self) -> azure_leader_election::Result<Sight> {
        let sight = self.try_look().await?;
        self.last = Some((sight.clone(), Instant::now()));
        Ok(sight)
    }

    /// Once the store is silent: who led, by the last answer, and how long ago that was. What was seen then may be so no more.
    pub fn last_seen(&self) -> Option<(&Leader, Duration)> {
        let (sight, at) = self.last.as_ref()?;
        let led = matches!(sight.state, State::Leading | State::OnRecord);
        Some((sight.leader.as_ref().filter(|_| led)?, at.elapsed()))
    }

    async fn try_look(&mut self) -> azure_leader_election::Result<Sight> {
        // The version first: a record that is renewed in between is older than it is taken for, and no newer.
        let version = match &self.opened.version {
            Some(version) => self.within(version()).await?,
            None => None,
        };
        let seen = self.within(self.opened.look()).await?;
        let state = match (seen.held, &seen.latest) {
            (true, latest) if self.opened.version.is_some() => {
                self.watch(version, latest.as_ref().and_then(|leader| leader.lease))
            }
            (true, _) if seen.breaking => State::Breaking,
            // A worker's lease has an end, and whose it is stands on record before anything is done under it.
            (true, None) => State::Foreign,
            (true, Some(_)) if seen.endless => State::Foreign,
            (true, Some(_)) => State::Leading,
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
    place: &crate::store_url::Place,
    request: impl Future<Output = azure_leader_election::Result<T>>,
) -> azure_leader_election::Result<T> {
    tokio::time::timeout(limit, request).await.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Timeout, format!("{place} gave no answer within {}", words(limit))))
    })
}

const FOREIGN: &str = "no worker leads: something that is none of them holds the lease; `leader break` ends that";

/// Who led when the store last answered.
pub fn last_seen_in_words((leader, ago): (&Leader, Duration)) -> String {
    let ago = words(Duration::from_secs(ago.as_secs()));
    format!("{} led, with token {}, when last seen {ago} ago", leader.holder, leader.fencing_token)
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
    let since = leader.elected_at.map(|at| format!(", since {}", crate::output::timestamp(at))).unwrap_or_default();
    let lease = leader.lease.map(|lease| format!(", lease {}", words(lease))).unwrap_or_default();
    let renews = leader.renew_every.map(|every| format!(", renews every {}", words(every))).unwrap_or_default();
    format!("{since}{lease}{renews}")
}
