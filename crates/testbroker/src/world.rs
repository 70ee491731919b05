//! Who has which session, and what stands there. No I/O, no waiting.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use fe2o3_amqp::types::messaging::annotations::OwnedKey;
use fe2o3_amqp::types::messaging::{Data, Message, MessageAnnotations};
use fe2o3_amqp::types::primitives::{Timestamp, Value};
use tokio::sync::{oneshot, watch};

use crate::faults::{self, Fault, What};
use crate::settings::Settings;
use crate::values::AnyMessage;

pub(crate) type LinkId = u64;
pub(crate) type ConnectionId = u64;

/// A refusal: the condition, and the words for people.
pub(crate) type Refusal = (&'static str, String);

pub struct World {
    pub(crate) settings: Settings,
    inside: Mutex<Inside>,
    /// There may be a message for a link.
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Inside {
    queues: BTreeMap<String, BTreeMap<String, Session>>,
    waiters: Vec<Waiter>,
    /// Links to be torn off, with the condition.
    torn: BTreeMap<LinkId, Refusal>,
    /// Links that have lost their session, and are not told.
    forgotten: BTreeSet<LinkId>,
    faults: Vec<Fault>,
    counts: BTreeMap<String, u64>,
    lock: Option<Duration>,
    last_link: LinkId,
    last_message: i64,
}

#[derive(Default)]
struct Session {
    state: Option<Vec<u8>>,
    messages: VecDeque<Stored>,
    lock: Option<Lock>,
}

struct Lock {
    link: LinkId,
    name: String,
    connection: ConnectionId,
    until: Instant,
    used: Instant,
}

#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) number: i64,
    pub(crate) message: AnyMessage,
    /// To this link it was given.
    given: Option<LinkId>,
}

struct Waiter {
    queue: String,
    name: String,
    connection: ConnectionId,
    tell: oneshot::Sender<Accepted>,
}

/// A session that a link has got.
pub(crate) struct Accepted {
    pub(crate) link: LinkId,
    pub(crate) session: String,
    /// By the clock of .NET.
    pub(crate) until_ticks: i64,
}

/// Who asks about a session.
pub(crate) struct Asker<'a> {
    pub(crate) connection: ConnectionId,
    pub(crate) link_name: Option<&'a str>,
}

pub(crate) fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_millis()).expect("before the end of time")
}

impl World {
    pub(crate) fn new(settings: Settings) -> Self {
        let queues = settings.queues.iter().map(|queue| (queue.name.clone(), BTreeMap::new())).collect();
        Self { settings, inside: Mutex::new(Inside { queues, ..Inside::default() }), changed: watch::channel(0).0 }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().expect("not poisoned")
    }

    /// Does something inside, frees what has run out, and serves who waits.
    fn with<T>(&self, act: impl FnOnce(&mut Inside) -> T) -> T {
        let mut inside = self.inside();
        inside.expire();
        let done = act(&mut inside);
        let lock = inside.lock.unwrap_or(self.settings.lock);
        inside.serve_waiters(lock);
        done
    }

    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(crate) fn count(&self, operation: &str) {
        *self.inside().counts.entry(operation.to_owned()).or_default() += 1;
    }

    pub(crate) fn fault(&self, operation: &str) -> Option<What> {
        faults::next(&mut self.inside().faults, operation)
    }

    fn lock_now(inside: &Inside, settings: &Settings) -> Duration {
        inside.lock.unwrap_or(settings.lock)
    }

    pub(crate) fn accept(
        &self,
        queue: &str,
        session: &str,
        name: &str,
        connection: ConnectionId,
    ) -> Result<Accepted, Refusal> {
        self.with(|inside| {
            let lock = Self::lock_now(inside, &self.settings);
            let link = inside.next_link();
            let sessions = inside.queues.get_mut(queue).ok_or_else(|| no_such(queue))?;
            let place = sessions.entry(session.to_owned()).or_default();
            if place.lock.is_some() {
                let text = format!(
                    "The requested session '{session}' cannot be accepted. It may be locked by another receiver."
                );
                return Err(("com.microsoft:session-cannot-be-locked", text));
            }
            Ok(place.give(link, session, name, connection, lock))
        })
    }

    /// Waits for any session that is free and has messages.
    pub(crate) fn wait(&self, queue: &str, name: &str, connection: ConnectionId) -> oneshot::Receiver<Accepted> {
        let (tell, told) = oneshot::channel();
        self.with(|inside| {
            inside.waiters.push(Waiter { queue: queue.to_owned(), name: name.to_owned(), connection, tell });
        });
        told
    }

    /// Why this link has to be closed, if it has to.
    pub(crate) fn verdict(&self, queue: &str, session: &str, link: LinkId) -> Option<Refusal> {
        let idle = self.settings.idle;
        self.with(|inside| {
            if let Some(torn) = inside.torn.remove(&link) {
                inside.free(link);
                return Some(torn);
            }
            if inside.forgotten.contains(&link) {
                return None;
            }
            let lock = inside.session(queue, session).and_then(|place| place.lock.as_ref());
            match lock.filter(|lock| lock.link == link) {
                None => Some(lost(session)),
                Some(lock) if lock.used.elapsed() > idle => {
                    inside.free(link);
                    let text = "The link is force detached. Code: consumer. Details: IdleTimerExpired: Idle timeout: 00:10:00.";
                    Some(("amqp:link:detach-forced", text.to_owned()))
                }
                Some(_) => None,
            }
        })
    }

    pub(crate) fn free(&self, link: LinkId) {
        self.with(|inside| inside.free(link));
    }

    pub(crate) fn free_connection(&self, connection: ConnectionId) {
        self.with(|inside| {
            inside.waiters.retain(|waiter| waiter.connection != connection);
            inside.free_all(|lock| lock.connection == connection);
        });
    }

    /// The end of the lock, in milliseconds since 1970.
    pub(crate) fn renew(&self, queue: &str, session: &str, asker: &Asker<'_>) -> Result<i64, Refusal> {
        self.with(|inside| {
            let lock = Self::lock_now(inside, &self.settings);
            let held = inside.held(queue, session, asker)?;
            held.until = Instant::now() + lock;
            // Only what names the link is a use of it.
            if asker.link_name.is_some() {
                held.used = Instant::now();
            }
            Ok(now_ms() + i64::try_from(lock.as_millis()).expect("short"))
        })
    }

    pub(crate) fn state_of(&self, queue: &str, session: &str, asker: &Asker<'_>) -> Result<Option<Vec<u8>>, Refusal> {
        self.with(|inside| {
            inside.held(queue, session, asker)?;
            Ok(inside.session(queue, session).and_then(|place| place.state.clone()))
        })
    }

    pub(crate) fn set_state_of(
        &self,
        queue: &str,
        session: &str,
        asker: &Asker<'_>,
        state: Option<Vec<u8>>,
    ) -> Result<(), Refusal> {
        self.with(|inside| {
            if !self.settings.takes_any_state {
                inside.held(queue, session, asker)?;
            }
            let place = inside.session_mut(queue, session).ok_or_else(|| lost(session))?;
            place.state = state;
            Ok(())
        })
    }

    pub(crate) fn send(&self, queue: &str, message: AnyMessage) -> Result<(), Refusal> {
        let group = message.properties.as_ref().and_then(|properties| properties.group_id.clone());
        let session = group.ok_or_else(|| {
            (
                "amqp:not-allowed",
                "The SessionId was not set on a message, and it cannot be sent to the entity.".to_owned(),
            )
        })?;
        self.with(|inside| {
            inside.last_message += 1;
            let number = inside.last_message;
            let mut message = message;
            let annotations = message.message_annotations.get_or_insert_with(|| MessageAnnotations(Default::default()));
            annotations.0.insert(OwnedKey::from("x-opt-sequence-number"), Value::Long(number));
            annotations.0.insert(OwnedKey::from("x-opt-enqueued-time"), Value::Timestamp(Timestamp::from(now_ms())));
            let sessions = inside.queues.get_mut(queue).ok_or_else(|| no_such(queue))?;
            sessions.entry(session).or_default().messages.push_back(Stored { number, message, given: None });
            Ok(())
        })?;
        self.changed.send_modify(|count| *count += 1);
        Ok(())
    }

    pub(crate) fn peek(&self, queue: &str, session: &str, from: i64, most: usize) -> Vec<AnyMessage> {
        let inside = self.inside();
        let Some(place) = inside.session(queue, session) else { return Vec::new() };
        place
            .messages
            .iter()
            .filter(|stored| stored.number >= from)
            .take(most)
            .map(|stored| stored.message.clone())
            .collect()
    }

    /// The next message for the link that has the session.
    pub(crate) fn give(&self, queue: &str, session: &str, link: LinkId) -> Option<Stored> {
        let mut inside = self.inside();
        let place = inside.session_mut(queue, session)?;
        place.lock.as_ref().filter(|lock| lock.link == link)?;
        let next = place.messages.iter_mut().find(|stored| stored.given.is_none())?;
        next.given = Some(link);
        Some(next.clone())
    }

    /// It was completed, or comes back.
    pub(crate) fn settle(&self, queue: &str, session: &str, link: LinkId, number: i64, completed: bool) {
        self.with(|inside| {
            let Some(place) = inside.session_mut(queue, session) else { return };
            let is_it = |stored: &Stored| stored.number == number && stored.given == Some(link);
            if completed {
                place.messages.retain(|stored| !is_it(stored));
            } else if let Some(stored) = place.messages.iter_mut().find(|stored| is_it(stored)) {
                stored.given = None;
            }
        });
        self.changed.send_modify(|count| *count += 1);
    }
}

/// For tests.
impl World {
    /// Tears all links off that have a session, as the service does when it moves a queue.
    pub fn detach_all(&self) {
        self.with(|inside| {
            let mut links = Vec::new();
            inside.free_all(|lock| {
                links.push(lock.link);
                true
            });
            for link in links {
                let text = "The link is force detached by the broker due to errors occurred in publisher.".to_owned();
                inside.torn.insert(link, ("amqp:link:detach-forced", text));
            }
        });
    }

    /// All sessions are free, and no client is told: as after a reset that only this side has seen.
    pub fn forget_all(&self) {
        self.with(|inside| {
            let mut links = BTreeSet::new();
            inside.free_all(|lock| links.insert(lock.link));
            inside.forgotten.append(&mut links);
        });
    }

    pub fn order(&self, fault: Fault) {
        self.inside().faults.push(fault);
    }

    pub fn clear_faults(&self) {
        self.inside().faults.clear();
    }

    /// How often an operation was asked for; `attach` counts accepts of sessions.
    pub fn counted(&self, operation: &str) -> u64 {
        self.inside().counts.get(operation).copied().unwrap_or_default()
    }

    pub fn set_lock(&self, lock: Duration) {
        self.with(|inside| inside.lock = Some(lock));
    }

    pub fn state(&self, queue: &str, session: &str) -> Option<Vec<u8>> {
        self.inside().session(queue, session)?.state.clone()
    }

    pub fn set_state(&self, queue: &str, session: &str, state: Option<Vec<u8>>) {
        self.with(|inside| {
            let sessions = inside.queues.get_mut(queue).expect("a queue");
            sessions.entry(session.to_owned()).or_default().state = state;
        });
    }

    /// The state and the messages of a session are gone, as when a person empties it.
    pub fn wipe(&self, queue: &str, session: &str) {
        self.with(|inside| {
            if let Some(place) = inside.session_mut(queue, session) {
                place.state = None;
                place.messages.clear();
            }
        });
    }

    pub fn messages(&self, queue: &str, session: &str) -> usize {
        self.inside().session(queue, session).map_or(0, |place| place.messages.len())
    }

    /// Puts a message of this text into a session.
    pub fn put_message(&self, queue: &str, session: &str, text: &str) {
        use fe2o3_amqp::types::messaging::{Batch, Body, Properties};
        let properties = Properties::builder().group_id(session.to_owned()).build();
        let data = Data(text.as_bytes().to_vec().into());
        let message = Message { properties: Some(properties), ..Message::from(Body::Data(Batch::from(vec![data]))) };
        self.send(queue, message).expect("a queue");
    }

    /// Whether somebody has the session.
    pub fn is_locked(&self, queue: &str, session: &str) -> bool {
        self.with(|inside| inside.session(queue, session).is_some_and(|place| place.lock.is_some()))
    }
}

impl Inside {
    fn next_link(&mut self) -> LinkId {
        self.last_link += 1;
        self.last_link
    }

    fn session(&self, queue: &str, session: &str) -> Option<&Session> {
        self.queues.get(queue)?.get(session)
    }

    fn session_mut(&mut self, queue: &str, session: &str) -> Option<&mut Session> {
        self.queues.get_mut(queue)?.get_mut(session)
    }

    /// The lock, if the asker has it.
    fn held(&mut self, queue: &str, session: &str, asker: &Asker<'_>) -> Result<&mut Lock, Refusal> {
        let lock = self.session_mut(queue, session).and_then(|place| place.lock.as_mut());
        let is_theirs = |lock: &&mut Lock| match asker.link_name {
            Some(name) => lock.name == name && lock.connection == asker.connection,
            None => lock.connection == asker.connection,
        };
        lock.filter(is_theirs).ok_or_else(|| lost(session))
    }

    fn free(&mut self, link: LinkId) {
        self.free_all(|lock| lock.link == link);
    }

    fn free_all(&mut self, mut whose: impl FnMut(&mut Lock) -> bool) {
        for place in self.queues.values_mut().flat_map(BTreeMap::values_mut) {
            let Some(lock) = &mut place.lock else { continue };
            let link = lock.link;
            if !whose(lock) {
                continue;
            }
            place.lock = None;
            for stored in place.messages.iter_mut().filter(|stored| stored.given == Some(link)) {
                stored.given = None;
            }
        }
    }

    fn expire(&mut self) {
        let now = Instant::now();
        self.free_all(|lock| lock.until <= now);
    }

    fn serve_waiters(&mut self, lock: Duration) {
        let mut index = 0;
        while index < self.waiters.len() {
            if self.waiters[index].tell.is_closed() {
                self.waiters.remove(index);
                continue;
            }
            let queue = self.waiters[index].queue.clone();
            let free = |place: &Session| place.lock.is_none() && !place.messages.is_empty();
            let sessions = self.queues.get(&queue);
            let session =
                sessions.and_then(|all| all.iter().find(|(_, place)| free(place)).map(|(name, _)| name.clone()));
            let Some(session) = session else {
                index += 1;
                continue;
            };
            let waiter = self.waiters.remove(index);
            let link = self.next_link();
            let Some(place) = self.session_mut(&queue, &session) else { continue };
            let accepted = place.give(link, &session, &waiter.name, waiter.connection, lock);
            if waiter.tell.send(accepted).is_err() {
                self.free(link);
            }
        }
    }
}

impl Session {
    fn give(&mut self, link: LinkId, session: &str, name: &str, connection: ConnectionId, lock: Duration) -> Accepted {
        let now = Instant::now();
        self.lock = Some(Lock { link, name: name.to_owned(), connection, until: now + lock, used: now });
        let until_ms = now_ms() + i64::try_from(lock.as_millis()).expect("short");
        Accepted { link, session: session.to_owned(), until_ticks: until_ms * 10_000 + 621_355_968_000_000_000 }
    }
}

fn no_such(queue: &str) -> Refusal {
    ("amqp:not-found", format!("The messaging entity '{queue}' could not be found."))
}

fn lost(session: &str) -> Refusal {
    let text = format!("The session lock has expired on the session with id '{session}'. Accept a new session.");
    ("com.microsoft:session-lock-lost", text)
}
