//! A session of the queue: accepting it, and holding it.
//!
//! Its lock hangs on the link that accepted it. When the link falls the session is free at once, whatever time the lock had left, so
//! nothing here is a lease.

use std::sync::Arc;
use std::time::Duration;

use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::link::CreditMode;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::definitions::Fields;
use fe2o3_amqp::types::messaging::{Body, FilterSet, Source};
use fe2o3_amqp::types::primitives::Value;
use fe2o3_amqp::{Receiver, Session};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::address::Address;
use super::errors::Fault;
use super::values;

const FILTER: &str = "com.microsoft:session-filter";
const TIMEOUT: &str = "com.microsoft:timeout";
const LOCKED_UNTIL: &str = "com.microsoft:locked-until-utc";

/// The ticks of .NET, of 100 ns, count from the year 1; these are those of 1970.
const TICKS_OF_1970: i64 = 621_355_968_000_000_000;
const TICKS_A_MS: i64 = 10_000;

/// For how long closing waits for the service's answer. The session may be free before.
const CLOSING: Duration = Duration::from_secs(1);

/// A session that this process holds, by a link of its own. Dropped, it is closed without waiting for the service.
pub(super) struct HeldSession {
    /// The link's name, which no other link ever has.
    pub(super) link: String,
    /// The session's id.
    pub(super) id: String,
    /// Until when it is locked, by the service's clock, in milliseconds since 1970: a lower bound of nothing but fencing tokens.
    pub(super) locked_until_ms: u64,
    commands: mpsc::Sender<Command>,
    ended: CancellationToken,
    _holder: AbortOnDropHandle<()>,
}

enum Command {
    Complete { messages: u32, done: oneshot::Sender<()> },
    Close { done: oneshot::Sender<()> },
}

/// Which session to accept.
pub(super) enum Which<'a> {
    Named(&'a str),
    /// Any that is free and has messages. The service waits for one for so long.
    Next(Duration),
}

/// How often a refusal without a reason is asked for again.
const UNEXPLAINED: u32 = 3;

/// Accepts a session of the queue by its id. `None` when somebody else has it.
pub(super) async fn accept_named(
    connection: &mut ConnectionHandle<()>,
    address: &Address,
    fallen: Arc<dyn Fn() + Send + Sync>,
) -> Result<Option<HeldSession>, Fault> {
    let mut unexplained = 0;
    loop {
        let amqp = begin(connection).await?;
        let which = Which::Named(&address.session);
        match HeldSession::accept(amqp, address.queue.queue(), which, Arc::clone(&fallen)).await {
            Ok(session) => return Ok(Some(session)),
            Err(fault) if fault.is_locked() => return Ok(None),
            Err(fault) if fault.is_unexplained() && unexplained < UNEXPLAINED => unexplained += 1,
            Err(fault) => return Err(fault),
        }
    }
}

/// Begins the AMQP session on which one session of the queue is accepted. An AMQP session that has seen a refusal is used no more: a late
/// detach would hit the next link on it.
pub(super) async fn begin(connection: &mut ConnectionHandle<()>) -> Result<SessionHandle<()>, Fault> {
    Session::begin(connection).await.map_err(|error| Fault::broken(&error))
}

impl HeldSession {
    /// Accepts a session of the queue. `fallen` is told when its link falls by itself.
    pub(super) async fn accept(
        mut amqp: SessionHandle<()>,
        queue: &str,
        which: Which<'_>,
        fallen: Arc<dyn Fn() + Send + Sync>,
    ) -> Result<Self, Fault> {
        let link = Uuid::new_v4().to_string();
        let (wanted, timeout) = match which {
            Which::Named(id) => (Value::String(id.to_owned()), None),
            Which::Next(wait) => (Value::Null, Some(u32::try_from(wait.as_millis()).unwrap_or(u32::MAX))),
        };
        let filter: FilterSet = [(FILTER.into(), wanted)].into_iter().collect();
        let source = Source::builder().address(queue).filter(filter).build();
        let properties: Fields = timeout.into_iter().map(|ms| (TIMEOUT.into(), Value::Uint(ms))).collect();
        let receiver = Receiver::builder()
            .name(link.clone())
            .source(source)
            .properties(properties)
            .credit_mode(CreditMode::Manual)
            .auto_accept(false)
            .attach(&mut amqp)
            .await?;
        let id = accepted(&receiver).ok_or_else(|| Fault::Broken("the session has no id".to_owned()))?;
        let locked_until_ms = locked_until_ms(&receiver);
        let (commands, orders) = mpsc::channel(4);
        let ended = CancellationToken::new();
        let holder = AbortOnDropHandle::new(tokio::spawn(hold(receiver, amqp, orders, ended.clone(), fallen)));
        Ok(Self { link, id, locked_until_ms, commands, ended, _holder: holder })
    }

    /// Whether the link stands, as far as this process knows.
    pub(super) fn is_alive(&self) -> bool {
        !self.ended.is_cancelled()
    }

    /// Receives this many of its oldest messages and completes them. What does not come in time stays.
    pub(super) async fn complete(&self, messages: u32) {
        let (done, over) = oneshot::channel();
        if self.commands.send(Command::Complete { messages, done }).await.is_ok() {
            let _ = over.await;
        }
    }

    /// Closes the link, upon which the session is free.
    pub(super) async fn close(self) {
        let (done, over) = oneshot::channel();
        if self.commands.send(Command::Close { done }).await.is_ok() {
            let _ = tokio::time::timeout(CLOSING, over).await;
        }
    }
}

/// Keeps the link. With no credit nothing comes by it but its end, which is told at once.
async fn hold(
    mut receiver: Receiver,
    mut amqp: SessionHandle<()>,
    mut orders: mpsc::Receiver<Command>,
    ended: CancellationToken,
    fallen: Arc<dyn Fn() + Send + Sync>,
) {
    loop {
        let order = tokio::select! {
            order = orders.recv() => order,
            received = receiver.recv::<Body<Value>>() => match received {
                // It came for an order that is over, and goes back.
                Ok(delivery) => { let _ = receiver.release(&delivery).await; continue }
                Err(_) => { ended.cancel(); fallen(); return }
            },
        };
        match order {
            Some(Command::Complete { messages, done }) => {
                let _ = tokio::time::timeout(CLOSING, complete(&mut receiver, messages)).await;
                let _ = done.send(());
            }
            Some(Command::Close { done }) => {
                ended.cancel();
                let _ = receiver.close().await;
                let _ = amqp.end().await;
                let _ = done.send(());
                return;
            }
            None => return,
        }
    }
}

async fn complete(receiver: &mut Receiver, messages: u32) -> Option<()> {
    receiver.set_credit(messages).await.ok()?;
    for _ in 0..messages {
        let delivery = receiver.recv::<Body<Value>>().await.ok()?;
        receiver.accept(&delivery).await.ok()?;
    }
    receiver.set_credit(0).await.ok()
}

/// The session that the service has given, which it names in its filter.
fn accepted(receiver: &Receiver) -> Option<String> {
    let filter = receiver.source().as_ref()?.filter.as_ref()?;
    let (_, id) = filter.iter().find(|(name, _)| name.as_str() == FILTER)?;
    let id = match id {
        Value::Described(described) => values::text(&described.value),
        plain => values::text(plain),
    };
    id.map(str::to_owned)
}

fn locked_until_ms(receiver: &Receiver) -> u64 {
    let ticks = receiver.properties(|properties| {
        let properties = properties.as_ref()?;
        let (_, until) = properties.iter().find(|(name, _)| name.as_str() == LOCKED_UNTIL)?;
        values::number(until)
    });
    let since_1970 = ticks.and_then(|ticks| ticks.checked_sub(TICKS_OF_1970)).unwrap_or_default();
    u64::try_from(since_1970 / TICKS_A_MS).unwrap_or_default()
}
