//! What is asked about a session.

use std::time::Duration;

use fe2o3_amqp::Sendable;
use fe2o3_amqp::types::messaging::{Message, Outcome, Properties};
use fe2o3_amqp::types::primitives::{Binary, Value};

use super::connection::Connection;
use super::errors::Fault;
use super::session::HeldSession;
use super::values;

const RENEW: &str = "com.microsoft:renew-session-lock";
const GET: &str = "com.microsoft:get-session-state";
const SET: &str = "com.microsoft:set-session-state";
const PEEK: &str = "com.microsoft:peek-message";
/// The name of the link that a request is about. With it a renewal also counts as a use of that link, which is otherwise closed after ten
/// minutes without one.
const LINK: &str = "associated-link-name";

/// How many messages one look asks for.
const A_LOOK: usize = 100;
/// As many looks as are made for the latest message of a session.
const LOOKS: usize = 20;

/// A message of a session, as a look shows it.
pub(super) struct Seen {
    pub(super) body: Vec<u8>,
    /// When the service took it, in milliseconds since 1970.
    pub(super) enqueued_ms: Option<u64>,
    sequence_number: i64,
}

fn about(session: &HeldSession) -> (&'static str, Value) {
    ("session-id", Value::String(session.id.clone()))
}

/// Holds the session's lock for its whole time from now on. Returns when it will end, by the service's clock, in milliseconds since 1970.
pub(super) async fn renew(connection: &mut Connection, session: &HeldSession) -> Result<u64, Fault> {
    let body = values::map([about(session)]);
    let answer = connection.management().await?.call(RENEW, [(LINK, session.link.as_str())], body).await?;
    ends(&answer)
}

fn ends(answer: &Value) -> Result<u64, Fault> {
    let ends = values::field(answer, "expiration").and_then(values::number);
    ends.and_then(|ms| u64::try_from(ms).ok()).ok_or_else(|| Fault::Broken("a renewal without an end".to_owned()))
}

/// The session's state; `None` when it has none.
pub(super) async fn state(connection: &mut Connection, session: &HeldSession) -> Result<Option<Vec<u8>>, Fault> {
    let body = values::map([about(session)]);
    let answer = connection.management().await?.call(GET, [(LINK, session.link.as_str())], body).await?;
    read_state(&answer)
}

/// [`renew`] and [`state`], which go out together.
pub(super) async fn renew_and_read(
    connection: &mut Connection,
    session: &HeldSession,
) -> Result<Option<Vec<u8>>, Fault> {
    let rpc = connection.management().await?;
    let renewal = rpc.ask(RENEW, [(LINK, session.link.as_str())], values::map([about(session)])).await?;
    let reading = rpc.ask(GET, [(LINK, session.link.as_str())], values::map([about(session)])).await?;
    let renewed = rpc.answer(renewal).await;
    let read = rpc.answer(reading).await;
    ends(&renewed?)?;
    read_state(&read?)
}

fn read_state(answer: &Value) -> Result<Option<Vec<u8>>, Fault> {
    match values::field(answer, "session-state") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Binary(bytes)) => Ok(Some(bytes.to_vec())),
        Some(_) => Err(Fault::Broken("a session state that is no bytes".to_owned())),
    }
}

/// Writes the session's state, which the service takes from whoever holds the session.
pub(super) async fn set_state(connection: &mut Connection, session: &HeldSession, state: Vec<u8>) -> Result<(), Fault> {
    let body = values::map([about(session), ("session-state", Value::Binary(Binary::from(state)))]);
    connection.management().await?.call(SET, [(LINK, session.link.as_str())], body).await.map(drop)
}

/// [`renew`], and a card sent at the same time. Returns the end of the lock, and whether the card was taken.
pub(super) async fn renew_and_send(
    connection: &mut Connection,
    session: &HeldSession,
    id: &str,
    card: Vec<u8>,
) -> Result<(u64, bool), Fault> {
    let (rpc, sender) = connection.management_and_cards().await?;
    let renewal = rpc.call(RENEW, [(LINK, session.link.as_str())], values::map([about(session)]));
    let sending = sender.send(message(session, id, card));
    let (renewal, sent) = tokio::join!(renewal, sending);
    let taken = matches!(sent, Ok(Outcome::Accepted(_)));
    Ok((ends(&renewal?)?, taken))
}

/// Sends a card into the session. Whether the service took it.
pub(super) async fn send(
    connection: &mut Connection,
    session: &HeldSession,
    id: &str,
    card: Vec<u8>,
) -> Result<bool, Fault> {
    let sent = connection.cards().await?.send(message(session, id, card)).await;
    Ok(matches!(sent, Ok(Outcome::Accepted(_))))
}

fn message(session: &HeldSession, id: &str, card: Vec<u8>) -> Sendable<fe2o3_amqp::types::messaging::Data> {
    let about = Properties::builder()
        // Of one's own, for queues that pass over a message they have had.
        .message_id(id.to_owned())
        .group_id(session.id.clone())
        .content_type("application/json")
        .build();
    let message = Message::builder().properties(about).data(Binary::from(card)).build();
    Sendable::builder().message(message).build()
}

/// The messages of a session, without accepting it: the number there are, and the last one.
pub(super) async fn look(connection: &mut Connection, session: &str) -> Result<(usize, Option<Seen>), Fault> {
    let rpc = connection.management().await?;
    let (mut from, mut count, mut last) = (0, 0, None::<Seen>);
    for _ in 0..LOOKS {
        let body = values::map([
            ("from-sequence-number", Value::Long(from)),
            ("message-count", Value::Int(A_LOOK as i32)),
            ("session-id", Value::String(session.to_owned())),
        ]);
        let answer = rpc.call(PEEK, [], body).await?;
        let Some(Value::List(messages)) = values::field(&answer, "messages") else { break };
        let seen: Vec<Seen> = messages.iter().filter_map(seen).collect();
        count += seen.len();
        let whole = seen.len() >= A_LOOK;
        last = seen.into_iter().last().or(last);
        match &last {
            Some(last) if whole && last.sequence_number >= from => from = last.sequence_number.saturating_add(1),
            _ => break,
        }
    }
    Ok((count, last))
}

fn seen(entry: &Value) -> Option<Seen> {
    let Some(Value::Binary(bytes)) = values::field(entry, "message") else { return None };
    let message = values::decode(bytes)?;
    let annotations = message.message_annotations.as_ref()?;
    let annotation = |name: &str| {
        let is_it = |key: &fe2o3_amqp::types::messaging::annotations::OwnedKey| match key {
            fe2o3_amqp::types::messaging::annotations::OwnedKey::Symbol(symbol) => symbol.as_str() == name,
            fe2o3_amqp::types::messaging::annotations::OwnedKey::Ulong(_) => false,
        };
        annotations.0.iter().find(|(key, _)| is_it(key)).and_then(|(_, value)| values::number(value))
    };
    Some(Seen {
        body: values::data(&message.body).unwrap_or_default(),
        enqueued_ms: annotation("x-opt-enqueued-time").and_then(|ms| u64::try_from(ms).ok()),
        sequence_number: annotation("x-opt-sequence-number").unwrap_or_default(),
    })
}

/// For how long the service locks a session: the end of a renewal less the service's time of a message that was sent with it.
pub(super) fn lock_duration(ends_ms: u64, seen: &Seen) -> Option<Duration> {
    seen.enqueued_ms.and_then(|sent| ends_ms.checked_sub(sent)).map(Duration::from_millis)
}
